"""Asks for pages and pictures as a guest should: by robots.txt, one request at a time a host, and not too often.

What an answer is, its first bytes say; what a server says of it only decides whether text is a page.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from ingest.rejections import (
    BUSY_SERVER,
    NO_PICTURES,
    NOT_A_PICTURE,
    READ_FAILED,
    REFUSED_BY_SERVER,
    TOO_MANY_REDIRECTS,
    RejectedError,
)
from ingest.vision.pictures import sniff
from ingest.web.addresses import Address
from ingest.web.connection import Head, Judge, ask
from ingest.web.networks import Networks, Resolver, resolve
from ingest.web.pages import is_page, pictures_of
from ingest.web.robots import MAX_BYTES, Robots
from personas.errors import FaceProjectError

logger = logging.getLogger(__name__)

MAX_REDIRECTS = 5
#: A busy server is asked so often in all, and waited for so long at most.
MAX_TRIES, MAX_WAIT_SECONDS = 3, 120.0
#: What a busy server is given that does not say how long it needs.
WAIT_SECONDS = 10.0
MAX_PAGE_BYTES = 8 * 2**20
#: Pictures taken from one page; a page of more is a catalogue, better listed by who made it.
MAX_PICTURES_A_PAGE = 500
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_BUSY: Final = frozenset({429, 503})
_NOT_MODIFIED: Final = 304
_ACCEPT: Final = "image/*, text/html;q=0.9, */*;q=0.1"


class Turns(Protocol):
    """Who may ask a host when."""

    def wait(self, host: str, seconds: float) -> None:
        """Comes back when this host may be asked; nobody else may for so many seconds from then on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlRules:
    """What the settings say. user_agent: "name/version …". delay: seconds between two requests to a host.

    seconds: for one answer, from the connection to its last byte. max_bytes: of a picture.
    """

    user_agent: str
    networks: Networks = field(default_factory=Networks)
    delay: float = 1.0
    seconds: float = 60.0
    max_bytes: int = 100 * 2**20
    tls_ca: str = ""


