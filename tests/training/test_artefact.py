"""Artefacts: bit-equal, free of pickle, and plain about what is wrong with them."""

from __future__ import annotations

import hashlib
import json
import pickle
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from personas.errors import FaceProjectError
from tests.training.embeddings import People
from training.artefact import (
    HEADER,
    ArtefactCorrupt,
    ArtefactIncompatible,
    dump_classifier,
    load_classifier,
    restore_classifier,
)
from training.classifier import PersonaClassifier


@pytest.fixture
def people() -> People:
    return People(seed=3)


@pytest.fixture
def model(people: People) -> PersonaClassifier:
    faces = np.concatenate([people.faces(people.person(), 4) for _ in range(3)])
    names = np.repeat(["ann", "bo", "é"], 4)
    return PersonaClassifier(max_looks=5).fit(
        faces, names, background=people.strangers(60), rejected=(faces[:1], ["bo"]), strangers=people.strangers(3)
    )


def test_a_classifier_comes_back_bit_for_bit(model: PersonaClassifier, people: People) -> None:
    content = dump_classifier(model, metadata={"embedder": "sface"})
    restored, metadata = restore_classifier(content)
    probes = people.strangers(100)
    assert np.array_equal(model.predict_proba(probes), restored.predict_proba(probes))
    assert np.array_equal(model.predict(probes), restored.predict(probes))
    assert restored.get_params() == model.get_params()
    assert metadata == {"embedder": "sface"}
    assert dump_classifier(restored, metadata=metadata) == content


def test_only_the_bytes_that_were_published_are_loaded(model: PersonaClassifier, tmp_path: Path) -> None:
    content, path = dump_classifier(model), tmp_path / "model.npz"
    path.write_bytes(content)
    loaded = load_classifier(path, sha256=hashlib.sha256(content).hexdigest())
    assert np.array_equal(loaded.classes_, model.classes_)
    with pytest.raises(ArtefactCorrupt, match="not the one that was published"):
        load_classifier(path, sha256="0" * 64)


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "flipped"])
def test_damaged_bytes_are_corrupt(model: PersonaClassifier, damage: str) -> None:
    content = bytearray(dump_classifier(model))
    if damage == "flipped":
        content[len(content) // 2] ^= 0xFF
    broken = {"empty": b"", "cut": bytes(content[:-300]), "text": b"no zip at all", "flipped": bytes(content)}[damage]
    with pytest.raises(ArtefactCorrupt, match="train"):
        restore_classifier(broken)


def _rewritten(content: bytes, member: str, replacement: bytes) -> bytes:
    changed = BytesIO()
    with zipfile.ZipFile(BytesIO(content)) as source, zipfile.ZipFile(changed, "w") as target:
        for name in source.namelist():
            target.writestr(name, replacement if name == member else source.read(name))
    return changed.getvalue()


def test_another_format_is_incompatible_and_says_which(model: PersonaClassifier) -> None:
    content = dump_classifier(model)
    with zipfile.ZipFile(BytesIO(content)) as archive:
        header = json.loads(archive.read(HEADER))
    header["format_version"] = 99
    with pytest.raises(ArtefactIncompatible, match="format 99"):
        restore_classifier(_rewritten(content, HEADER, json.dumps(header).encode()))


def test_loading_never_unpickles(model: PersonaClassifier) -> None:
    hostile = BytesIO()
    np.save(hostile, np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(ArtefactCorrupt):
        restore_classifier(_rewritten(dump_classifier(model), "classes.npy", hostile.getvalue()))
    with pytest.raises(ArtefactCorrupt):
        restore_classifier(pickle.dumps(model.classes_))


def test_ids_in_an_object_array_are_stored_as_text(people: People) -> None:
    faces = np.concatenate([people.faces(people.person(), 3) for _ in range(2)])
    model = PersonaClassifier().fit(faces, np.array(["a"] * 3 + ["b"] * 3, dtype=object))
    assert restore_classifier(dump_classifier(model))[0].classes_.tolist() == ["a", "b"]


def test_the_errors_are_of_the_family() -> None:
    assert issubclass(ArtefactCorrupt, FaceProjectError)
    assert issubclass(ArtefactIncompatible, FaceProjectError)
