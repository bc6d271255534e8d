"""A share's slice of a source's listing, as a small file, so that a worker need not list the source again.

A manifest holds what the listing said of some hundred pictures: path, size, time and sidecar, as gzipped lines of JSON.
The same slice gives the same bytes. Manifests lie among their job's files (`ingest.job_files`); the store names them.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ingest.rejections import Rejection
from ingest.sources.base import Content, Source, SourceFile, SourcePicture

#: Pictures in the first shares of a listing, whose length nobody knows yet …
FIRST_PICTURES = 32
#: … and from then on this part of what is listed so far: a source of any size becomes enough shares for many workers.
PART_OF_LISTED = 1 / 8


def pack(pictures: Sequence[SourcePicture]) -> bytes:
    """A manifest of these pictures, in this order."""
    lines = [json.dumps(_to_json(picture), ensure_ascii=False, separators=(",", ":")) for picture in pictures]
    return gzip.compress("\n".join(lines).encode(), mtime=0)


def unpack(content: bytes) -> list[SourcePicture]:
    """The pictures of a manifest."""
    return [_from_json(json.loads(line)) for line in gzip.decompress(content).splitlines()]


def _to_json(picture: SourcePicture) -> list[Any]:
    sidecar = _file_to_json(picture.sidecar) if picture.sidecar else None
    return [*_file_to_json(picture.file), int(picture.sniff), sidecar]


def _from_json(line: list[Any]) -> SourcePicture:
    *file, sniff, sidecar = line
    return SourcePicture(
        file=_file_from_json(file), sniff=bool(sniff), sidecar=_file_from_json(sidecar) if sidecar else None
    )


def _file_to_json(file: SourceFile) -> list[Any]:
    strange = file.location != file.path.encode()  # a name that is not UTF-8
    return [file.path, file.size, file.mtime_ns, base64.b64encode(file.location).decode() if strange else None]


def _file_from_json(file: list[Any]) -> SourceFile:
    path, size, mtime_ns, strange = file
    location = base64.b64decode(strange) if strange else path.encode()
    return SourceFile(path=path, location=location, size=size, mtime_ns=mtime_ns)


def slices(
    listing: Iterable[SourcePicture], *, listed: int, most: int, first: int = FIRST_PICTURES
) -> Iterator[list[SourcePicture]]:
    """Cut a listing into shares; small at first, `most` pictures at most. listed: pictures in shares before these."""
    taken: list[SourcePicture] = []
    size = _size(listed, most, first)
    for picture in listing:
        taken.append(picture)
        if len(taken) >= size:
            yield taken
            listed += len(taken)
            taken, size = [], _size(listed, most, first)
    if taken:
        yield taken


def _size(listed: int, most: int, first: int) -> int:
    return max(1, min(most, max(first, int(listed * PART_OF_LISTED))))


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestSource:
    """The pictures of one manifest, read from the source they were listed in."""

    source: Source
    listed: tuple[SourcePicture, ...]

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def at_once(self) -> int:
        return self.source.at_once

    def pictures(self) -> Iterator[SourcePicture | Rejection]:
        return iter(self.listed)

    def read(self, file: SourceFile, *, limit: int) -> Content:
        return self.source.read(file, limit=limit)

    def count(self) -> int:
        return len(self.listed)
