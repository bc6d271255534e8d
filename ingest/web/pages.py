"""Which pictures a page shows or links to."""

from __future__ import annotations

import codecs
import contextlib
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from lxml import etree

from ingest.rejections import RejectedError
from ingest.sources.listing import PICTURE_SUFFIXES
from ingest.web.addresses import Address
from ingest.web.srcset import largest_of

_CHARSET = re.compile(rb"charset\s*=\s*(?:[\"']\s*)?([a-zA-Z0-9_.:-]{1,40})", re.IGNORECASE)
#: Encodings of the web (Encoding Standard, 4.2) by their names in Python, which knows others too: some of them take
#: quadratic time (punycode), some raise whatever they are told to do about mistakes (idna, undefined).
_ENCODING = re.compile(
    r"ascii|big5(hkscs)?|cp(866|874|932|949|125[0-8])|euc_(jp|kr)|gb(18030|2312|k)|iso2022_jp|iso8859-[0-9]+|koi8-[ru]"
    r"|mac-(cyrillic|roman)|shift_jis|tis-620|utf-(8|16(-[bl]e)?)"
)
#: Links of a page that are looked at: ten times as many as are taken from one, and far fewer than one may hold.
MAX_LINKS = 5000


def is_page(first: bytes, content_type: str) -> bool:
    """Whether an answer, which is no picture, is an HTML page."""
    kind = content_type.partition(";")[0].strip().lower()
    begins = first.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if begins.startswith((b"<!doctype html", b"<html")):
        return True
    return kind in ("text/html", "application/xhtml+xml") and b"\0" not in first


def pictures_of(content: bytes, page: Address, content_type: str = "") -> list[Address]:
    """Addresses of the pictures of a page, each once, in its order; those of its first MAX_LINKS links."""
    said, links = _links(_text(content, content_type))
    base = page
    with contextlib.suppress(RejectedError):
        base = page.joined(said) if said else page
    found: dict[Address, None] = {}
    for link in links:
        with contextlib.suppress(RejectedError):  # data:, javascript: and what nobody can read
            found[base.joined(link)] = None
    return list(found)


def _text(content: bytes, content_type: str) -> str:
    declared = _CHARSET.search(content_type.encode()) or _CHARSET.search(content[:4096])
    return content.decode(_encoding(declared[1].decode()) if declared else "utf-8", "replace")


def _encoding(declared: str) -> str:
    """What Python calls the encoding that is declared; where it is none of the web, UTF-8."""
    with contextlib.suppress(LookupError):
        encoding = codecs.lookup(declared).name
        if _ENCODING.fullmatch(encoding):
            return encoding
    return "utf-8"


class _Links:
    """What a parser tells of a page's elements: the base of its links ("": the page), and they. An img that comes in
    sizes counts with its largest only."""

    def __init__(self) -> None:
        self.base = ""
        self.links: list[str] = []

    def start(self, tag: str, said: Mapping[str, str]) -> None:
        """An element begins."""
        link: str | None = None
        if tag == "base":
            self.base = self.base or said.get("href", "")
        elif tag in ("img", "source"):
            link = largest_of(said.get("srcset", "")) or (said.get("src") if tag == "img" else None)
        elif tag == "a" and _is_named_as_picture(said.get("href", "")):
            link = said["href"]
        elif tag == "meta" and said.get("property", said.get("name")) in ("og:image", "og:image:secure_url"):
            link = said.get("content")
        if link and len(self.links) < MAX_LINKS:
            self.links.append(link)

    def close(self) -> tuple[str, list[str]]:
        """The page ends."""
        return self.base, self.links


def _links(page: str) -> tuple[str, list[str]]:
    """See `_Links`. Nothing is kept of the page beside them, however large or deep it is."""
    parser = etree.HTMLParser(target=_Links(), huge_tree=True, remove_comments=True, remove_pis=True)
    parser.feed(page)
    base, links = parser.close()
    return base, links


def _is_named_as_picture(link: str) -> bool:
    with contextlib.suppress(ValueError):
        name = urlsplit(link).path.lower()
        return any(name.endswith(suffix) for suffix in PICTURE_SUFFIXES)
    return False
