"""Ingest in shares: listed once, taken in by whoever comes, in the end the same as a direct ingest."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps

from ingest.pool import InlinePool
from ingest.report import rejected_by
from ingest.settling import settled
from ingest.shares import KIND, LISTING, do_ingest_share, queue_ingest
from personas.entities import Job, JobStatus, Share
from personas.state_hash import state_hash
from personas.store.base import Store
from tests.ingest.conftest import Ingest, now
from tests.ingest.drawing import draw, sidecar
from tests.ingest.fakes import BLUE, GREEN, RED
from tests.ingest.states import state_of

WRITES = {"save_extracted", "add_paths", "record", "put_truths", "put_shares"}


@pytest.fixture(autouse=True)
def small_shares(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """Pictures are read here, a few a share."""
    monkeypatch.setattr("ingest.shares._pool", lambda order: closing(InlinePool(order)))
    settings.INGEST_SHARE_PICTURES = 3


def empty(store: Store) -> None:
    for model in apps.get_app_config("sqlstore").get_models():
        model._default_manager.all().delete()
    store.close()


@pytest.fixture
def pictures(folder: Path) -> Path:
    """Pictures with sidecars of every kind, copies, one without a face, and what cannot be taken in."""
    for number in range(10):
        colour = (RED, GREEN, BLUE)[number % 3]
        picture = draw(folder / f"{number % 3}" / f"{number}.png", [(20, 20, 80, colour)], shade=60 + number)
        sidecar(picture, persona=("Ada", "Bob", None)[number % 3], labeled=number % 4 != 0, category=f"c{number % 2}")
    shutil.copy(folder / "0" / "0.png", folder / "again.png")
    draw(folder / "none.png", [])
    (folder / "bad.jpg").write_text("not a picture")
    (folder / "alone.json").write_text("{}")
    return folder


def queue(store: Store, folder: Path) -> Job:
    return queue_ingest(store=store, folder=folder, actor="eve", at=now())


def do(store: Store, job: Job, number: int) -> Share | None:
    return do_ingest_share(store=store, job_id=job.job_id, number=number, clock=now)


def do_all(store: Store, job: Job) -> tuple[Share, ...]:
    do(store, job, LISTING)
    for share in store.shares(job.job_id):
        do(store, job, share.number)
    return store.shares(job.job_id)


def test_in_shares_the_state_is_that_of_a_direct_ingest(store: Store, pictures: Path, ingest: Ingest) -> None:
    summary = ingest()
    expected, hashed = state_of(store), state_hash(store)
    empty(store)
    job = queue(store, pictures)
    assert (job.kind, job.status, job.detail["folder"]) == (KIND, JobStatus.QUEUED, str(pictures))
    shares = do_all(store, job)
    assert [share.total for share in shares] == [0, 3, 3, 3, 3, 1]
    assert state_of(store) == expected
    assert state_hash(store) == hashed
    done = settled(job, shares, now())
    assert (done.status, done.done, done.total) == (JobStatus.DONE, 13, 13)
    for name in ("pictures", "new", "known", "labels", "truths", "categories", "reasons"):
        assert done.detail[name] == getattr(summary, name), name
    assert sorted(rejected_by(store, job), key=lambda each: each.path) == list(summary.rejected)
    assert "12 pictures with" in done.message
    assert "2 files rejected." in done.message


def test_done_twice_nothing_is_new(store: Store, pictures: Path) -> None:
    do_all(store, queue(store, pictures))
    expected = state_of(store)
    again = settled(job := queue(store, pictures), do_all(store, job), now())
    assert (again.detail["new"], again.detail["known"], again.detail["labels"]) == (0, 12, 0)
    assert state_of(store) == expected
