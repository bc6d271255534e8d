"""Attempts that end the trainer are counted; what came of one is said without names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from personas.entities import LABELS, JobStatus
from personas.selectors.learning import TRAINER_CURSOR, TRAINER_JOB
from personas.services.jobs import retry_failed
from personas.shares import MAX_ATTEMPTS
from personas.store import get_store
from tests import factories as make
from tests.training.world import World
from training import tasks
from training.attempts import AttemptLog, SetAsideError

pytestmark = pytest.mark.django_db


class DeathError(BaseException):
    """Stands for a process that ends in the middle of a fit."""


@pytest.fixture
def world(tmp_path, settings) -> World:
    settings.MEDIA_ROOT, settings.CACHE_ROOT = str(tmp_path / "media"), str(tmp_path / "cache")
    world = World(get_store(), tmp_path)
    world.ada = world.photograph("Ada", 12)
    world.crowd(30)
    world.introduce("Ada", world.ada[:4])
    return world


@contextmanager
def deadly(monkeypatch) -> Iterator[None]:
    """A fit that ends the process: nothing is tidied up behind it."""
    with monkeypatch.context() as patched:
        patched.setattr("training.trainer.judge", lambda *args, **named: (_ for _ in ()).throw(DeathError()))
        patched.setattr(AttemptLog, "failed", lambda self, error: None)
        yield


def die(world: World, monkeypatch, times: int = MAX_ATTEMPTS) -> None:
    for _ in range(times):
        with deadly(monkeypatch), pytest.raises(DeathError):
            world.train(only_new_labels=True)


def test_labels_that_end_the_trainer_every_time_are_set_aside_with_what_to_do(world, monkeypatch):
    die(world, monkeypatch)
    with deadly(monkeypatch), pytest.raises(SetAsideError, match=r"manage\.py train"):
        world.train(only_new_labels=True)
    job = world.store.job(TRAINER_JOB)
    assert job.status is JobStatus.FAILED
    assert "3 times" in job.message
    assert world.store.cursor(TRAINER_CURSOR) < world.store.head(LABELS)
    with pytest.raises(SetAsideError):
        tasks.train()  # the dispatcher asks again, ever more rarely
    assert world.store.job(TRAINER_JOB) == job


def test_two_deaths_are_bad_luck(world, monkeypatch):
    die(world, monkeypatch, MAX_ATTEMPTS - 1)
    assert world.train(only_new_labels=True).promoted


def test_new_labels_are_tried(world, monkeypatch):
    die(world, monkeypatch)
    world.say("Ada", world.ada[5])
    assert world.train(only_new_labels=True).promoted


def test_a_person_may_try_again_and_death_is_counted_anew(world, monkeypatch):
    die(world, monkeypatch)
    with deadly(monkeypatch), pytest.raises(DeathError):
        world.train()
    die(world, monkeypatch, MAX_ATTEMPTS - 1)
    with pytest.raises(SetAsideError):
        world.train(only_new_labels=True)
    assert world.train().promoted


def test_a_job_that_is_queued_again_is_tried(world, monkeypatch):
    die(world, monkeypatch)
    with pytest.raises(SetAsideError):
        world.train(only_new_labels=True)
    retry_failed(store=world.store, job_id=TRAINER_JOB, actor="tester", at=make.NOW)
    assert world.train(only_new_labels=True).promoted


def test_an_error_is_no_death(world, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr("training.trainer.judge", lambda *args, **named: 1 / 0)
        for _ in range(MAX_ATTEMPTS + 1):
            with pytest.raises(ZeroDivisionError):
                world.train(only_new_labels=True)
    assert world.train(only_new_labels=True).promoted


def test_the_job_says_what_came_of_the_attempt(world):
    def said() -> tuple[JobStatus, str]:
        job = world.store.job(TRAINER_JOB)
        return job.status, job.message

    world.train()
    assert said() == (JobStatus.DONE, "Version 1 is champion, learnt from 4 labels of 1 personas.")
    world.train()
    assert said() == (JobStatus.DONE, "Nothing new since version 1; no fit.")


def test_a_refusal_is_said_without_naming_anybody(world):
    bo = world.photograph("Bo", 40)
    ada = world.photograph("Ada", 40, first=100)
    world.introduce("Bo", bo[:30])
    world.say("Ada", *ada[:30])
    world.train()
    world.say("Ada", *bo[:9])
    world.say("Bo", *ada[:9])
    assert not world.train().promoted
    message = world.store.job(TRAINER_JOB).message
    assert message == "Version 2 was refused (version 1 stays); its page says why."
