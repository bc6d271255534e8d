"""Addresses: what is one, what the store calls it, and what never reaches a log."""

from __future__ import annotations

import pytest

from ingest.rejections import BAD_ADDRESS, RejectedError
from ingest.web.addresses import MAX_CHARACTERS, MAX_NAME, MAX_PATH, lines_of, mixed, parse, redacted


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://Example.ORG", "https://example.org/"),
        (" http://example.org:80/a.jpg#part ", "http://example.org/a.jpg"),
        ("https://example.org:8443/a", "https://example.org:8443/a"),
        ("https://bücher.example/ä b.jpg?q=ü&x=%20", "https://xn--bcher-kva.example/%C3%A4%20b.jpg?q=%C3%BC&x=%20"),
        ("http://localhost./a", "http://localhost/a"),
        ("http://[::1]/a", "http://[::1]/a"),
        ("http://0x7f.1/a", "http://0x7f.1/a"),
    ],
)
def test_an_address_has_one_spelling(text: str, url: str) -> None:
    assert parse(text).url == url
    assert parse(url) == parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "example.org/a.jpg",
        "ftp://example.org/a.jpg",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "data:image/png;base64,AAAA",
        "http://",
        "http:///a.jpg",
        "http://exa mple.org/",
        "http://example.org\\@127.0.0.1/",
        "http://ada:secret@example.org/",
        "ada:secret@example.org/a.png",
        "http://example.org:99999/",
        "http://example.org:0/",
        "http://[::1/",
        "http://-/",
        "http://a..b/",
        "http://exam%00ple.org/",
        "http://" + "a" * 9000,
    ],
)
def test_what_is_no_address_is_refused_without_telling_its_secrets(text: str) -> None:
    with pytest.raises(RejectedError) as caught:
        parse(text)
    assert caught.value.reason == BAD_ADDRESS
    assert "secret" not in str(caught.value)


def test_a_line_break_does_not_smuggle_a_header() -> None:
    assert "\r" not in parse("http://example.org/a\r\nX-Evil: 1").url
    assert "\n" not in parse("http://example.org/a\r\nX-Evil: 1").url


@pytest.mark.parametrize("tail", ["/" + "a" * 300, "/" + "b/" * 900 + "c", "/?" + "q" * 2000])
def test_a_long_address_has_a_path_that_stores_hold_and_that_is_its_own(tail: str) -> None:
    address, other = parse("https://example.org" + tail), parse("https://example.org" + tail + "x")
    assert len(address.path) <= MAX_PATH
    assert len(address.path.rpartition("/")[2]) <= MAX_NAME
    assert address.path != other.path
    assert parse("https://example.org/short").path == "https://example.org/short"


def test_an_address_that_is_too_long_once_it_is_escaped_is_none() -> None:
    """What is taken for an address is one again when it is read back from a share."""
    short = "https://example.org/" + "ä" * (MAX_CHARACTERS // 6 - 10)
    assert parse(parse(short).url) == parse(short)
    with pytest.raises(RejectedError) as caught:
        parse("https://example.org/" + "ä" * (MAX_CHARACTERS // 6))
    assert caught.value.reason == BAD_ADDRESS


@pytest.mark.parametrize(
    "link", ["http://[", "//[::1", "//a]b/", "http://x:99999/", "http://\u2100/", "//\ud800/", "/\ud800"]
)
def test_a_malformed_link_is_refused(link: str) -> None:
    with pytest.raises(RejectedError) as caught:
        parse("https://example.org/a").joined(link)
    assert caught.value.reason == BAD_ADDRESS


def test_names_passwords_and_queries_are_not_shown() -> None:
    assert redacted("https://ada:secret@example.org/a?token=secret#secret") == "https://example.org/a?…"
    assert redacted("http://[broken") == "…"
    assert redacted("ada:secret@example.org/@ada/a.png") == "example.org/@ada/a.png"
    assert redacted("secret@example.org") == "example.org"
    assert redacted("example.org/12@N00/a.png") == "example.org/12@N00/a.png"


def test_what_is_shown_of_an_address_steers_no_terminal() -> None:
    assert redacted("http://a\x00b/\ud800\x1b[31m ä?\x00") == "http://a\ufffdb/\ufffd\ufffd[31m ä?…"
    with pytest.raises(RejectedError, match="http://a\ufffdb/ is not an address"):
        parse("https://example.org/").joined("http://a\x00b/")


def test_a_list_has_each_address_once_and_no_remarks() -> None:
    assert lines_of("\ufeffhttps://a.example/\n\n# mine\n  https://b.example/ \r\nhttps://a.example/\n") == [
        "https://a.example/",
        "https://b.example/",
    ]


def test_hosts_come_by_turns() -> None:
    addresses = [parse(f"https://{host}.example/{number}") for host in "ab" for number in range(3)]
    hosts = [address.host[0] for address in mixed([*addresses, parse("https://c.example/")])]
    assert hosts == ["a", "b", "c", "a", "b", "a", "b"]
