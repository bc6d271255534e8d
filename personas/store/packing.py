"""Faces and probabilities as bytes: how blocks and ranked pages lie in a row. Pure.

A face key is 36 bytes: the 32 bytes of the SHA-256 and the number of the face, big-endian: bytes sort as their keys do.
Probabilities are little-endian float64, embeddings little-endian float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from personas.entities import FaceKey, FloatArray, RankedFace, RankedKind
from personas.store.base import rank_of

Doubles = npt.NDArray[np.float64]

#: What drivers give for a bytes column.
Packed: TypeAlias = "bytes | memoryview[int]"

KEY_BYTES = 36


def pack_keys(keys: Sequence[FaceKey]) -> bytes:
    packed = np.empty((len(keys), KEY_BYTES), np.uint8)
    packed[:, :32] = np.frombuffer(bytes.fromhex("".join(key.image_id for key in keys)), np.uint8).reshape(-1, 32)
    numbers = np.fromiter((key.face_no for key in keys), ">u4", len(keys))
    packed[:, 32:] = numbers.view(np.uint8).reshape(-1, 4)
    return packed.tobytes()


def unpack_keys(packed: Packed) -> tuple[FaceKey, ...]:
    table = np.frombuffer(packed, np.uint8).reshape(-1, KEY_BYTES)
    ids = table[:, :32].tobytes().hex()
    numbers = table[:, 32:].copy().view(">u4").ravel().tolist()
    return tuple(FaceKey(ids[64 * n : 64 * n + 64], number) for n, number in enumerate(numbers))


def pack_vectors(vectors: Sequence[FloatArray]) -> bytes:
    """Vectors, float32 (128,) each, one behind the other."""
    return np.ascontiguousarray(np.stack(vectors), "<f4").tobytes()


def unpack_vectors(packed: Packed, count: int) -> FloatArray:
    """float32 (count, n); read-only."""
    return np.frombuffer(packed, "<f4").reshape(count, -1).astype(np.float32, copy=False)


def ranks(kind: RankedKind, probabilities: Doubles) -> Doubles:
    """`rank_of` for an array."""
    return -probabilities if kind is RankedKind.PREDICTED else np.abs(probabilities - 0.5)


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


def pack_ranked(kind: RankedKind, ranked: Sequence[RankedFace]) -> tuple[bytes, bytes]:
    """Packed keys and probabilities, by ascending rank, ties by key, whatever the order given."""
    keys = np.frombuffer(pack_keys([face.key for face in ranked]), f"S{KEY_BYTES}")
    probabilities = np.fromiter((face.probability for face in ranked), "<f8", len(ranked))
    order = np.lexsort((keys, ranks(kind, probabilities)))
    return keys[order].tobytes(), probabilities[order].tobytes()
