"""What the store knows of a source's paths, while the source is walked."""

from __future__ import annotations

from collections.abc import Iterator

from personas.entities import ImagePath
from personas.patience import patiently
from personas.store.base import Store


class KnownPaths:
    """Walks along the store's list of a source's paths as the source is walked, in the same order.

    Should a store sort differently, a path is merely not recognised: its file is read, and its content is known.
    after: begin behind this path. at_once: paths asked for at once.
    """

    def __init__(self, store: Store, source: str, *, after: str = "", at_once: int = 5000) -> None:
        self._paths = self._all(store, source, after or None, at_once)
        self._next = next(self._paths, None)

    def find(self, path: str) -> ImagePath | None:
        wanted = path.encode()
        while self._next is not None and self._next.path.encode() < wanted:
            self._next = next(self._paths, None)
        return self._next if self._next is not None and self._next.path == path else None

    @staticmethod
    def _all(store: Store, source: str, cursor: str | None, at_once: int) -> Iterator[ImagePath]:
        while True:
            page = patiently(store.known_paths, source, cursor=cursor, limit=at_once)
            yield from page.items
            if page.next_cursor is None:
                return
            cursor = page.next_cursor
