"""What a training leaves that is killed, fails, lacks a file or is overtaken by new pictures."""

from __future__ import annotations

import dataclasses

import pytest

from personas.entities import LABELS, JobStatus, VersionStatus
from personas.lease import LeaseBusyError, held_lease
from personas.media import MediaMissingError
from personas.selectors.faces import view_image
from personas.selectors.learning import TRAINER_CURSOR, TRAINER_JOB
from training.artefact import ArtefactCorrupt
from training.champion import artefacts, recogniser_of

pytestmark = pytest.mark.django_db


def killed(*arguments, **named):
    raise KeyboardInterrupt


def test_two_trainers_do_not_fit_at_once(known):
    with held_lease(known.store, "trainer", clock=known.trainer.clock), pytest.raises(LeaseBusyError):
        known.train()


def test_a_version_interrupted_while_publishing_is_finished_by_the_next_attempt(known, monkeypatch):
    known.say("Ada", known.ada[6])
    seq = known.store.head(LABELS)

    with monkeypatch.context() as patched:
        patched.setattr("training.promotion.write_pages", killed)
        with pytest.raises(KeyboardInterrupt):
            known.train()
    assert known.store.model_version(2).status is VersionStatus.PUBLISHING
    assert known.store.champion().version == 1
    outcome = known.train(only_new_labels=True)
    assert (outcome.version, outcome.promoted) == (2, True)
    assert known.store.cursor(TRAINER_CURSOR) == seq
    assert len(known.store.model_versions().items) == 2


def test_labels_made_after_an_interruption_make_a_version_of_their_own(known, monkeypatch):
    known.say("Ada", known.ada[6])
    with monkeypatch.context() as patched:
        patched.setattr("training.promotion.write_pages", killed)
        with pytest.raises(KeyboardInterrupt):
            known.train()
    known.say("Ada", known.ada[7])
    assert known.train().version == 3
    assert known.store.model_version(2).status is VersionStatus.REFUSED


def test_a_version_killed_right_after_the_switch_is_ready_even_when_labels_came_since(known, monkeypatch):
    known.say("Ada", known.ada[6])
    with monkeypatch.context() as patched:
        patched.setattr(type(known.trainer), "mark_ready", lambda *arguments, **named: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            known.train()
    assert known.store.champion().version == 2
    known.train_with(known.ada[7])
    assert known.store.model_version(2).status is VersionStatus.READY
    assert known.trainer.rollback(actor="tester").version == 2


def test_a_failing_attempt_is_shown_with_its_error_and_tried_again(known, monkeypatch):
    known.say("Ada", known.ada[6])
    with monkeypatch.context() as patched:
        patched.setattr("training.promotion.write_pages", lambda *arguments, **named: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            known.train()
    job = known.store.job(TRAINER_JOB)
    assert job.status is JobStatus.FAILED
    assert "ZeroDivisionError" in job.message
    assert known.train(only_new_labels=True).promoted
    assert known.store.job(TRAINER_JOB).status is JobStatus.DONE


def test_faces_that_arrive_while_a_version_is_published_end_with_one_prediction(known, monkeypatch):
    """Pictures come in after the candidate's matrix was read and before the pointer moves."""
    from training import promotion

    write_pages = promotion.write_pages
    during: list = []

    def write_pages_while_pictures_arrive(*arguments, **named):
        write_pages(*arguments, **named)
        during.extend(known.photograph("Ada", 4, first=200))

    known.say("Ada", known.ada[6])
    monkeypatch.setattr(promotion, "write_pages", write_pages_while_pictures_arrive)
    known.train()
    known.trainer.score_new_faces()
    listed = known.predicted("Ada")
    assert set(during) <= set(listed)
    for key in [*during, *known.ada[7:]]:
        said = view_image(known.store, key.image_id).faces[0].prediction
        assert (said.persona_id == "ada") == (key in listed)


def test_a_lost_training_table_is_named_with_what_to_do(known, tmp_path):
    for table in (tmp_path / "media" / "training_tables").rglob("*"):
        if table.is_file():
            table.unlink()
    known.say("Ada", known.ada[6])
    with pytest.raises(MediaMissingError, match="MEDIA_ROOT"):
        known.train()


def test_an_altered_artefact_is_refused_with_what_to_do(known, tmp_path):
    version = known.store.model_version(1)
    path = artefacts(tmp_path / "media").path(version.artefact)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    fresh_number = dataclasses.replace(version, version=77)
    with pytest.raises(ArtefactCorrupt, match="train"):
        recogniser_of(fresh_number, tmp_path / "media")
