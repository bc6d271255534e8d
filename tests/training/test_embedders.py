"""Faces of another embedder beside those that the champion knows."""

from __future__ import annotations

import dataclasses

import pytest

from tests.factories import EMBEDDER, embedding, extracted, image_id, new_face, save
from tests.training.world import appearance

pytestmark = pytest.mark.django_db


def test_one_picture_of_another_embedder_does_not_replace_the_champion(known):
    before = known.predicted("Ada")
    face = dataclasses.replace(new_face("Ada-6"), embedding=embedding("of another network"))
    save(known.store, extracted("Ada-6", faces=[face], embedder="another"))
    known.say("Ada", known.ada[6])
    outcome = known.train()
    assert outcome.promoted
    assert known.store.model_version(outcome.version).embedder == EMBEDDER
    assert len(known.predicted("Ada")) >= len(before) - 2


def test_a_label_of_a_face_that_only_another_embedder_saw_is_said_to_wait(known):
    save(known.store, extracted("new", faces=[new_face("new")], embedder="another"))
    known.say("Ada", known.ada[6], *[face.key for face in known.store.faces_of([image_id("new")])[image_id("new")]])
    outcome = known.train()
    assert outcome.promoted
    assert "1 labelled faces wait" in outcome.sentence


def test_a_new_embedder_takes_over_once_every_labelled_face_has_its_vector(known):
    for person, keys in (("Ada", known.ada), ("Bo", known.bo)):
        for n in range(len(keys)):
            name = f"{person}-{n}"
            vector = appearance(f"{person} anew", name)
            save(
                known.store,
                extracted(name, faces=[dataclasses.replace(new_face(name), embedding=vector)], embedder="another"),
            )
    outcome = known.train()
    assert outcome.promoted
    assert known.store.model_version(outcome.version).embedder == "another"
    assert set(known.predicted("Ada")) >= set(known.ada[8:28])
