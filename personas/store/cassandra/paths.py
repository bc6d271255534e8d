"""The paths pictures are known under. The row in `path` makes a path known; the other tables only point to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence

from personas.entities import ImagePath, Slice
from personas.store.cassandra import statements as cql
from personas.store.cassandra.base import CassandraBase, as_slice
from personas.store.cassandra.session import CqlRow, Write
from personas.store.cassandra.values import chunks

#: `find_paths` returns this many at most; whoever gets as many knows that the name says too little.
MAX_PATHS_FOUND = 20


def to_path(row: CqlRow) -> ImagePath:
    return ImagePath(
        source=row.source,
        path=row.path,
        image_id=row.image_id,
        size=row.size,
        mtime_ns=row.mtime_ns,
        sidecar=row.sidecar or "",
        extractor=row.extractor or "",
    )


def last_part(path: str) -> str:
    """As a partition key, which may not be empty."""
    return "=" + path.rpartition("/")[2]


def _distinct(paths: Sequence[ImagePath]) -> Iterable[ImagePath]:
    """The last of each place."""
    return {(path.source, path.path): path for path in paths}.values()


class CassandraPaths(CassandraBase):
    """Part of PictureStore."""

    def add_paths(self, paths: Sequence[ImagePath]) -> None:
        self._session.run_batches(self._pointers(paths))
        self._session.run_batches(self._path_rows(paths))

    def _pointers(self, paths: Sequence[ImagePath]) -> Iterator[Write]:
        """What points to the rows of these paths; to be written before them."""
        for path in _distinct(paths):
            bucket, place = self._bucket(path.image_id), {"source": path.source, "path": path.path}
            yield Write(bucket, cql.PUT_PATH_BY_IMAGE, {"bucket": bucket, "image_id": path.image_id, **place})
            name = last_part(path.path)
            yield Write(name, cql.PUT_PATH_BY_NAME, {"name": name, **place})

    def _path_rows(self, paths: Sequence[ImagePath]) -> Iterator[Write]:
        """What makes these paths known."""
        for path in _distinct(paths):
            row = {
                "source": path.source,
                "path": path.path,
                "image_id": path.image_id,
                "size": path.size,
                "mtime_ns": path.mtime_ns,
                "sidecar": path.sidecar,
                "extractor": path.extractor,
            }
            yield Write(path.source, cql.PUT_PATH, row)

    def known_paths(self, source: str, *, cursor: str | None = None, limit: int = 5000) -> Slice[ImagePath]:
        rows = self._session.rows(cql.PATHS, source=source, after=cursor or "", rows=limit + 1)
        return as_slice(rows, limit, to_path, lambda row: str(row.path))

    def paths_of(self, image_ids: Collection[str]) -> dict[str, tuple[ImagePath, ...]]:
        places = [(row.source, row.path) for row in self._of_images(cql.PATHS_OF, image_ids)]
        wanted = set(image_ids)
        found: dict[str, list[ImagePath]] = defaultdict(list)
        for path in self._paths_at(places):
            if path.image_id in wanted:
                found[path.image_id].append(path)
        return {image_id: tuple(paths) for image_id, paths in found.items()}

    def find_paths_many(self, names: Collection[str]) -> dict[str, tuple[ImagePath, ...]]:
        found = {name: self.find_paths(name) for name in names}
        return {name: paths for name, paths in found.items() if paths}

    def find_paths(self, name: str) -> tuple[ImagePath, ...]:
        rows = self._session.rows(cql.PATHS_EXACT, name=last_part(name), path=name)
        if not rows and "/" not in name:
            rows = self._session.rows(cql.PATHS_NAMED, name=last_part(name))
        places = sorted((row.source, row.path) for row in rows)[:MAX_PATHS_FOUND]
        return tuple(self._paths_at(places))

    def _paths_at(self, places: Iterable[tuple[str, str]]) -> list[ImagePath]:
        """Those of these places that are known, by (source, path)."""
        by_source: dict[str, list[str]] = defaultdict(list)
        for source, path in places:
            by_source[source].append(path)
        params = [{"source": source, "paths": chunk} for source, paths in by_source.items() for chunk in chunks(paths)]
        found = [to_path(row) for rows in self._session.rows_many(cql.PATHS_AT, params) for row in rows]
        return sorted(found, key=lambda path: (path.source, path.path))
