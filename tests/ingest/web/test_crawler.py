"""The crawler against a server that misbehaves: each misbehaviour has its reason, and costs no more than itself."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from ingest.rejections import (
    FORBIDDEN_ADDRESS,
    NO_PICTURES,
    NOT_A_PICTURE,
    READ_FAILED,
    REFUSED_BY_SERVER,
    TIMED_OUT,
    TOO_MANY_BYTES,
    TOO_MANY_REDIRECTS,
    UNREACHABLE,
    RejectedError,
)
from ingest.web.crawler import MAX_REDIRECTS
from personas.errors import TransientError
from tests.ingest.web.conftest import Visit
from tests.ingest.web.server import Handler, Site, content, page, redirect

Visitor = Callable[..., Visit]


def test_a_picture_is_fetched_under_the_name_of_its_host(visit: Visitor, site: Site, picture: bytes) -> None:
    site.answers["/a.png?size=1"] = content(picture)
    assert visit().fetch("/a.png?size=1") == (picture, 0)
    (headers,) = site.headers_of("/a.png?size=1")
    assert headers["Host"] == f"site.test:{site.port}"
    assert headers["User-Agent"] == "faceproject/1 (tests)"
    assert "Cookie" not in headers


# ---- where it does not go --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("place", ["http://169.254.169.254/", "http://127.0.0.2/", "http://[::1]/", "http://10.0.0.1/"])
def test_a_redirect_into_another_network_is_not_followed(visit: Visitor, site: Site, place: str) -> None:
    site.answers["/a.png"] = redirect(place)
    assert visit().reason("/a.png") == FORBIDDEN_ADDRESS
    assert site.asked() == ["/a.png"]


def test_a_redirect_to_a_port_that_is_not_asked_is_not_followed(visit: Visitor, site: Site) -> None:
    site.answers["/a.png"] = redirect("http://site.test:22/")
    assert visit().reason("/a.png") == FORBIDDEN_ADDRESS


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://site.test/a.png", "gopher://site.test/"])
def test_a_redirect_to_another_scheme_is_not_followed(visit: Visitor, site: Site, place: str) -> None:
    site.answers["/a.png"] = redirect(place)
    assert visit().reason("/a.png") == "bad_address"


def test_a_name_that_changes_its_address_is_connected_to_where_it_was_checked(
    visit: Visitor, site: Site, picture: bytes
) -> None:
    """Each request resolves once; what the name would answer the second time never counts for the first."""
    site.answers["/a.png"] = content(picture)
    asked: list[str] = []

    def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) <= 2 else ["169.254.169.254"]  # robots.txt and the picture, then the trick

    visitor = visit(resolver=rebinding)
    assert visitor.fetch("/a.png")[0] == picture
    assert len(asked) == 2
    assert visitor.reason("/a.png") == FORBIDDEN_ADDRESS
    assert len(site.asked()) == 1


def test_a_name_with_one_address_too_many_is_not_asked(visit: Visitor, site: Site) -> None:
    visitor = visit(resolver=lambda host, port: ["127.0.0.1", "192.168.0.1"])
    assert visitor.reason("/a.png") == FORBIDDEN_ADDRESS
    assert site.requests == []


def test_without_leave_not_even_the_tests_own_server_is_asked(visit: Visitor, site: Site) -> None:
    assert visit(allowed=[]).reason("/a.png") == FORBIDDEN_ADDRESS
    assert site.requests == []


def test_a_name_that_nobody_has_is_told(visit: Visitor) -> None:
    def unknown(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    assert visit(resolver=unknown).reason("/a.png") == UNREACHABLE


def test_a_redirect_loop_ends(visit: Visitor, site: Site) -> None:
    site.answers["/a"], site.answers["/b"] = redirect("/b", 301), redirect("/a", 307)
    assert visit().reason("/a") == TOO_MANY_REDIRECTS
    assert len(site.asked()) == MAX_REDIRECTS + 1


def test_a_redirect_to_another_site_obeys_its_robots_txt_too(visit: Visitor, site: Site, picture: bytes) -> None:
    site.answers["/a.png"] = redirect(site.url("/b.png", host="other.test"))
    site.answers["/b.png"] = content(picture)
    visitor = visit()
    assert visitor.fetch("/a.png")[0] == picture
    hosts = [headers["Host"].partition(":")[0] for headers in site.headers_of("/robots.txt")]
    assert sorted(hosts) == ["other.test", "site.test"]
    assert {host for host, _ in visitor.turns.taken} == {"site.test", "other.test"}


# ---- answers that are not what they say ------------------------------------------------------------------------------
def test_an_endless_body_is_read_no_further_than_allowed(visit: Visitor, site: Site, picture: bytes) -> None:
    sent: list[int] = []

    def endless(handler: Handler) -> None:
        handler.begin(200, {"Content-Type": "image/png"})
        handler.wfile.write(picture)
        while not handler.released.is_set():
            handler.wfile.write(b"\0" * 2**16)
            sent.append(2**16)

    site.answers["/a.png"] = endless
    assert visit(max_bytes=2**20).reason("/a.png") == TOO_MANY_BYTES
    site.released.wait(0)
    assert sum(sent) < 64 * 2**20


def test_a_body_that_says_it_is_too_large_is_not_read(visit: Visitor, site: Site, picture: bytes) -> None:
    def large(handler: Handler) -> None:
        handler.begin(200, {"Content-Length": str(10**12)})
        handler.wfile.write(picture)
        handler.released.wait(60)

    site.answers["/a.png"] = large
    assert visit().reason("/a.png") == TOO_MANY_BYTES


@pytest.mark.parametrize("body", [b"<!doctype html><p>Sign in first", b"MZ\0\0program", b""])
def test_what_says_it_is_a_picture_and_is_none_is_not_kept(visit: Visitor, site: Site, body: bytes) -> None:
    site.answers["/a.jpg"] = content(body, "image/jpeg")
    assert visit().reason("/a.jpg") == NOT_A_PICTURE


def test_a_picture_that_says_it_is_text_is_a_picture(visit: Visitor, site: Site, picture: bytes) -> None:
    site.answers["/a.txt"] = content(picture, "text/plain")
    assert visit().fetch("/a.txt")[0] == picture
    assert visit().look("/a.txt") == [site.url("/a.txt")]


@pytest.mark.parametrize("begins", ["picture", "page"])
def test_a_gzip_bomb_is_unpacked_no_further_than_allowed(
    visit: Visitor, site: Site, picture: bytes, begins: str
) -> None:
    head = picture if begins == "picture" else b"<!doctype html><p>"
    bomb = gzip.compress(head + b"\0" * (64 * 2**20))
    assert len(bomb) < 2**18
    site.answers["/a"] = content(bomb, "text/html", Content_Encoding="gzip")
    with pytest.raises(RejectedError) as caught:
        visitor = visit(max_bytes=2**20)
        visitor.fetch("/a") if begins == "picture" else visitor.look("/a")
    assert caught.value.reason == TOO_MANY_BYTES


def test_what_only_says_it_is_compressed_is_told(visit: Visitor, site: Site, picture: bytes) -> None:
    site.answers["/a.png"] = content(picture, Content_Encoding="gzip")
    assert visit().reason("/a.png") == READ_FAILED


def test_what_is_compressed_several_times_is_not_unpacked(visit: Visitor, site: Site, picture: bytes) -> None:
    """A little of it may unpack to years of nothing, which no limit of bytes ends."""
    site.answers["/a.png"] = content(gzip.compress(gzip.compress(picture)), Content_Encoding="gzip, gzip")
    site.answers["/b.png"] = content(gzip.compress(picture), Content_Encoding="gzip")
    visitor = visit()
    assert visitor.reason("/a.png") == READ_FAILED
    assert visitor.fetch("/b.png")[0] == picture


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 999999999999 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnumber\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: " + b"gzip," * 20 + b"gzip\r\n\r\nx",
        b"HTTP/1.1 302 Found\r\nLocation: http://[::1/\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: //\xe4\xff\x00/\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://" + b"a" * 64 + b".test/\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://a..test:x/\r\n\r\n",
        b"\xff\x00\r\n\r\n",
        b"",
    ],
)
def test_a_malformed_answer_costs_its_address_alone(visit: Visitor, site: Site, head: bytes) -> None:
    site.answers["/robots.txt"] = content(b"", "text/plain")
    site.answers["/a.png"] = lambda handler: handler.wfile.write(head) and None
    assert visit().reason("/a.png")
    with pytest.raises(RejectedError):
        visit().look("/a.png")


def test_what_nobody_foresaw_in_an_answer_costs_its_address_alone_and_is_logged_without_what_it_said(
    visit: Visitor, site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*args: Any) -> None:
        raise AssertionError("the page speaks of Ada")

    monkeypatch.setattr("ingest.web.crawler.pictures_of", fails)
    site.answers["/a?ada"] = page("Ada")
    with pytest.raises(RejectedError) as caught:
        visit().look("/a?ada")
    assert caught.value.reason == READ_FAILED
    (record,) = [each for each in caplog.records if each.name == "ingest.web.crawler"]
    assert (record.host, record.error) == ("site.test", "AssertionError")  # type: ignore[attr-defined]
    assert "ada" not in str(record.__dict__).lower().replace("adapter", "")
    assert record.exc_info is None

    monkeypatch.setattr("ingest.web.crawler.sniff", fails)
    assert visit().reason("/a?ada") == READ_FAILED


def test_a_worker_that_is_told_to_end_while_it_waits_for_a_turn_blames_no_address(visit: Visitor, site: Site) -> None:
    class Ending:
        def wait(self, host: str, seconds: float) -> None:
            raise TransientError("told to end")

    visitor = visit()
    visitor.crawler._turns = Ending()
    with pytest.raises(TransientError):
        visitor.look("/a")
    with pytest.raises(TransientError):
        visitor.fetch("/a.png")


def test_a_body_that_breaks_off_is_told(visit: Visitor, site: Site, picture: bytes) -> None:
    def broken(handler: Handler) -> None:
        handler.begin(200, {"Content-Length": str(len(picture) + 100)})
        handler.wfile.write(picture)

    site.answers["/a.png"] = broken
    assert visit().reason("/a.png") == UNREACHABLE


def drip(handler: Handler, *parts: bytes) -> None:
    for part in parts:
        handler.wfile.write(part)
    while not handler.released.wait(0.02):
        handler.wfile.write(b"x")


def slow_head(handler: Handler) -> None:
    drip(handler, b"HTTP/1.1 200 OK\r\nX-Slow: ")


def slow_body(handler: Handler) -> None:
    drip(handler, b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n\x89PNG\r\n\x1a\n")


def slow_chunk(handler: Handler) -> None:
    drip(handler, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1;")


@pytest.mark.parametrize("slow", [slow_head, slow_body, slow_chunk])
def test_a_server_that_drips_is_given_up(visit: Visitor, site: Site, slow: Any) -> None:
    site.answers["/robots.txt"] = content(b"", "text/plain")
    site.answers["/a.png"] = slow
    assert visit(seconds=3.0).reason("/a.png") == TIMED_OUT


def test_a_server_that_is_not_there_is_told(visit: Visitor, site: Site) -> None:
    site.answers["/robots.txt"] = content(b"", "text/plain")
    site.answers["/a.png"] = lambda handler: handler.connection.close()
    assert visit().reason("/a.png") == UNREACHABLE


@pytest.mark.parametrize("status", [401, 403, 404, 410, 500])
def test_an_error_is_told(visit: Visitor, site: Site, status: int) -> None:
    site.answers["/a.png"] = content(b"no", status=status)
    assert visit().reason("/a.png") == REFUSED_BY_SERVER


# ---- looking ---------------------------------------------------------------------------------------------------------
def test_a_pages_pictures_are_found(visit: Visitor, site: Site) -> None:
    site.answers["/wiki/File:A.jpg"] = page('<img src="/a.png"><a href="b.jpg">b</a>')
    assert visit().look("/wiki/File:A.jpg") == [site.url("/a.png"), site.url("/wiki/b.jpg")]
    assert site.asked() == ["/wiki/File:A.jpg"]


def test_links_of_a_page_that_moved_are_those_of_where_it_is(visit: Visitor, site: Site) -> None:
    site.answers["/old"] = redirect("/new/")
    site.answers["/new/"] = page('<img src="a.png">')
    assert visit().look("/old") == [site.url("/new/a.png")]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (page("<p>nothing"), NO_PICTURES),
        (content(b"{}", "application/json"), NOT_A_PICTURE),
        (content(b"PK\0", "text/html"), NOT_A_PICTURE),
    ],
)
def test_where_there_is_no_picture_it_is_told(visit: Visitor, site: Site, answer: Any, reason: str) -> None:
    site.answers["/a"] = answer
    with pytest.raises(RejectedError) as caught:
        visit().look("/a")
    assert caught.value.reason == reason
