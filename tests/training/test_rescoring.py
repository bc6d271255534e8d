"""A version scored in shares by several workers: the same pages as by one, whoever dies on the way."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

from personas.entities import Job, JobStatus, RankedFace, RankedKind, ShareStatus, Verdict, VersionStatus
from personas.errors import NotFoundError
from personas.lease import Lease, LeaseLostError
from personas.selectors.learning import TRAINER_JOB
from personas.services.jobs import retry_failed
from personas.store import get_store
from tests import factories as make
from tests.training.world import World
from training import rescoring
from training.rescoring import RESCORE, SHARES, RescoreFailedError, Rescoring

pytestmark = pytest.mark.django_db


class DeathError(BaseException):
    """Ends a worker in the middle of what it does."""


class SharingWorld(World):
    """Its versions are scored in shares of about a fifth of the faces."""

    def jobs(self) -> list[Job]:
        return [job for job in self.store.jobs().items if job.kind == RESCORE]

    def pages(self, version: int) -> dict[tuple[str, str], tuple[RankedFace, ...]]:
        return {
            (kind.value, name): self.store.ranked(version, name, kind, limit=1000)
            for kind in RankedKind
            for name in ("ada", "bo")
        }


@pytest.fixture
def world(tmp_path, settings) -> Iterator[SharingWorld]:
    """Ada and Bo with 30 pictures each, 6 of them labelled, one rejected, in a crowd of 40."""
    settings.MEDIA_ROOT, settings.CACHE_ROOT = str(tmp_path / "media"), str(tmp_path / "cache")
    settings.RESCORE_SPLIT_FACES = 40
    world = SharingWorld(get_store(), tmp_path, split_faces=40)
    world.ada, world.bo = world.photograph("Ada", 30), world.photograph("Bo", 30)
    world.crowd(40)
    world.introduce("Ada", world.ada[:6])
    world.introduce("Bo", world.bo[:6])
    world.say("Ada", world.bo[9], verdict=Verdict.REJECTED)
    return world


def whole(world: SharingWorld) -> dict[tuple[str, str], tuple[RankedFace, ...]]:
    """The pages as one process writes them by itself, from the version that was published in shares."""
    champion = world.store.champion()
    before = world.pages(champion.version)
    alone = World(world.store, world.folder).trainer
    version = world.store.model_version(champion.version)
    copy = world.store.add_model_version(dataclasses.replace(version, metrics={}))
    alone.publish(copy, alone.open_matrix(version.embedder), Lease("test"), replaced=0, actor="tester")
    assert before == world.pages(champion.version)
    return world.pages(copy.version)


def test_pages_published_in_shares_are_those_of_one_process(world):
    outcome = world.train()
    assert outcome.promoted
    (job,) = world.jobs()
    shares = world.store.shares(job.job_id)
    assert len(shares) > 3
    assert sum(share.total for share in shares) == job.total == 100
    assert (job.status, job.done) == (JobStatus.DONE, 100)
    assert "Version 1" in job.message
    pages = world.pages(1)
    assert pages == whole(world)
    assert len(pages["predicted", "ada"]) > 15
    assert not (world.folder / "media" / SHARES).exists()


def test_a_small_store_is_not_split(world):
    World(world.store, world.folder).train()
    assert world.jobs() == []


def test_other_workers_do_shares_while_the_trainer_does_others(world, monkeypatch):
    """Another worker, with a copy of the embeddings of its own, takes every second share just before the trainer."""
    helper = dataclasses.replace(world.trainer, cache_root=world.folder / "another machine").rescoring()
    helped: list[int] = []
    do_share = Rescoring.do_share

    def helped_along(self: Rescoring, job_id: str, number: int) -> Any:
        if self.open_matrix is not helper.open_matrix and number % 2:
            assert do_share(helper, job_id, number).status is ShareStatus.DONE
            helped.append(number)
        return do_share(self, job_id, number)

    monkeypatch.setattr(Rescoring, "do_share", helped_along)
    assert world.train().promoted
    monkeypatch.undo()
    assert helped
    assert world.pages(1) == whole(world)


def test_a_worker_that_was_slow_to_catch_up_leaves_the_share_to_others(world, monkeypatch):
    from personas.errors import TransientError
    from training.matrix import MatrixFolder

    assert World(world.store, world.folder).train().promoted
    catch_up = MatrixFolder.catch_up
    monkeypatch.setattr(MatrixFolder, "catch_up", lambda *args: dataclasses.replace(catch_up(*args), through_seq=0))
    version = world.store.model_version(1)
    matrix = dataclasses.replace(catch_up(MatrixFolder(world.folder / "cache", version.embedder), world.store))
    with pytest.raises(TransientError, match="behind"):
        world.trainer.publish(version, matrix, Lease("test"), replaced=0, actor="tester")
    shares = world.store.shares(world.jobs()[0].job_id)
    assert {(share.status, share.attempts) for share in shares} == {(ShareStatus.WAITING, 0)}


@pytest.mark.parametrize("done_before", [0, 1, 3])
def test_a_trainer_killed_in_the_middle_is_followed_by_one_that_keeps_what_is_done(world, monkeypatch, done_before):
    score_matrix, left = rescoring.score_matrix, [done_before]

    def mortal(*arguments: Any, **named: Any) -> Any:
        if not left[0]:
            raise DeathError
        left[0] -= 1
        return score_matrix(*arguments, **named)

    with monkeypatch.context() as patched:
        patched.setattr(rescoring, "score_matrix", mortal)
        with pytest.raises(DeathError):
            world.train()
    assert world.store.model_version(1).status is VersionStatus.PUBLISHING
    (job,) = world.jobs()
    assert not job.status.ended
    done = {share.number: share for share in world.store.shares(job.job_id) if share.status is ShareStatus.DONE}
    assert len(done) == done_before

    world.photograph("Ada", 3, first=500)  # they come too late for this version, and are scored after the switch
    scored: list[int] = []
    monkeypatch.setattr(
        rescoring, "score_matrix", lambda *args, **named: scored.append(1) or score_matrix(*args, **named)
    )
    world.store.put_job(dataclasses.replace(world.store.job(TRAINER_JOB), status=JobStatus.DONE))
    outcome = world.trainer.publish(
        world.store.model_version(1), world.trainer.open_matrix("sface test"), Lease("test"), replaced=0, actor="tester"
    )
    assert outcome.n_scored > 30
    shares = world.store.shares(job.job_id)
    assert len(scored) == len(shares) - done_before
    assert {share.number: share for share in shares if share.number in done} == done
    assert world.jobs()[0].status is JobStatus.DONE
    monkeypatch.undo()
    world.store.switch_champion(1, expected_revision=0, actor="tester", at=job.created_at)
    world.trainer.mark_ready(outcome, replaced=0)
    assert world.trainer.score_new_faces() == 3
    listed = world.predicted("Ada")
    assert len(listed) >= 22


def test_pages_that_were_written_before_a_kill_are_not_written_again(world, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(Rescoring, "finish", lambda *args: (_ for _ in ()).throw(DeathError()))
        with pytest.raises(DeathError):
            world.train()
    monkeypatch.setattr("training.promotion.write_pages", lambda *args, **named: pytest.fail("written again"))
    outcome = world.train(only_new_labels=True)
    assert (outcome.version, outcome.promoted) == (1, True)
    assert world.jobs()[0].status is JobStatus.DONE
    assert world.store.model_version(1).n_scored == sum(world.store.ranked_counts(1).values())


def test_a_lost_or_damaged_result_is_done_again(world, monkeypatch):
    score = Rescoring._score_share
    spoilt: list[str] = []

    def spoiling(self: Rescoring, share: Any, lease: Lease) -> Any:
        result = score(self, share, lease)
        path = self._results(share.job_id).path(result["file"])
        if len(spoilt) < 2:
            path.unlink() if spoilt else path.write_bytes(path.read_bytes()[:-30])
            spoilt.append(result["file"])
        return result

    monkeypatch.setattr(Rescoring, "_score_share", spoiling)
    assert world.train().promoted
    monkeypatch.undo()
    assert len(spoilt) == 2
    assert world.pages(1) == whole(world)


def test_a_share_that_cannot_be_done_somewhere_is_done_elsewhere(world, monkeypatch):
    score, failures = Rescoring._score_share, [NotFoundError("The folder is not mounted here.")] * 2

    def failing_at_first(self: Rescoring, share: Any, lease: Lease) -> Any:
        if failures:
            raise failures.pop()
        return score(self, share, lease)

    monkeypatch.setattr(Rescoring, "_score_share", failing_at_first)
    assert world.train().promoted


def test_a_scoring_that_failed_so_long_ago_that_its_shares_are_gone_begins_anew(world, monkeypatch):
    with monkeypatch.context() as patched:
        failure = NotFoundError("The folder is not mounted here.")
        patched.setattr(Rescoring, "_score_share", lambda *args: (_ for _ in ()).throw(failure))
        with pytest.raises(RescoreFailedError):
            world.train(only_new_labels=True)
    (failed,) = world.jobs()
    world.store.drop_shares(failed.job_id)
    retry_failed(store=world.store, job_id=TRAINER_JOB, actor="tester", at=make.NOW)
    assert world.train(only_new_labels=True).promoted
    assert world.jobs()[0].status is JobStatus.DONE
    assert sum(share.total for share in world.store.shares(failed.job_id)) == 100
    assert world.pages(1) == whole(world)


def test_a_share_that_nobody_can_do_stops_the_publication_with_what_to_do(world, monkeypatch):
    def failing(self: Rescoring, share: Any, lease: Lease) -> Any:
        raise NotFoundError("The folder is not mounted here.")

    with monkeypatch.context() as patched:
        patched.setattr(Rescoring, "_score_share", failing)
        with pytest.raises(RescoreFailedError, match=r"not mounted here.*manage\.py train"):
            world.train(only_new_labels=True)
        assert world.jobs()[0].status is JobStatus.FAILED
        assert world.store.job(TRAINER_JOB).status is JobStatus.FAILED
        patched.setattr(Rescoring, "_score_share", lambda *args: pytest.fail("tried again by itself"))
        with pytest.raises(RescoreFailedError):
            world.train(only_new_labels=True)
    retry_failed(store=world.store, job_id=TRAINER_JOB, actor="tester", at=make.NOW)
    assert world.train(only_new_labels=True).promoted
    assert world.pages(1) == whole(world)


def test_a_job_of_a_version_that_is_given_up_ends(world, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(rescoring, "score_matrix", lambda *args, **named: (_ for _ in ()).throw(DeathError()))
        with pytest.raises(DeathError):
            world.train()
    world.say("Ada", world.ada[6])
    assert world.train().version == 2
    assert [(job.status, job.detail["version"]) for job in sorted(world.jobs(), key=lambda job: job.job_id)] == [
        (JobStatus.FAILED, 1),
        (JobStatus.DONE, 2),
    ]
    assert world.store.model_version(1).status is VersionStatus.REFUSED


@pytest.fixture
def interrupted(world, monkeypatch) -> Job:
    """The job of version 1, whose trainer was killed; what it would learn from has changed since."""
    with monkeypatch.context() as patched:
        patched.setattr(rescoring, "score_matrix", lambda *args, **named: (_ for _ in ()).throw(DeathError()))
        with pytest.raises(DeathError):
            world.train()
    world.say("Ada", world.ada[6])
    (job,) = world.jobs()
    return job


def test_a_trainer_that_lost_its_lease_gives_up_nothing_that_the_other_may_be_at(world, interrupted, monkeypatch):
    require = Lease.require

    def lost(self: Lease) -> None:
        self.lost.set()
        require(self)

    monkeypatch.setattr(Lease, "require", lost)
    with pytest.raises(LeaseLostError):
        world.train()
    assert world.store.model_version(1).status is VersionStatus.PUBLISHING
    with pytest.raises(LeaseLostError):
        world.trainer.rescoring().give_up_others(None, Lease("trainer"))
    assert world.jobs() == [interrupted]


def test_a_trainer_whose_job_somebody_else_ended_stops_and_leaves_it_ended(world, monkeypatch):
    ended: list[Job] = []
    asked: list[int] = []

    def ended_by_another(self: Rescoring, job_id: str, number: int) -> None:
        asked.append(number)
        if len(asked) > 20:
            pytest.fail("goes on with a job that has ended")
        if ended:
            return
        other = next(job for job in world.jobs() if job.job_id == job_id)
        shares = self.store.shares(job_id)
        self.store.put_shares([dataclasses.replace(share, status=ShareStatus.DONE) for share in shares[:-1]])
        ended.append(dataclasses.replace(other, status=JobStatus.FAILED, message="given up"))
        self.store.put_job(ended[0])

    monkeypatch.setattr(Rescoring, "do_share", ended_by_another)
    monkeypatch.setattr(rescoring, "POLL_SECONDS", 0)
    with pytest.raises(LeaseLostError, match="ended this scoring"):
        world.train()
    assert world.jobs() == ended


def test_a_rollback_of_a_large_store_is_shared_too_and_may_be_repeated(world):
    world.train()
    before = world.pages(1)
    world.say("Ada", world.ada[6])
    world.train()
    world.say("Ada", world.ada[6], verdict=Verdict.CLEARED)
    for _ in range(2):
        assert world.trainer.rollback(actor="tester").version == 1
        assert world.pages(1) == before
        assert world.trainer.promote(2, actor="tester").version == 2


def test_the_task_does_a_share_and_says_when_there_is_nothing_to_do(world, monkeypatch):
    from training.tasks import do_share

    said: list[str] = []
    score = Rescoring.do_share

    def by_task(self: Rescoring, job_id: str, number: int) -> Any:
        with monkeypatch.context() as patched:
            patched.setattr(Rescoring, "do_share", score)
            said.append(do_share(job_id, number))
        return self.store.share(job_id, number)

    monkeypatch.setattr(Rescoring, "do_share", by_task)
    assert world.train().promoted
    monkeypatch.undo()
    assert said
    assert all(": done" in sentence for sentence in said)
    assert do_share(world.jobs()[0].job_id, 0) == do_share("no such job", 0) == "share 0: nothing to do now"


def test_a_trainer_whose_lease_is_lost_while_shares_are_done_publishes_nothing(world, monkeypatch):
    trainer = world.trainer
    said: list[Lease] = []
    require = Lease.require

    def lost_after_the_first_share(self: Lease) -> None:
        if self.name == "trainer" and any(
            share.status is ShareStatus.DONE for job in world.jobs() for share in world.store.shares(job.job_id)
        ):
            said.append(self)
            self.lost.set()
        require(self)

    monkeypatch.setattr(Lease, "require", lost_after_the_first_share)
    with pytest.raises(LeaseLostError):
        trainer.train(actor="tester")
    assert said
    assert world.store.champion() is None
    assert world.store.ranked_counts(1) == {}
    assert world.store.model_version(1).status is VersionStatus.PUBLISHING