class Crawler:
    """Fetches. Safe to use from several threads, one a host."""

    def __init__(
        self,
        rules: CrawlRules,
        *,
        turns: Turns,
        resolver: Resolver = resolve,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._rules = rules
        self._turns = turns
        self._resolver = resolver
        self._clock = clock
        self._busy: set[str] = set()  #: hosts that stayed busy, and are not waited for again
        self._robots = Robots(agent=rules.user_agent.partition("/")[0], fetch=self._fetch_robots)

    def look(self, address: Address) -> tuple[Address, ...]:
        """The pictures at an address: itself, or those of the page there. Raises RejectedError."""
        content = io.BytesIO()

        def judge(head: Head) -> int:
            if sniff(head.first):
                return 0  # whoever takes it in fetches it
            if is_page(head.first, head.headers.get("Content-Type", "")):
                return MAX_PAGE_BYTES
            raise _no_picture()

        with _blaming(address):
            page, head = self._follow(address, {}, judge, content)
            _require_ok(head)
            if sniff(head.first):
                return (address,)
            found = pictures_of(content.getvalue(), page, head.headers.get("Content-Type", ""))
        if not found:
            raise RejectedError(
                NO_PICTURES, "The page shows no picture and links to none. Give the pictures' addresses."
            )
        return tuple(found)

    def fetch(self, address: Address, into: BinaryIO, *, known: int = 0) -> int | None:
        """Write the picture at an address; returns its mark, or None where that still is `known`.

        A mark tells one content of an address from the next, see `mark_of`; 0: there is none. Raises RejectedError.
        """
        since = since_of(known)

        def judge(head: Head) -> int:
            if known and mark_of(head.headers) == known:
                return 0  # the server does not compare, so we do
            if sniff(head.first) is None:
                raise _no_picture()
            return self._rules.max_bytes

        with _blaming(address):
            _, head = self._follow(address, {"If-Modified-Since": since} if since else {}, judge, into)
            if known and head.status == _NOT_MODIFIED:
                return None
            _require_ok(head)
            mark = mark_of(head.headers)
        return None if known and mark == known else mark

    # -- one address ---------------------------------------------------------------------------------------------------
    def _follow(
        self, address: Address, headers: Mapping[str, str], judge: Judge, into: BinaryIO, *, obey: bool = True
    ) -> tuple[Address, Head]:
        """The answer, and where it came from. Every step of the way is checked as the first one."""
        for _ in range(MAX_REDIRECTS + 1):
            head = self._ask(address, headers, judge, into, obey=obey)
            link = head.headers.get("Location")
            if head.status not in _REDIRECTS or not link:
                return address, head
            address = address.joined(link)
        raise RejectedError(
            TOO_MANY_REDIRECTS, f"The address leads on to another one over {MAX_REDIRECTS} times. Give the last one."
        )

    def _ask(self, address: Address, headers: Mapping[str, str], judge: Judge, into: BinaryIO, *, obey: bool) -> Head:
        """An answer, once the server is not busy."""
        rules = self._rules
        if address.host in self._busy:
            raise _busy(address)
        for tries_left in reversed(range(MAX_TRIES)):
            at = rules.networks.checked(address, self._resolver)
            delay = self._robots.delay(address, default=rules.delay) if obey else rules.delay
            self._turns.wait(address.host, delay)
            head = ask(
                address,
                at,
                headers={"User-Agent": rules.user_agent, "Accept": _ACCEPT, **headers},
                judge=judge,
                into=into,
                seconds=rules.seconds,
                tls_ca=rules.tls_ca,
            )
            if head.status not in _BUSY:
                return head
            wait = self._wait_of(head)
            if not tries_left or wait > MAX_WAIT_SECONDS:
                break
            self._turns.wait(address.host, wait)
        self._busy.add(address.host)
        raise _busy(address)

    def _wait_of(self, head: Head) -> float:
        """Seconds a busy server asks for (RFC 9110, 10.2.3)."""
        said = head.headers.get("Retry-After", "").strip()
        if said.isdecimal():
            return float(said[:9])
        try:
            return max(0.0, (parsedate_to_datetime(said).astimezone(UTC) - self._clock()).total_seconds())
        except (ValueError, OverflowError):
            return WAIT_SECONDS

    def _fetch_robots(self, address: Address, into: BinaryIO) -> Head:
        _, head = self._follow(address, {}, lambda head: MAX_BYTES, into, obey=False)
        return head


@contextlib.contextmanager
def _blaming(address: Address) -> Iterator[None]:
    """What an answer brings about that nobody foresaw costs its address, and no other. Raises RejectedError.

    The log has where it happened, and not the error's own words, which may be the answer's.
    """
    try:
        yield
    except FaceProjectError:
        raise
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(last.filename).name}:{last.lineno}"
        logger.error("answer not read", extra={"host": address.host, "error": type(error).__name__, "where": where})
        message = f"{address.host} answers in a way that cannot be read. Save the picture yourself."
        raise RejectedError(READ_FAILED, message) from error


def _require_ok(head: Head) -> None:
    if head.status != 200:
        what = "There is nothing at this address" if head.status in (404, 410) else "The server does not give it away"
        raise RejectedError(REFUSED_BY_SERVER, f"{what} (status {head.status}). Check the address in a browser.")


def _busy(address: Address) -> RejectedError:
    return RejectedError(BUSY_SERVER, f"{address.host} says that it is too busy. Try again later.")


def _no_picture() -> RejectedError:
    return RejectedError(NOT_A_PICTURE, "There is neither a picture nor a page, whatever its name says. Leave it out.")


# ---- marks -----------------------------------------------------------------------------------------------------------
_SECOND: Final = 10**9
_ETAG_BITS: Final = 62


def mark_of(headers: Mapping[str, str]) -> int:
    """A number that changes with the content, of 63 bits: Last-Modified in nanoseconds, or else a hash of the ETag.

    The first can be asked for again (`since_of`); the second only be compared with what an answer begins with, which
    still saves reading it. Hashes are odd, times are whole seconds, so neither is taken for the other.
    """
    try:
        modified = int(parsedate_to_datetime(headers.get("Last-Modified", "")).timestamp())
    except (ValueError, OverflowError):
        modified = 0
    if 0 < modified < 2**63 // _SECOND:
        return modified * _SECOND
    etag = headers.get("ETag", "").removeprefix("W/")
    if not etag:
        return 0
    return int.from_bytes(hashlib.sha256(etag.encode()).digest()[:8]) >> (64 - _ETAG_BITS) << 1 | 1


def since_of(mark: int) -> str:
    """The value of If-Modified-Since for a mark that is a time; else ""."""
    if mark <= 0 or mark % _SECOND:
        return ""
    return format_datetime(datetime.fromtimestamp(mark // _SECOND, UTC), usegmt=True)
