"""Which pictures a page has."""

from __future__ import annotations

import pytest

from ingest.web.addresses import parse
from ingest.web.pages import is_page, largest_of, pictures_of

PAGE = parse("https://example.org/album/index.html")


def found(html: str, **options: str) -> list[str]:
    return [each.url.removeprefix("https://example.org") for each in pictures_of(html.encode(), PAGE, **options)]


@pytest.mark.parametrize(
    ("html", "pictures"),
    [
        ('<img src="a.png">', ["/album/a.png"]),
        ('<IMG SRC=/a.png alt="x">', ["/a.png"]),
        ('<img src="small.png" srcset="m.png 400w, l.png 1600w, s.png 100w">', ["/album/l.png"]),
        ('<img src="1.png" srcset="2.png 2x">', ["/album/2.png"]),
        (
            '<picture><source srcset="a.webp 1x, b.webp 3x"><img src="c.jpg"></picture>',
            ["/album/b.webp", "/album/c.jpg"],
        ),
        ('<a href="/full.JPEG?x=1">full</a><a href="other.html">no</a>', ["/full.JPEG?x=1"]),
        ('<meta property="og:image" content="/og.jpg"><meta name="og:title" content="x">', ["/og.jpg"]),
        ('<img src="a.png"><img src="./a.png#top">', ["/album/a.png"]),
        ('<base href="/pics/"><img src="a.png">', ["/pics/a.png"]),
        ('<img src="data:image/png;base64,AAAA"><img src="javascript:x"><img src=""><img>', []),
        ('<img src="https://[broken/a.png"><img src="//example.org/b.png">', ["/b.png"]),
        ('<img src="a.png?x=1&amp;y=2">', ["/album/a.png?x=1&y=2"]),
        ('<!-- <img src="a.png"> --><script>"<img src=b.png>"</script>', []),
        ("<img src='unfinished.png'", []),
    ],
)
def test_pictures_of_a_page(html: str, pictures: list[str]) -> None:
    assert found(html) == pictures


@pytest.mark.parametrize(
    ("srcset", "largest"),
    [
        ("a.png", "a.png"),
        ("a.png, b.png 2x", "b.png"),
        ("a,b.png 10w,c.png 5w", "a,b.png"),
        ("a.png nonsense, b.png 2x", "b.png"),
        ("", None),
        (" , ", None),
    ],
)
def test_of_a_srcset_the_largest_counts(srcset: str, largest: str | None) -> None:
    assert largest_of(srcset) == largest


def test_a_page_is_read_in_its_own_letters() -> None:
    html = '<meta charset="iso-8859-1"><img src="/ä.png">'
    addresses = pictures_of(html.encode("latin-1"), PAGE)
    assert addresses == pictures_of(html.encode("latin-1"), PAGE, "text/html; charset=ISO-8859-1")
    assert addresses == pictures_of(html.encode(), PAGE, "text/html; charset=utf-8")
    assert pictures_of(b'<img src="a.png">', PAGE, "text/html; charset=klingon") == [PAGE.joined("a.png")]


@pytest.mark.parametrize(
    ("first", "kind", "expected"),
    [
        (b"\xef\xbb\xbf\n<!DOCTYPE HTML>", "", True),
        (b"<html lang=en>", "image/png", True),
        (b"<p>hello", "text/html; charset=utf-8", True),
        (b"<p>hello", "application/xhtml+xml", True),
        (b"{}", "application/json", False),
        (b"PK\0\x01", "text/html", False),
    ],
)
def test_what_is_taken_for_a_page(first: bytes, kind: str, expected: bool) -> None:
    assert is_page(first, kind) is expected
