"""What a crawler owes the sites it asks: robots.txt, their pace, and not to fetch twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ingest.rejections import (
    BUSY_SERVER,
    DISALLOWED,
)
from ingest.web.crawler import MAX_TRIES, mark_of, since_of
from tests.ingest.web.conftest import Visit
from tests.ingest.web.server import Handler, Site, content, in_turn

Visitor = Callable[..., Visit]
MODIFIED = "Wed, 21 Oct 2015 07:28:00 GMT"


# ---- whether, and how often ------------------------------------------------------------------------------------------
def test_what_robots_txt_forbids_is_not_asked_for(visit: Visitor, site: Site, picture: bytes) -> None:
    site.answers["/robots.txt"] = content(b"User-agent: faceproject\nDisallow: /private/\n", "text/plain")
    site.answers["/a.png"] = content(picture)
    visitor = visit()
    assert visitor.reason("/private/a.png") == DISALLOWED
    assert visitor.fetch("/a.png")[0] == picture
    assert site.asked() == ["/a.png"]
    assert len(site.headers_of("/robots.txt")) == 1


def test_rules_for_other_crawlers_are_not_ours(visit: Visitor, site: Site, picture: bytes) -> None:
    rules = b"User-agent: otherbot\nDisallow: /\n\nUser-agent: *\nAllow: /\n"
    site.answers["/robots.txt"] = content(rules, "text/plain")
    site.answers["/a.png"] = content(picture)
    assert visit().fetch("/a.png")[0] == picture


@pytest.mark.parametrize("status", [500, 503])
def test_a_site_whose_robots_txt_fails_is_left_alone(visit: Visitor, site: Site, status: int) -> None:
    site.answers["/robots.txt"] = content(b"", status=status)
    assert visit().reason("/a.png") == DISALLOWED
    assert site.asked() == []


def test_of_an_endless_robots_txt_the_beginning_counts(visit: Visitor, site: Site) -> None:
    def endless(handler: Handler) -> None:
        handler.begin(200, {"Content-Type": "text/plain"})
        handler.wfile.write(b"User-agent: *\nDisallow: /\n")
        while not handler.released.is_set():
            handler.wfile.write(b"# and so on\n" * 1000)

    site.answers["/robots.txt"] = endless
    assert visit().reason("/a.png") == DISALLOWED


def test_a_robots_txt_whose_groups_multiply_is_not_read(visit: Visitor, site: Site, picture: bytes) -> None:
    """Each rule is kept for each agent of its group: half of a megabyte would fill the memory of a machine."""
    site.answers["/a.png"] = content(picture)
    agents = "".join(f"User-agent:{number}\n" for number in range(1500))
    site.answers["/robots.txt"] = content((agents + "Allow:/\n" * 1500).encode(), "text/plain")
    assert visit().reason("/a.png") == DISALLOWED
    many = "".join(f"User-agent:{number}\nDisallow:/\n\n" for number in range(500))
    site.answers["/robots.txt"] = content(many.encode(), "text/plain")
    assert visit().fetch("/a.png")[0] == picture


@pytest.mark.parametrize(("said", "kept"), [("Crawl-delay: 7", 7.0), ("Crawl-delay: 0.1", 1.0), ("", 1.0)])
def test_each_request_takes_a_turn_as_long_as_the_site_wants(
    visit: Visitor, site: Site, picture: bytes, said: str, kept: float
) -> None:
    site.answers["/robots.txt"] = content(f"User-agent: *\n{said}\n".encode(), "text/plain")
    site.answers["/a.png"] = content(picture)
    visitor = visit()
    visitor.fetch("/a.png")
    assert visitor.turns.taken == [("site.test", 1.0), ("site.test", kept)]


def test_a_site_that_wants_to_be_asked_too_rarely_is_not_asked(visit: Visitor, site: Site) -> None:
    site.answers["/robots.txt"] = content(b"User-agent: *\nCrawl-delay: 3600\n", "text/plain")
    assert visit().reason("/a.png") == DISALLOWED


@pytest.mark.parametrize(
    ("said", "waited"),
    [
        ("30", 30.0),
        ("Mon, 04 May 2026 12:00:45 GMT", 45.0),
        ("soon", 10.0),
        ("-1", 10.0),
        ("Fri, 31 Dec 9999 23:59:59 -1200", 10.0),
        ("4 May 99999999999999999999 12:00:45 GMT", 10.0),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again_when_it_says(
    visit: Visitor, site: Site, picture: bytes, status: int, said: str, waited: float
) -> None:
    site.answers["/a.png"] = in_turn(content(b"", status=status, Retry_After=said), content(picture))
    visitor = visit()
    assert visitor.fetch("/a.png")[0] == picture
    assert [seconds for _, seconds in visitor.turns.taken] == [1.0, 1.0, waited, 1.0]


def test_a_server_that_stays_busy_is_given_up(visit: Visitor, site: Site) -> None:
    site.answers["/a.png"] = content(b"", status=429, Retry_After="1")
    visitor = visit()
    assert visitor.reason("/a.png") == BUSY_SERVER
    assert len(site.asked()) == MAX_TRIES
    assert visitor.reason("/b.png") == BUSY_SERVER
    assert len(site.asked()) == MAX_TRIES


def test_a_server_that_is_busy_for_long_is_not_waited_for(visit: Visitor, site: Site) -> None:
    site.answers["/a.png"] = content(b"", status=503, Retry_After="86400")
    visitor = visit()
    assert visitor.reason("/a.png") == BUSY_SERVER
    assert len(site.asked()) == 1
    assert max(seconds for _, seconds in visitor.turns.taken) == 1.0


# ---- a second time ---------------------------------------------------------------------------------------------------
def test_what_has_not_changed_since_is_not_sent_again(visit: Visitor, site: Site, picture: bytes) -> None:
    site.answers["/a.png"] = in_turn(content(picture, Last_Modified=MODIFIED), lambda handler: handler.begin(304))
    visitor = visit()
    _, mark = visitor.fetch("/a.png")
    assert mark == 1445412480 * 10**9
    assert visitor.fetch("/a.png", known=mark) == (b"", None)
    assert site.headers_of("/a.png")[1]["If-Modified-Since"] == MODIFIED


@pytest.mark.parametrize("header", [{"Last_Modified": MODIFIED}, {"ETag": '"one"'}, {"ETag": 'W/"one"'}])
def test_where_the_server_does_not_compare_its_body_is_left_unread(
    visit: Visitor, site: Site, picture: bytes, header: dict[str, str]
) -> None:
    site.answers["/a.png"] = content(picture, **header)
    visitor = visit()
    _, mark = visitor.fetch("/a.png")
    assert mark
    assert visitor.fetch("/a.png", known=mark) == (b"", None)


def test_what_has_changed_is_fetched_again(visit: Visitor, site: Site, picture: bytes) -> None:
    site.answers["/a.png"] = in_turn(content(picture, ETag='"one"'), content(picture + b"\0", ETag='"two"'))
    visitor = visit()
    _, mark = visitor.fetch("/a.png")
    assert mark
    body, other = visitor.fetch("/a.png", known=mark)
    assert (body, other == mark) == (picture + b"\0", False)


def test_marks_are_numbers_that_every_store_holds_and_of_two_kinds() -> None:
    etag = mark_of({"ETag": '"x"'})
    assert 0 < etag < 2**63
    assert since_of(etag) == ""
    assert since_of(mark_of({"Last-Modified": MODIFIED})) == MODIFIED
    for senseless in ("", "yesterday", "Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"):
        assert mark_of({"Last-Modified": senseless}) == 0
    assert mark_of({"Last-Modified": "Fri, 31 Dec 9999 23:59:59 -1200", "ETag": '"x"'}) == etag
    assert mark_of({"Last-Modified": "yesterday", "ETag": '"x"'}) == etag
