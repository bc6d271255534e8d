"""Reading a keyset-paged list to its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from personas.entities import RankedFace, Slice

T = TypeVar("T")


def pages(read: Callable[[str | None], Slice[T]]) -> list[tuple[T, ...]]:
    """All pages, in order; fails when paging does not end."""
    found: list[tuple[T, ...]] = []
    cursor: str | None = None
    for _ in range(1000):
        page = read(cursor)
        found.append(page.items)
        if page.next_cursor is None:
            return found
        cursor = page.next_cursor
    raise AssertionError("paging did not end")


def everything(read: Callable[[str | None], Slice[T]]) -> list[T]:
    return [item for page in pages(read) for item in page]


def all_ranked(read: Callable[[RankedFace | None], tuple[RankedFace, ...]]) -> list[RankedFace]:
    found: list[RankedFace] = []
    for _ in range(1000):
        page = read(found[-1] if found else None)
        if not page:
            return found
        found.extend(page)
    raise AssertionError("paging did not end")
