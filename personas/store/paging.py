"""Reading a keyset-paged list of the store to its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from personas.entities import Slice

T = TypeVar("T")


def every(read: Callable[[str | None], Slice[T]]) -> Iterator[T]:
    """Items of all pages; `read` is given the cursor: `every(lambda cursor: store.images(cursor=cursor))`."""
    for page in every_page(read):
        yield from page


def every_page(read: Callable[[str | None], Slice[T]]) -> Iterator[tuple[T, ...]]:
    cursor: str | None = None
    while True:
        page = read(cursor)
        if page.items:
            yield page.items
        if page.next_cursor is None:
            return
        cursor = page.next_cursor
