"""Contract: the same pictures and labels give the same predictions on every store, in whatever order they came."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from personas.entities import FaceKey, RankedFace, RankedKind, Verdict
from personas.face_arrays import FaceKeys
from personas.store.base import Store
from tests.factories import EMBEDDER, extracted, key, new_face, save
from tests.training.world import World, appearance
from training.champion import VersionRecogniser
from training.classifier import PersonaClassifier
from training.collect import collect_training_set
from training.matrix import KEY_DTYPE, EmbeddingMatrix
from training.scoring import score_matrix
from training.settled import Settled

PICTURES = [
    *((who, f"{who}-{n}") for who in ("Ada", "Bo") for n in range(20)),
    *((f"stranger {n}", f"stranger {n}") for n in range(40)),
]
FACES = {key(name): appearance(who, name) for who, name in PICTURES}


def pages(store: Store, version: int) -> dict[tuple[str, str], tuple[RankedFace, ...]]:
    return {
        (kind.value, name): store.ranked(version, name, kind, limit=1000)
        for kind in RankedKind
        for name in ("ada", "bo")
    }


def computed(store: Store) -> dict[tuple[str, str], tuple[RankedFace, ...]]:
    """From the faces in key order and the labels, by no store's order."""
    keys = np.zeros(len(FACES), KEY_DTYPE)
    ordered = sorted(FACES)
    packed = FaceKeys.of(ordered).packed
    keys["image_id"] = np.ascontiguousarray(packed[:, :32]).view("V32").ravel()
    matrix = EmbeddingMatrix(keys, np.array([FACES[one] for one in ordered]), 1, EMBEDDER)
    said = sorted(store.all_labels(), key=lambda label: (label.key, label.persona_id))
    s = collect_training_set(said, matrix)
    classifier = PersonaClassifier().fit(s.X, s.y, strangers=s.strangers, rejected=s.rejected, background=s.background)
    recogniser = VersionRecogniser(1, EMBEDDER, classifier)
    scores = score_matrix(recogniser, matrix, rows=np.arange(len(matrix)), settled=Settled.of(said, said_through=10**6))
    found: dict[tuple[str, str], tuple[RankedFace, ...]] = {}
    for kind, claimed in ((RankedKind.PREDICTED, scores.predicted), (RankedKind.REVIEW, scores.review)):
        by_persona: dict[str, Any] = claimed.by_persona(recogniser.names)
        for name in ("ada", "bo"):
            found[kind.value, name] = tuple(by_persona[name].in_order(kind)) if name in by_persona else ()
    return found


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("split_faces", [10**9, 20], ids=["at once", "in shares"])
def test_pages_do_not_depend_on_the_store_or_on_the_order_of_arrival(
    shared_store: Store, tmp_path: Path, settings: Any, split_faces: int, seed: int
) -> None:
    settings.MEDIA_ROOT, settings.CACHE_ROOT = str(tmp_path / "media"), str(tmp_path / "cache")
    world, rng = World(shared_store, tmp_path, split_faces=split_faces), np.random.default_rng(seed)
    order = rng.permutation(len(PICTURES))
    for batch in np.array_split(order, 5):
        pictures = [PICTURES[n] for n in batch]
        faces = [(name, dataclasses.replace(new_face(name), embedding=appearance(who, name))) for who, name in pictures]
        save(shared_store, *[extracted(name, faces=[face]) for name, face in faces])
    labelled: list[tuple[str, FaceKey]] = [(who, key(f"{who}-{n}")) for who in ("Ada", "Bo") for n in range(5)]
    for who in ("Ada", "Bo"):
        world.introduce(who, [])
    for n in rng.permutation(len(labelled)):
        world.say(*labelled[n])
    world.say("Ada", key("Bo-9"), verdict=Verdict.REJECTED)
    outcome = world.train()
    assert outcome.promoted
    assert outcome.version is not None
    expected = computed(shared_store)
    assert len(expected["predicted", "ada"]) > 10
    assert pages(shared_store, outcome.version) == expected
