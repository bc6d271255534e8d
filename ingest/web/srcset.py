"""The srcset of an img or a source: which of its pictures promises the most pixels.

After "parse a srcset attribute" of the HTML Living Standard (4.8.4.2.2), step by step, each character once: a page
comes from whoever likes to send one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

#: White space of HTML, which is not that of Python.
SPACE: Final = " \t\n\f\r"
_BEFORE = re.compile(f"[{SPACE},]*")
_ADDRESS = re.compile(f"[^{SPACE}]*")
#: As much of a number as anybody means; a whole one says a width or a height in pixels, any other a density.
_WHOLE = re.compile("[0-9]{1,9}")
_DENSITY = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,9})?|\.[0-9]{1,9})(?:[eE][+-]?[0-9]{1,2})?")
#: More than a width, a density and a height: such a candidate is dropped, and the rest of it is not kept.
_ENOUGH_DESCRIPTORS = 4


def largest_of(srcset: str) -> str | None:
    """The address of a srcset that promises the most pixels."""
    best, most = None, -1.0
    for address, descriptors in _candidates(srcset):
        size = _size(descriptors)
        if size is not None and size > most:
            best, most = address, size
    return best


def _candidates(srcset: str) -> Iterator[tuple[str, Sequence[str]]]:
    """Addresses, which may hold commas, with their descriptors."""
    place = _end_of(_BEFORE, srcset, 0)
    while place < len(srcset):
        end = _end_of(_ADDRESS, srcset, place)
        address = srcset[place:end]
        descriptors, place = ([], end) if address.endswith(",") else _descriptors(srcset, end)
        yield address.rstrip(","), descriptors
        place = _end_of(_BEFORE, srcset, place)


def _end_of(pattern: re.Pattern[str], text: str, place: int) -> int:
    """Where what the pattern takes ends; for patterns that may take nothing."""
    found = pattern.match(text, place)
    assert found is not None
    return found.end()


def _descriptors(srcset: str, place: int) -> tuple[list[str], int]:
    """The descriptors that begin here, and the place where the candidate ends: at a comma outside of parentheses."""
    found: list[str] = []
    begin, in_parentheses = place, False
    while place < len(srcset):
        character = srcset[place]
        if in_parentheses:
            in_parentheses = character != ")"
        elif character == "(":
            in_parentheses = True
        elif character == ",":
            break
        elif character in SPACE:
            if begin < place and len(found) < _ENOUGH_DESCRIPTORS:
                found.append(srcset[begin:place])
            begin = place + 1
        place += 1
    if begin < place:
        found.append(srcset[begin:place])
    return found, place


def _size(descriptors: Sequence[str]) -> float | None:
    """The width or density that is promised (1.0: neither is said); None: the standard drops such a candidate."""
    said = {each[-1]: each[:-1] for each in descriptors}
    if len(said) < len(descriptors) or not said.keys() <= {"w", "x", "h"}:
        return None
    if {"w", "x"} <= said.keys() or ("h" in said and "w" not in said):
        return None
    if "x" in said:
        return float(said["x"]) if _DENSITY.fullmatch(said["x"]) else None
    if any(not _WHOLE.fullmatch(said[name]) or not int(said[name]) for name in said):
        return None
    return float(said.get("w", 1))
