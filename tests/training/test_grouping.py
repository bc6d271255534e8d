"""Grouping as background work: who is grouped, when, and what a run leaves."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator

import pytest

from personas.entities import IGNORED, FaceKey, Job, JobStatus
from personas.errors import TransientError
from personas.lease import LeaseBusyError, held_lease
from personas.selectors.groups import GROUPS_JOB, groups_state, latest_groups
from personas.services.grouping import ask_for_groups
from personas.services.jobs import retry_failed
from personas.shares import MAX_ATTEMPTS, settling_lease
from personas.store import get_store
from tests import factories as make
from tests.training.world import World
from training import services
from training.grouping import Grouper

pytestmark = pytest.mark.django_db


class DeathError(BaseException):
    """Ends a worker in the middle of what it does."""


@pytest.fixture
def world(tmp_path, settings) -> Iterator[World]:
    """Ada with 6 pictures, Bo with 4, in a crowd of 15; nobody has a name yet."""
    settings.MEDIA_ROOT, settings.CACHE_ROOT = str(tmp_path / "media"), str(tmp_path / "cache")
    world = World(get_store(), tmp_path)
    world.ada, world.bo = world.photograph("Ada", 6), world.photograph("Bo", 4)
    world.crowd(15)
    return world


def run(world: World) -> str:
    return Grouper(world.trainer).group(actor="tester")


def found(world: World) -> list[set[FaceKey]]:
    _, groups = latest_groups(world.store)
    return [set(groups[place]) for place in range(len(groups))]


def job_of(world: World) -> Job:
    job = world.store.job(GROUPS_JOB)
    assert job is not None
    return job


def test_before_the_first_version_people_are_grouped_and_strangers_are_not(world):
    assert run(world) == "2 groups among 25 clear faces that nobody claims."
    assert found(world) == [set(world.ada), set(world.bo)]
    assert job_of(world).status is JobStatus.DONE
    assert groups_state(world.store).n_groups == 2


def test_faces_that_a_human_or_the_champion_named_are_in_no_group(world):
    world.introduce("Ada", world.ada[:3])
    assert world.train().promoted
    assert set(world.predicted("Ada")) == set(world.ada[3:])
    make.label(world.store, IGNORED, world.bo[0])
    run(world)
    assert found(world) == [set(world.bo[1:])]


def test_a_face_that_is_not_one_person_may_still_be_anybody_else(world):
    make.add_personas(world.store, "Cy")
    world.say("Cy", world.bo[0], verdict=make.Verdict.REJECTED)
    run(world)
    assert set(world.bo) in found(world)


def test_unclear_faces_are_left_alone(world):
    blurred = [
        make.extracted(f"blurred {n}", faces=[dataclasses.replace(make.new_face(), quality=0.3)]) for n in range(3)
    ]
    make.save(world.store, *blurred)  # one and the same vector
    run(world)
    assert found(world) == [set(world.ada), set(world.bo)]


def test_an_empty_installation_has_no_groups(tmp_path, settings):
    settings.MEDIA_ROOT = str(tmp_path / "media")
    world = World(get_store(), tmp_path)
    make.save(world.store, make.extracted("landscape", faces=0))
    assert run(world) == "0 groups among 0 clear faces that nobody claims."


def test_nothing_new_is_not_grouped_again_unless_somebody_asks(world):
    run(world)
    assert run(world) == "Nothing new to group."
    ask_for_groups(store=world.store, actor="zoe", at=make.NOW)
    assert run(world).startswith("2 groups")
    assert job_of(world).actor == "zoe"
    assert job_of(world).detail["run"] == 2


def test_the_same_faces_give_the_same_file(world):
    run(world)
    edition, _ = latest_groups(world.store)
    ask_for_groups(store=world.store, actor="zoe", at=make.NOW)
    run(world)
    assert latest_groups(world.store)[0] == edition


def test_a_group_that_grows_keeps_its_id(world):
    run(world)
    before = dict(zip(latest_groups(world.store)[1].ids, found(world), strict=True))
    more = world.photograph("Bo", 5, first=4)
    run(world)
    after = dict(zip(latest_groups(world.store)[1].ids, found(world), strict=True))
    assert before.keys() == after.keys()
    (of_bo,) = (group_id for group_id, faces in before.items() if faces == set(world.bo))
    assert after[of_bo] == {*world.bo, *more}


def test_the_groups_of_the_last_run_stay_while_the_next_is_asked_for(world):
    run(world)
    ask_for_groups(store=world.store, actor="zoe", at=make.NOW)
    assert groups_state(world.store).busy
    assert found(world) == [set(world.ada), set(world.bo)]


def test_one_worker_groups_at_a_time(world):
    with held_lease(world.store, settling_lease(GROUPS_JOB), clock=world.trainer.clock):
        with pytest.raises(LeaseBusyError):
            run(world)
        assert ask_for_groups(store=world.store, actor="zoe", at=make.NOW) is None


def test_labels_that_come_meanwhile_are_learnt_first(world, monkeypatch):
    def cluster(keys, vectors, *, on_progress):
        world.introduce("Ada", world.ada[:1])
        on_progress(1)
        raise AssertionError("it went on")

    monkeypatch.setattr("training.grouping.LOOK_SECONDS", 0.0)
    with monkeypatch.context() as patched:
        patched.setattr("training.grouping.cluster", cluster)
        assert run(world) == "Grouping waits until the new labels are learnt."
    assert job_of(world).status is JobStatus.QUEUED
    world.train()
    assert "among" in run(world)


def test_labels_that_could_not_be_learnt_before_hinder_nobody(world, monkeypatch):
    world.introduce("Ada", world.ada[:1])
    monkeypatch.setattr("training.grouping.LOOK_SECONDS", 0.0)
    assert "among" in run(world)


def test_a_run_says_how_far_it_is(world, monkeypatch):
    told = []
    monkeypatch.setattr("training.grouping.LOOK_SECONDS", 0.0)
    monkeypatch.setattr("training.clustering.BLOCK", 10)
    put = world.store.put_job
    monkeypatch.setattr(world.store, "put_job", lambda job: (told.append((job.done, job.total)), put(job)))
    run(world)
    assert [progress for progress in told if progress[1]] == [(10, 25), (20, 25), (25, 25)]


def test_a_store_that_is_away_for_a_moment_is_no_failure(world, monkeypatch):
    def away(*_, **__):
        raise TransientError("away")

    with monkeypatch.context() as patched:
        patched.setattr("training.grouping.cluster", away)
        for _ in range(MAX_ATTEMPTS + 1):
            with pytest.raises(TransientError):
                run(world)
    assert run(world).startswith("2 groups")


def test_runs_that_end_their_worker_are_set_aside_until_somebody_retries(world, monkeypatch):
    def die(*_, **__):
        raise DeathError

    with monkeypatch.context() as patched:
        patched.setattr("training.grouping.cluster", die)
        for _ in range(MAX_ATTEMPTS):
            with pytest.raises(DeathError):
                run(world)
        assert run(world) == "Nothing new to group."
    assert job_of(world).status is JobStatus.FAILED
    assert "ended its worker" in job_of(world).message
    retry_failed(store=world.store, job_id=GROUPS_JOB, actor="zoe", at=make.NOW)
    assert run(world).startswith("2 groups")


def test_an_error_is_told_and_leaves_the_earlier_groups(world, monkeypatch):
    run(world)
    world.crowd(1, first=15)

    def broken(*_, **__):
        raise RuntimeError("never seen")

    monkeypatch.setattr("training.grouping.cluster", broken)
    with pytest.raises(RuntimeError):
        run(world)
    assert (job_of(world).status, job_of(world).message) == (JobStatus.FAILED, "RuntimeError")
    assert found(world) == [set(world.ada), set(world.bo)]


def test_files_of_earlier_runs_are_kept_for_a_day(world):
    run(world)
    folder = world.folder / "media" / "groups"
    (first,) = folder.glob("*/*")
    world.photograph("Cy", 3)
    run(world)
    assert len(list(folder.glob("*/*"))) == 2
    long_ago = first.stat().st_mtime - 25 * 3600
    os.utime(first, (long_ago, long_ago))
    world.photograph("Dee", 3)
    run(world)
    assert not first.exists()
    assert len(list(folder.glob("*/*"))) == 2


def test_the_task_groups_in_this_installation(world):
    assert services.group_unknown_faces(actor="tester").startswith("2 groups")
    assert len(found(world)) == 2
