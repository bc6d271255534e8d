"""Faces as arrays: the same faces, in the same order, as the entities they stand for."""

from __future__ import annotations

import numpy as np
import pytest

from personas.entities import FaceKey, RankedFace, RankedKind
from personas.face_arrays import FaceKeys, RankedFaces
from personas.store.base import rank_of
from tests import factories as make

# Zeros at the end of a key, many faces in one picture, keys that differ late.
KEYS = [
    *(make.key(n, n % 3) for n in range(20)),
    *(make.key("crowd", n) for n in (0, 1, 255, 256, 65_536)),
    *(FaceKey("ab" * 31 + end, number) for end in ("00", "01", "ff") for number in (0, 7)),
]


def test_packed_keys_are_a_sequence_of_face_keys() -> None:
    packed = FaceKeys.of(KEYS)
    assert list(packed) == KEYS
    assert [packed[n] for n in range(len(packed))] == KEYS
    assert list(packed[3:9]) == KEYS[3:9]
    assert list(FaceKeys.from_bytes(packed.tobytes())) == KEYS
    assert FaceKeys.of(packed) is packed
    assert list(FaceKeys.of([])) == []


def test_packed_keys_sort_as_face_keys_do() -> None:
    packed = FaceKeys.of(KEYS)
    assert [KEYS[n] for n in np.argsort(packed.texts(), kind="stable")] == sorted(KEYS)


@pytest.mark.parametrize("kind", list(RankedKind))
def test_ranked_faces_are_put_in_order_as_the_port_says(kind: RankedKind) -> None:
    ranked = [RankedFace(key, round(0.4 + (n % 4) / 12, 6)) for n, key in enumerate([*KEYS, *reversed(KEYS)])]
    expected = sorted(ranked, key=lambda face: (rank_of(kind, face.probability), face.key))
    assert list(RankedFaces.of(ranked).in_order(kind)) == expected
    assert list(RankedFaces.of(ranked[:1]).in_order(kind)) == ranked[:1]
    assert list(RankedFaces.of([]).in_order(kind)) == []


def test_of_a_face_given_twice_the_last_probability_stands() -> None:
    ranked = [*(RankedFace(key, 0.5) for key in KEYS), *(RankedFace(key, 0.75) for key in KEYS[:4])]
    assert list(RankedFaces.of(ranked).last_of_each()) == [
        RankedFace(key, 0.75 if key in KEYS[:4] else 0.5) for key in sorted(KEYS)
    ]
