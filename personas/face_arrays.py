"""Many faces at once, as arrays: a million of them cost a million Python objects nobody looks at.

Both kinds are sequences of the entities they hold, so whoever reads a few faces need not know. No Django, no I/O.

A packed face key is 36 bytes: the 32 bytes of the picture's SHA-256 and the number of the face, big-endian: packed keys
sort, byte by byte, as FaceKeys do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from personas.entities import FaceKey, RankedFace, RankedKind

Bytes = npt.NDArray[np.uint8]
Doubles = npt.NDArray[np.float64]

KEY_BYTES = 36


@dataclass(frozen=True, slots=True, eq=False)
class FaceKeys(Sequence[FaceKey]):
    """Face keys, packed."""

    packed: Bytes  #: (n, 36)

    @classmethod
    def of(cls, keys: Sequence[FaceKey]) -> FaceKeys:
        """Packs them, unless they are packed already."""
        if isinstance(keys, FaceKeys):
            return keys
        packed = np.empty((len(keys), KEY_BYTES), np.uint8)
        packed[:, :32] = np.frombuffer(bytes.fromhex("".join(key.image_id for key in keys)), np.uint8).reshape(-1, 32)
        numbers = np.fromiter((key.face_no for key in keys), ">u4", len(keys))
        packed[:, 32:] = numbers.view(np.uint8).reshape(-1, 4)
        return cls(packed)

    @classmethod
    def from_bytes(cls, packed: bytes | memoryview[int]) -> FaceKeys:
        return cls(np.frombuffer(packed, np.uint8).reshape(-1, KEY_BYTES))

    def tobytes(self) -> bytes:
        return self.packed.tobytes()

    def __len__(self) -> int:
        return len(self.packed)

    @overload
    def __getitem__(self, index: int) -> FaceKey: ...
    @overload
    def __getitem__(self, index: slice) -> FaceKeys: ...
    def __getitem__(self, index: int | slice) -> FaceKey | FaceKeys:
        if isinstance(index, slice):
            return FaceKeys(self.packed[index])
        row = self.packed[index].tobytes()
        return FaceKey(row[:32].hex(), int.from_bytes(row[32:], "big"))

    def __iter__(self) -> Iterator[FaceKey]:
        ids = self.packed[:, :32].tobytes().hex()
        numbers = np.ascontiguousarray(self.packed[:, 32:]).view(">u4").ravel().tolist()
        return (FaceKey(ids[64 * n : 64 * n + 64], number) for n, number in enumerate(numbers))

    def words(self) -> npt.NDArray[np.uint64]:
        """The first eight bytes of each key as a number, (n,): faces of different pictures hardly ever share them."""
        return np.ascontiguousarray(self.packed[:, :8]).view(">u8").ravel().astype(np.uint64)

    def pictures(self) -> npt.NDArray[np.bytes_]:
        """Byte strings that compare as the pictures of the keys do, (n,)."""
        return np.ascontiguousarray(self.packed[:, :32]).view("S32").ravel()

    def texts(self) -> npt.NDArray[np.bytes_]:
        """Byte strings that sort and compare as the keys do, (n,)."""
        return np.ascontiguousarray(self.packed).view(f"S{KEY_BYTES}").ravel()


@dataclass(frozen=True, slots=True, eq=False)
class RankedFaces(Sequence[RankedFace]):
    """Ranked faces, in any order."""

    face_keys: FaceKeys
    probabilities: Doubles  #: float64 (n,)

    @classmethod
    def of(cls, ranked: Sequence[RankedFace]) -> RankedFaces:
        """Packs them, unless they are packed already."""
        if isinstance(ranked, RankedFaces):
            return ranked
        keys = FaceKeys.of([face.key for face in ranked])
        return cls(keys, np.fromiter((face.probability for face in ranked), np.float64, len(ranked)))

    def __len__(self) -> int:
        return len(self.probabilities)

    @overload
    def __getitem__(self, index: int) -> RankedFace: ...
    @overload
    def __getitem__(self, index: slice) -> RankedFaces: ...
    def __getitem__(self, index: int | slice) -> RankedFace | RankedFaces:
        if isinstance(index, slice):
            return RankedFaces(self.face_keys[index], self.probabilities[index])
        return RankedFace(self.face_keys[index], float(self.probabilities[index]))

    def __iter__(self) -> Iterator[RankedFace]:
        return map(RankedFace, self.face_keys, self.probabilities.tolist())

    def in_order(self, kind: RankedKind) -> RankedFaces:
        """By ascending rank, ties by key."""
        rank, words = ranks(kind, self.probabilities), self.face_keys.words()
        order = np.lexsort((words, rank))
        undecided = np.diff(rank[order]) == 0
        undecided &= np.diff(words[order]) == 0
        if undecided.any():  # several faces of one picture, equally probable
            order = np.lexsort((self.face_keys.texts(), rank))
        return self.take(order)

    def last_of_each(self) -> RankedFaces:
        """Each face once, with the probability that stands last; by key."""
        texts = self.face_keys.texts()[::-1]
        _, first = np.unique(texts, return_index=True)
        return self.take(len(texts) - 1 - first)

    def take(self, rows: npt.NDArray[Any]) -> RankedFaces:
        """The faces at these places, in this order."""
        return RankedFaces(FaceKeys(self.face_keys.packed[rows]), self.probabilities[rows])


def ranks(kind: RankedKind, probabilities: Doubles) -> Doubles:
    """`personas.store.base.rank_of` for an array."""
    return -probabilities if kind is RankedKind.PREDICTED else np.abs(probabilities - 0.5)
