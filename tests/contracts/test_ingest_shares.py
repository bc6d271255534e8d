"""Ingest in shares on every store: two workers at once do each share once, and leave what a direct ingest would."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ingest.pool import InlinePool
from ingest.services import folder_source, ingest_source
from ingest.settling import settled
from ingest.shares import LISTING, do_ingest_share, queue_ingest
from orchestration.jobs import ShareSweep
from personas.entities import JobStatus, Share, ShareStatus
from personas.lease import LeaseBusyError
from personas.services.jobs import pause_job, resume_job, retry_failed
from personas.state_hash import state_hash
from personas.store.base import Store
from tests.ingest.drawing import draw, sidecar
from tests.ingest.fakes import BLUE, GREEN, RED

N_PICTURES = 12


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def folder(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    settings.MEDIA_ROOT, settings.CACHE_ROOT = str(tmp_path / "media"), str(tmp_path / "cache")
    settings.FACE_EXTRACTOR = "tests.ingest.fakes.squares"
    settings.INGEST_SHARE_PICTURES = 2
    monkeypatch.setattr("ingest.shares.warm_pool", lambda order: closing(InlinePool(order)))
    for number in range(N_PICTURES):
        colour = (RED, GREEN, BLUE)[number % 3]
        picture = draw(tmp_path / "source" / f"{number:02}.png", [(20, 20, 80, colour)], shade=60 + number)
        sidecar(picture, persona=("Ada", "Bob", None)[number % 3], labeled=number % 4 != 0, category="c")
    return tmp_path / "source"


def test_two_workers_at_once_leave_what_a_direct_ingest_leaves(
    shared_store: Store, folder: Path, together: Callable[[Sequence[Callable[[], object]]], list[Any]]
) -> None:
    store = shared_store
    job = queue_ingest(store=store, folder=folder, actor="eve", at=now())
    do_ingest_share(store=store, job_id=job.job_id, number=LISTING, clock=now)
    numbers = [share.number for share in store.shares(job.job_id)][1:]

    def worker() -> list[Share]:
        done = []
        for number in numbers:  # both the same way, so that they meet all the time
            try:
                done.append(do_ingest_share(store=store, job_id=job.job_id, number=number, clock=now))
            except LeaseBusyError:
                continue
        return [share for share in done if share is not None]

    first, second = together([worker, worker])
    ended = [share.number for share in (*first, *second)]
    assert len(ended) == len(set(ended))
    for number in set(numbers) - set(ended):  # each left it to the other, who had just ended it
        do_ingest_share(store=store, job_id=job.job_id, number=number, clock=now)
    done = settled(job, store.shares(job.job_id), now())
    assert (done.status, done.done, done.detail["new"]) == (JobStatus.DONE, N_PICTURES, N_PICTURES)
    before = state_hash(store)
    again = ingest_source(store=store, source=folder_source(folder), workers=0, actor="eve", clock=now)
    assert (again.pictures, again.new, again.labels) == (N_PICTURES, 0, 0)
    assert state_hash(store) == before
    assert before.counts["labels"] == done.detail["labels"] > 0


def test_a_job_is_offered_paused_settled_and_retried(store: Store, folder: Path) -> None:
    sent: list[int] = []
    sweep = ShareSweep(store, lambda task, arguments: sent.append(int(arguments[1])))
    job_id = queue_ingest(store=store, folder=folder, actor="eve", at=now()).job_id

    def look() -> JobStatus:
        sweep.look(store.unfinished_jobs())
        job = store.job(job_id)
        assert job is not None
        return job.status

    def do_what_was_sent() -> None:
        while sent:
            do_ingest_share(store=store, job_id=job_id, number=sent.pop(0), clock=now)

    assert look() is JobStatus.RUNNING
    do_what_was_sent()
    pause_job(store=store, job_id=job_id, actor="eve", at=now())
    assert (look(), sent) == (JobStatus.PAUSED, [])
    resume_job(store=store, job_id=job_id, actor="eve", at=now())
    assert look() is JobStatus.RUNNING
    away = folder.rename(folder.with_name("away"))
    do_what_was_sent()
    away.rename(folder)
    statuses = [look()]
    while not statuses[-1].ended:
        do_what_was_sent()
        statuses.append(look())
    assert statuses[-1] is JobStatus.FAILED
    failed = {share.number for share in store.shares(job_id) if share.status is ShareStatus.FAILED}
    assert failed
    retry_failed(store=store, job_id=job_id, actor="eve", at=now())
    while not look().ended:
        assert set(sent) <= failed
        do_what_was_sent()
    done = store.job(job_id)
    assert done is not None
    assert (done.status, done.done) == (JobStatus.DONE, N_PICTURES)
