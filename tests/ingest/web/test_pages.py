"""Which pictures a page has."""

from __future__ import annotations

import pytest

from ingest.web.addresses import parse
from ingest.web.pages import MAX_LINKS, is_page, pictures_of
from ingest.web.srcset import largest_of

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
        ("a.png,", "a.png"),
        ("a.png,,, b.png 2x", "b.png"),
        (",a.png 1x,,b.png\t3x\n,c.png 2x", "b.png"),
        ("a.png .5x, b.png 1.5e1x, c.png 2x", "b.png"),
        ("a.png 100w 50h, b.png 200w 60h", "b.png"),
        ("a.png 1x, b.png media(3x, 4x) 5x, c.png 2x", "c.png"),
        ("a.png 1x, b.png (unfinished, c.png 2x", "a.png"),
        ("a.png 1x, b.png 2w 2x, c.png 9x 9x, d.png 9h, e.png 0w, f.png -9x, g.png infx, h.png nanx, i.png x", "a.png"),
        ("a.png nonsense", None),
        ("a.png 1x, b.png\u00a02x", "a.png"),
    ],
)
def test_of_a_srcset_the_largest_counts(srcset: str, largest: str | None) -> None:
    assert largest_of(srcset) == largest


def test_what_a_page_writes_strangely_is_read_as_browsers_do() -> None:
    assert found("<img/src=a.png/alt=x>") == ["/album/a.png/alt=x"]
    assert found("<img/src='a.png'/alt>") == ["/album/a.png"]
    assert found('<img alt="a > b" src = "a.png" src="b.png">') == ["/album/a.png"]
    assert found("<img =src src=a.png><img src=><img src=b.png") == ["/album/a.png"]
    assert found("<![foo]><img src=a.png><![CDATA[x]]><? php ?></ x><img src=b.png>") == [
        "/album/a.png",
        "/album/b.png",
    ]
    assert found("<!--><img src=a.png><!-- --!><img src=b.png>") == ["/album/a.png", "/album/b.png"]
    assert found("</p title='<img src=x.png>'><img src=a.png>< img src=x.png>") == ["/album/a.png"]
    assert found("<title><img src=x.png></TITLE ><noscript><img src=a.png></noscript>") == ["/album/a.png"]
    assert found("<script>'</scripts><img src=x.png>'</script><img src=a.png>") == ["/album/a.png"]
    assert found("<script><img src=x.png>") == []
    assert found(f"<img src='a.png?&#{'9' * 5000};'><img src=b.png>")[1:] == ["/album/b.png"]


HOSTILE = 2 * 2**20


UNFINISHED = ("<!--", "<!", "<", "</", "<?", "<![", "<a", "<a ", "<a/", "<a =", "<a b=c ", "<a b='", "<s<s ")


@pytest.mark.parametrize("unit", [*UNFINISHED, "<title>", "</title", "<img srcset=' "])
def test_a_hostile_page_is_read_in_one_pass(unit: str) -> None:
    """Of megabytes: a reader whose time grows by the square would never come to the end."""
    assert found(unit * (HOSTILE // len(unit)) + "<img src=a.png>") in ([], ["/album/a.png"])


@pytest.mark.parametrize("unit", [" ", ",", " ,", "a ", "a,", "a, ", "(", "a (", "9", "1x ", "\u00a0"])
def test_a_hostile_srcset_is_read_in_one_pass(unit: str) -> None:
    run = unit * (HOSTILE // len(unit))
    assert found(f'<img srcset="{run}"><img srcset="{run} 2x"><img src="a.png">')[-1] == "/album/a.png"


def test_of_a_page_of_very_many_links_the_first_are_looked_at() -> None:
    assert len(found("".join(f"<img src={number}.png>" for number in range(MAX_LINKS + 3)))) == MAX_LINKS


def test_a_page_is_read_in_its_own_letters() -> None:
    html = '<meta charset="iso-8859-1"><img src="/ä.png">'
    addresses = pictures_of(html.encode("latin-1"), PAGE)
    assert addresses == pictures_of(html.encode("latin-1"), PAGE, "text/html; charset=ISO-8859-1")
    assert addresses == pictures_of(html.encode(), PAGE, "text/html; charset=utf-8")
    assert pictures_of(b'<img src="a.png">', PAGE, "text/html; charset=klingon") == [PAGE.joined("a.png")]


@pytest.mark.parametrize(
    "charset",
    ["idna", "punycode", "undefined", "unicode_escape", "raw-unicode-escape", "base64", "zip", "x" * 300, ".."],
)
def test_a_page_in_no_encoding_of_the_web_is_read_as_utf_8(charset: str) -> None:
    html = '<img src="ä.png"><img src="\\ud800.png">' + "-" * HOSTILE
    expected = [PAGE.joined("ä.png"), PAGE.joined("\\ud800.png")]
    assert pictures_of(html.encode(), PAGE, f"text/html; charset={charset}") == expected


def test_a_hostile_content_type_is_read_in_one_pass() -> None:
    assert pictures_of(b"<img src=a.png>", PAGE, "charset=" + " " * HOSTILE + "?") == [PAGE.joined("a.png")]


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
