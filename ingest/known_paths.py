"""What the store knows of a source's paths: while the source is walked, or of some of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Protocol

from personas.entities import ImagePath
from personas.patience import patiently
from personas.store.base import Store


class Known(Protocol):
    """Paths to compare a source with."""

    def find(self, path: str) -> ImagePath | None: ...


class KnownAmong:
    """Some paths, in any order."""

    def __init__(self, paths: Mapping[str, ImagePath]) -> None:
        self._paths = paths

    def find(self, path: str) -> ImagePath | None:
        return self._paths.get(path)


def known_among(store: Store, source: str, paths: Collection[str], *, extractor: str) -> dict[str, ImagePath]:
    """Those of these paths that need no reading while their content is the same, by path.

    extractor: tags of what reads now; what another one has read, or whose picture the store lost, is read again.
    """
    found = patiently(store.find_paths_many, paths)
    mine = [
        known
        for each in found.values()
        for known in each
        if known.source == source and known.path in found and known.extractor == extractor
    ]
    images = patiently(store.images_by_id, {known.image_id for known in mine}) if mine else {}
    return {known.path: known for known in mine if known.image_id in images}


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
