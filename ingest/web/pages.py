"""Which pictures a page shows or links to."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import urlsplit

from ingest.rejections import RejectedError
from ingest.sources.listing import PICTURE_SUFFIXES
from ingest.web.addresses import Address

_CHARSET = re.compile(rb"charset\s*=\s*[\"']?\s*([a-zA-Z0-9_.:-]+)", re.IGNORECASE)
#: An address of a srcset and what stands behind it (HTML Living Standard, 4.8.4.2.1). Addresses may hold commas.
_CANDIDATE = re.compile(r"\s*,*\s*(\S*[^,\s])(?:\s+([^,]*))?(?:,|$)")


def is_page(first: bytes, content_type: str) -> bool:
    """Whether an answer, which is no picture, is an HTML page."""
    kind = content_type.partition(";")[0].strip().lower()
    begins = first.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if begins.startswith((b"<!doctype html", b"<html")):
        return True
    return kind in ("text/html", "application/xhtml+xml") and b"\0" not in first


def pictures_of(content: bytes, page: Address, content_type: str = "") -> list[Address]:
    """Addresses of the pictures of a page, each once, in its order."""
    reader = _Reader()
    reader.feed(_text(content, content_type))
    reader.close()
    base = page
    with contextlib.suppress(RejectedError):
        base = page.joined(reader.base) if reader.base else page
    found: dict[Address, None] = {}
    for link in reader.links:
        with contextlib.suppress(RejectedError):  # data:, javascript: and what nobody can read
            found[base.joined(link)] = None
    return list(found)


def _text(content: bytes, content_type: str) -> str:
    declared = _CHARSET.search(content_type.encode()) or _CHARSET.search(content[:4096])
    if declared:
        with contextlib.suppress(LookupError):
            return content.decode(declared[1].decode(), "replace")
    return content.decode("utf-8", "replace")


def largest_of(srcset: str) -> str | None:
    """The address of a srcset that promises the most pixels."""
    best, most = None, -1.0
    for link, descriptor in _candidates(srcset):
        size = 1.0
        with contextlib.suppress(ValueError):
            size = float(descriptor[:-1]) if descriptor[-1:] in ("w", "x") else 1.0
        if size > most:
            best, most = link, size
    return best


def _candidates(srcset: str) -> Iterator[tuple[str, str]]:
    for found in _CANDIDATE.finditer(srcset):
        yield found[1], (found[2] or "").strip()


class _Reader(HTMLParser):
    """Collects links. An img that comes in sizes counts with its largest only."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.base = ""
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value for name, value in attrs if value}
        if tag == "base":
            self.base = self.base or said.get("href", "")
        elif tag in ("img", "source"):
            link = largest_of(said.get("srcset", "")) or (said.get("src") if tag == "img" else None)
            self._add(link)
        elif tag == "a" and _is_named_as_picture(said.get("href", "")):
            self._add(said["href"])
        elif tag == "meta" and said.get("property", said.get("name")) in ("og:image", "og:image:secure_url"):
            self._add(said.get("content"))

    def _add(self, link: str | None) -> None:
        if link:
            self.links.append(link)


def _is_named_as_picture(link: str) -> bool:
    with contextlib.suppress(ValueError):
        name = urlsplit(link).path.lower()
        return any(name.endswith(suffix) for suffix in PICTURE_SUFFIXES)
    return False
