"""Start tags of an HTML page, in one pass over it, whatever the page is.

Python's `html.parser` takes quadratic time over unfinished tags (CVE-2025-6069), fails on some declarations, and a page
comes from whoever likes to send one. This follows the tokenizer of the HTML Living Standard (13.2.5) as far as start
tags need it. Each search begins where the one before ended, and one that finds nothing ends the page, as the standard
has it: so no letter is looked at more often than a few times.
"""

from __future__ import annotations

import contextlib
import html
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Final, NamedTuple

#: White space of HTML, which is not that of Python.
SPACE: Final = " \t\n\f\r"
_SPACES = re.compile(f"[{SPACE}]*")
_BETWEEN = re.compile(f"[{SPACE}/]*")
_TAG_NAME = re.compile(f"[^{SPACE}/>]*")
_ATTRIBUTE_NAME = re.compile(f"=?[^{SPACE}/>=]*")
_UNQUOTED = re.compile(f"[^{SPACE}>]*")
_COMMENT_END = re.compile("--!?>")
#: Elements that hold text alone: what looks like a tag in them is none. noscript is none of them without scripts.
_TEXT_ENDS: Final = {
    name: re.compile(f"</{name}(?=[{SPACE}/>])", re.IGNORECASE)
    for name in ("iframe", "noembed", "noframes", "script", "style", "textarea", "title", "xmp")
}


class StartTag(NamedTuple):
    """name, and the names of the attributes: in lower case. Of an attribute that is there twice the first counts."""

    name: str
    attributes: Mapping[str, str]


def start_tags(page: str, wanted: Collection[str]) -> Iterator[StartTag]:
    """The start tags of a page in its order, with those of their attributes that are wanted."""
    place = page.find("<")
    while place >= 0:
        behind = place + 1
        if page.startswith("<!--", place):
            end = _COMMENT_END.search(page, place + 2)  # <!--> is one already
            behind = end.end() if end else -1
        elif _is_letter(page[behind : behind + 1]):
            tag, behind = _tag(page, behind, wanted)
            if behind >= 0:
                yield tag
                behind = _behind_text(page, tag.name, behind)
        elif page.startswith("/", behind) and _is_letter(page[behind + 1 : behind + 2]):
            _, behind = _tag(page, behind + 1, ())
        elif page.startswith(("/", "!", "?"), behind):
            behind = page.find(">", behind)
        place = page.find("<", behind) if behind >= 0 else -1


def end_of(pattern: re.Pattern[str], text: str, place: int) -> int:
    """Where what the pattern takes ends; for patterns that may take nothing."""
    found = pattern.match(text, place)
    assert found is not None
    return found.end()


def _is_letter(character: str) -> bool:
    return character.isascii() and character.isalpha()


def _tag(page: str, place: int, wanted: Collection[str]) -> tuple[StartTag, int]:
    """The tag whose name begins here, and the place behind it; -1: the page ends before it does."""
    name = _TAG_NAME.match(page, place)
    assert name is not None
    attributes: dict[str, str] = {}
    place = end_of(_BETWEEN, page, name.end())
    while place < len(page) and page[place] != ">":
        end = end_of(_ATTRIBUTE_NAME, page, place)
        key, value = page[place:end].lower(), ""
        place = end
        equals = end_of(_SPACES, page, end)
        if page.startswith("=", equals):
            value, place = _value(page, end_of(_SPACES, page, equals + 1))
            if place < 0:
                break
        if key in wanted:
            attributes.setdefault(key, _unescaped(value))
        place = end_of(_BETWEEN, page, place)
    is_whole = 0 <= place < len(page)
    return StartTag(name[0].lower(), attributes), place + 1 if is_whole else -1


def _value(page: str, place: int) -> tuple[str, int]:
    """The value that begins here, and the place behind it; -1: its last quotation mark is missing."""
    quote = page[place : place + 1]
    if quote in ('"', "'"):
        end = page.find(quote, place + 1)
        return page[place + 1 : end], end + 1 if end >= 0 else -1
    end = end_of(_UNQUOTED, page, place)
    return page[place:end], end


def _unescaped(value: str) -> str:
    with contextlib.suppress(ValueError):  # a reference to the character of a number of thousands of digits
        return html.unescape(value)
    return value


def _behind_text(page: str, name: str, place: int) -> int:
    """Where the text of such an element ends; -1: it does not. Of any other element: where its tag ends."""
    if name not in _TEXT_ENDS:
        return place
    end = _TEXT_ENDS[name].search(page, place)
    return end.start() if end else -1
