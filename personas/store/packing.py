"""Faces and probabilities as bytes: how blocks and ranked pages lie in a row. Pure.

Face keys are packed as `personas.face_arrays` says. Probabilities are little-endian float64, embeddings little-endian
float32.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from personas.entities import FaceKey, FloatArray, RankedFace, RankedKind
from personas.face_arrays import KEY_BYTES, Doubles, FaceKeys, RankedFaces, ranks
from personas.store.base import RANKED_PAGE_SIZE, rank_of

#: What drivers give for a bytes column.
Packed: TypeAlias = "bytes | memoryview[int]"


def pack_keys(keys: Sequence[FaceKey]) -> bytes:
    return FaceKeys.of(keys).tobytes()


def unpack_keys(packed: Packed) -> FaceKeys:
    return FaceKeys.from_bytes(packed)


def pack_vectors(vectors: Sequence[FloatArray]) -> bytes:
    """Vectors, float32 (128,) each, one behind the other."""
    return np.ascontiguousarray(np.stack(vectors), "<f4").tobytes()


def unpack_vectors(packed: Packed, count: int) -> FloatArray:
    """float32 (count, n); read-only."""
    return np.frombuffer(packed, "<f4").reshape(count, -1).astype(np.float32, copy=False)


class RankedPage:
    """Ranked faces of one page, packed; by ascending rank, ties by key."""

    def __init__(self, kind: RankedKind, keys: Packed, probabilities: Packed) -> None:
        self._keys = bytes(keys)
        self._probabilities: Doubles = np.frombuffer(probabilities, "<f8")
        self._kind = kind

    def __len__(self) -> int:
        return len(self._probabilities)

    def after(self, last: RankedFace | None, limit: int) -> tuple[RankedFace, ...]:
        """At most `limit` faces strictly behind `last`."""
        start = 0 if last is None else self._behind(last)
        stop = min(start + limit, len(self))
        keys = unpack_keys(self._keys[KEY_BYTES * start : KEY_BYTES * stop])
        return tuple(map(RankedFace, keys, self._probabilities[start:stop].tolist()))

    def _behind(self, last: RankedFace) -> int:
        rank = rank_of(self._kind, last.probability)
        in_order = ranks(self._kind, self._probabilities)
        start = int(np.searchsorted(in_order, rank, "left"))
        key = pack_keys([last.key])
        while (
            start < len(self)
            and in_order[start] == rank
            and self._keys[KEY_BYTES * start : KEY_BYTES * (start + 1)] <= key
        ):
            start += 1
        return start


def first_of(pages: Iterable[RankedPage], limit: int) -> tuple[RankedFace, ...]:
    """At most `limit` faces from the beginning of pages that follow each other."""
    found: list[RankedFace] = []
    for page in pages:
        found.extend(page.after(None, limit - len(found)))
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedPage:
    """One page of a persona's ranked faces as it lies in a row."""

    page: int  #: from 0
    n_faces: int
    last: RankedFace
    keys: bytes
    probabilities: bytes


def pack_ranked(kind: RankedKind, ranked: Sequence[RankedFace]) -> tuple[bytes, bytes]:
    """Packed keys and probabilities, by ascending rank, ties by key, whatever the order given."""
    ordered = RankedFaces.of(ranked).in_order(kind)
    return ordered.face_keys.tobytes(), ordered.probabilities.astype("<f8", copy=False).tobytes()


def pack_pages(kind: RankedKind, ranked: Sequence[RankedFace]) -> Iterator[PackedPage]:
    """Pages of RANKED_PAGE_SIZE faces, in order, whatever the order given."""
    keys, probabilities = pack_ranked(kind, ranked)
    for page, start in enumerate(range(0, len(ranked), RANKED_PAGE_SIZE)):
        n_faces = min(RANKED_PAGE_SIZE, len(ranked) - start)
        page_keys = keys[KEY_BYTES * start : KEY_BYTES * (start + n_faces)]
        page_probabilities = probabilities[8 * start : 8 * (start + n_faces)]
        yield PackedPage(
            page=page,
            n_faces=n_faces,
            last=RankedFace(
                FaceKeys.from_bytes(page_keys[-KEY_BYTES:])[0], float(np.frombuffer(page_probabilities[-8:], "<f8")[0])
            ),
            keys=page_keys,
            probabilities=page_probabilities,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedFaces:
    """What a block still holds once some pictures are gone."""

    n_faces: int
    keys: bytes
    vectors: bytes


def first_words(image_ids: Collection[str]) -> npt.NDArray[np.uint64]:
    """The first eight bytes of each picture as a number, see `FaceKeys.words`: enough to pass over most blocks."""
    return np.array([int(image_id[:16], 16) for image_id in image_ids], np.uint64)


def block_without(keys: Packed, vectors: Packed, image_ids: Collection[str]) -> PackedFaces | None:
    """A packed block less the faces of these pictures; None when it holds none of them."""
    faces = unpack_keys(keys)
    gone = np.isin(faces.pictures(), FaceKeys.of([FaceKey(image_id, 0) for image_id in image_ids]).pictures())
    if not gone.any():
        return None
    kept = unpack_vectors(vectors, len(faces))[~gone]
    return PackedFaces(
        n_faces=len(kept), keys=FaceKeys(faces.packed[~gone]).tobytes(), vectors=kept.astype("<f4").tobytes()
    )


def ranked_without(ranked: RankedFaces, image_ids: Collection[str]) -> RankedFaces | None:
    """Ranked faces less those of these pictures; None when none is among them."""
    erased = FaceKeys.of([FaceKey(image_id, 0) for image_id in image_ids]).pictures()
    gone = np.isin(ranked.face_keys.pictures(), erased)
    if not gone.any():
        return None
    return RankedFaces(FaceKeys(ranked.face_keys.packed[~gone]), ranked.probabilities[~gone])
