"""What a classifier is fitted on, from what people said."""

from __future__ import annotations

import pytest

from personas.entities import DELETED, IGNORED, NOT_A_FACE, STRANGER
from personas.store import get_store
from tests.factories import EMBEDDER, add_personas, label, save_pictures
from training.collect import collect_training_set
from training.matrix import MatrixFolder

pytestmark = pytest.mark.django_db


def test_only_personas_and_strangers_are_learnt_and_what_is_settled_is_no_background(tmp_path):
    store = get_store()
    ada, stranger, ignored, mistake, deleted, unlabelled = save_pictures(store, 6)
    add_personas(store, "Ada")
    for persona_id, face in (
        ("ada", ada),
        (STRANGER, stranger),
        (IGNORED, ignored),
        (NOT_A_FACE, mistake),
        (DELETED, deleted),
    ):
        label(store, persona_id, face)
    learnt = collect_training_set(store.all_labels(), MatrixFolder(tmp_path, EMBEDDER).catch_up(store))
    assert (learnt.keys, learnt.stranger_keys, learnt.background_keys) == ((ada,), (stranger,), (unlabelled,))
