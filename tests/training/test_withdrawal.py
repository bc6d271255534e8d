"""Versions that learnt from pictures which were erased: not used again, and their artefacts go."""

from __future__ import annotations

import pytest

from personas.entities import FaceKey
from personas.selectors.erasing import withdrawal_is_due
from personas.services import curation, erasing
from personas.services.labelling import new_command_id
from tests.factories import NOW
from tests.training.world import World
from training.champion import ArtefactWithdrawnError, artefacts, recogniser_of
from training.promotion import UnableToPromoteError

pytestmark = pytest.mark.django_db


def erase(world: World, face: FaceKey) -> None:
    for erased in (curation.delete_images, erasing.begin_erasing):
        erased(store=world.store, image_ids=[face.image_id], actor="a", at=NOW, command_id=new_command_id())
    erasing.finish_erasing(store=world.store, drop_files=lambda _: None, clock=world.trainer.clock)


def has_artefact(world: World, number: int) -> bool:
    return artefacts(world.folder / "media").exists(world.store.model_version(number).artefact)


def test_an_older_version_that_learnt_from_an_erased_face_is_withdrawn_by_the_next_fit(world):
    erase(world, world.ada[0])
    assert world.train(only_new_labels=True).promoted  # the erasure alone makes a fit due
    assert not has_artefact(world, 1) and has_artefact(world, 2)
    with pytest.raises(ArtefactWithdrawnError, match="erased for good"):
        recogniser_of(world.store.model_version(1), world.folder / "media")
    with pytest.raises(ArtefactWithdrawnError, match="withdrawn on"):
        world.trainer.rollback(actor="tester")
    assert world.store.champion().version == 2


def test_the_version_in_use_is_withdrawn_when_another_one_takes_over(world, monkeypatch):
    world.train()
    erase(world, world.ada[4])  # version 2 learnt from it, version 1 did not
    world.trainer.promote(1, actor="tester")
    assert has_artefact(world, 1) and not has_artefact(world, 2)
    with pytest.raises(ArtefactWithdrawnError):
        world.trainer.promote(2, actor="tester")


def test_a_version_is_refused_before_anybody_withdrew_it(world):
    world.train()
    erase(world, world.ada[0])
    with pytest.raises(UnableToPromoteError, match="erased for good"):
        world.trainer.rollback(actor="tester")
    assert has_artefact(world, 1)


def test_versions_that_never_saw_what_was_erased_stay(world):
    erase(world, world.ada[15])  # nobody had labelled it
    world.train()
    assert has_artefact(world, 1)
    assert world.trainer.rollback(actor="tester").version == 1


def test_a_withdrawal_that_was_cut_short_is_finished_by_the_next_fit(world, monkeypatch):
    erase(world, world.ada[0])

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("training.withdrawal.artefacts", killed)
        with pytest.raises(KeyboardInterrupt):
            world.train()
    assert has_artefact(world, 1)
    world.train()
    assert not has_artefact(world, 1)


def test_a_withdrawal_that_was_cut_short_is_due_though_nobody_says_anything(world, monkeypatch):
    erase(world, world.ada[0])

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("training.trainer.withdraw_artefacts", killed)
        with pytest.raises(KeyboardInterrupt):
            world.train()
    assert withdrawal_is_due(world.store)
    assert world.trainer.withdraw() == 1
    assert not has_artefact(world, 1)
    assert not withdrawal_is_due(world.store)


def test_what_the_version_in_use_holds_is_looked_at_once_a_switch(world):
    world.train()
    assert not withdrawal_is_due(world.store)  # nothing was erased
    erase(world, world.ada[4])  # version 2 learnt from it, and stays in use
    assert withdrawal_is_due(world.store)
    assert world.trainer.withdraw() == 0
    assert not withdrawal_is_due(world.store)
    assert has_artefact(world, 2)
