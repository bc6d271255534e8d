"""Addresses of pages and pictures: what is taken for one, how the store names it, how much of it a log may hold."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

from ingest.rejections import BAD_ADDRESS, RejectedError

#: Longest address asked for; servers and proxies allow 8,000 octets at least (RFC 9110, 4.1).
MAX_CHARACTERS = 8000
#: Longest path of a picture in the store, and its longest last part.
MAX_PATH, MAX_NAME = 1500, 255
_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_IPV6 = re.compile(r"[0-9a-f:.]+")
#: What may stand in a path or query as it is (RFC 3986, 3.3 and 3.4), and what is escaped already.
_SAFE = "/?:@!$&'()*+,;=-._~%"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An address that can be asked for. host: a name in ASCII without a last dot, or digits of an IP address."""

    scheme: str
    host: str
    port: int
    target: str  #: path and query

    @property
    def netloc(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.netloc}"

    @property
    def url(self) -> str:
        return self.origin + self.target

    @property
    def path(self) -> str:
        """What the store calls it: the address, its tail replaced by a hash where it is longer than a path may be."""
        url = self.url
        name = url.rpartition("/")[2]
        too_much = max(len(name) - MAX_NAME, len(url) - MAX_PATH)
        if too_much <= 0:
            return url
        digest = hashlib.sha256(url.encode()).hexdigest()[:16]
        return f"{url[: -too_much - len(digest) - 1]}~{digest}"

    def joined(self, link: str) -> Address:
        """What a link on this page, or a redirect from here, leads to. Raises RejectedError."""
        try:
            return parse(urljoin(self.url, link.strip()))
        except ValueError as error:
            raise _bad(link) from error


def parse(text: str) -> Address:
    """The address in a line of text. Raises RejectedError."""
    if len(text) > MAX_CHARACTERS:
        raise _too_long()
    try:
        parts = urlsplit(text.strip())
        port, host = parts.port, (parts.hostname or "").rstrip(".")
        host = host if ":" in host else host.encode("idna").decode("ascii")
    except ValueError as error:  # UnicodeError is one
        raise _bad(text) from error
    if parts.scheme not in _DEFAULT_PORTS:
        raise RejectedError(BAD_ADDRESS, "Only addresses that begin with http:// or https:// are fetched. Correct it.")
    if "@" in parts.netloc:
        raise RejectedError(
            BAD_ADDRESS, "The address holds a name or a password. Take them out: the crawler signs in nowhere."
        )
    if port == 0 or not (_IPV6 if ":" in host else _HOST).fullmatch(host):
        raise _bad(text)
    target = quote(parts.path or "/", safe=_SAFE) + (f"?{quote(parts.query, safe=_SAFE)}" if parts.query else "")
    address = Address(scheme=parts.scheme, host=host, port=port or _DEFAULT_PORTS[parts.scheme], target=target)
    if len(address.url) > MAX_CHARACTERS:  # escaped, it is what is asked for, and read back from a share
        raise _too_long()
    return address


def _too_long() -> RejectedError:
    return RejectedError(BAD_ADDRESS, f"The address has over {MAX_CHARACTERS:,} characters. Give a shorter one.")


def _bad(text: str) -> RejectedError:
    return RejectedError(BAD_ADDRESS, f"{redacted(text)[:200]} is not an address of the web. Copy it again.")


def redacted(text: str) -> str:
    """An address without names, passwords and queries, which may be secrets: for messages and logs.

    What cannot be printed is replaced: a server may send it in a redirect, and a message ends in terminals and pages.
    """
    printable = "".join(each if each.isprintable() else "\ufffd" for each in text.strip())
    try:
        parts = urlsplit(printable)
    except ValueError:
        return "…"
    tail = "?…" if parts.query else ""
    if not parts.netloc:  # ada:secret@example.org/a.png has a scheme, for all a parser knows
        begin, slash, rest = parts.path.partition("/")
        return begin.rpartition("@")[2] + slash + rest + tail
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}{tail}"


def lines_of(text: str) -> list[str]:
    """A list as people write it: an address a line, each once; empty lines and those that begin with # are left out."""
    lines = (line.strip() for line in text.lstrip("\ufeff").splitlines())
    return list(dict.fromkeys(line for line in lines if line and not line.startswith("#")))


def mixed(addresses: Iterable[Address]) -> list[Address]:
    """The same addresses, hosts by turns, so that what is fetched together waits for few of the same host."""
    by_host: dict[str, list[Address]] = {}
    for address in addresses:
        by_host.setdefault(address.host, []).append(address)
    longest = max(map(len, by_host.values()), default=0)
    return [group[place] for place in range(longest) for group in by_host.values() if place < len(group)]
