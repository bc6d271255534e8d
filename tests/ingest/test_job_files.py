"""Files of a job lie in a folder of its own and go without those of any other."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ingest.job_files import drop_job_files, job_folder, manifests_of, reports_of
from ingest.pool import InlinePool
from ingest.report import rejected_by
from ingest.shares import LISTING, do_ingest_share, queue_again, queue_ingest, queue_web_ingest, record_ingest
from ingest.web_shares import addresses_of
from personas.entities import Job, Share
from personas.errors import NotFoundError
from personas.services.jobs import REMOVED_AFTER_DAYS
from personas.store.base import Store
from tests.ingest.conftest import Ingest, now
from tests.ingest.drawing import draw
from tests.ingest.fakes import RED


@pytest.fixture(autouse=True)
def media(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are read here, a few a share."""
    monkeypatch.setattr("ingest.shares.warm_pool", lambda order: closing(InlinePool(order)))
    settings.MEDIA_ROOT = str(tmp_path / "media")
    settings.INGEST_SHARE_PICTURES = 3


def do(store: Store, job: Job, number: int) -> Share | None:
    return do_ingest_share(store=store, job_id=job.job_id, number=number, clock=now)


def files(job_id: str) -> list[Path]:
    return [path for path in job_folder(job_id).rglob("*") if path.is_file()]


def test_the_same_list_of_two_jobs_is_two_files(store: Store, folder: Path) -> None:
    for number in range(4):
        draw(folder / f"{number}.png", [(20, 20, 80, RED)], shade=60 + number)
    one, two = (queue_ingest(store=store, folder=folder, actor="eve", at=now()) for _ in range(2))
    for job in (one, two):
        do(store, job, LISTING)
    works = [[share.work for share in store.shares(job.job_id)] for job in (one, two)]
    assert works[0] == works[1]
    assert len(files(one.job_id)) == len(files(two.job_id)) == 2
    assert drop_job_files(one.job_id, most=10)
    assert not job_folder(one.job_id).exists()
    ended = [do(store, two, share.number) for share in store.shares(two.job_id)[1:]]
    assert [share.message for share in ended if share is not None] == ["", ""]


def test_files_go_a_few_at_a_time_and_again_is_no_harm() -> None:
    for number in range(5):
        manifests_of("j").put(bytes([number]))
    reports_of("j").put(b"a report")
    left = []
    while not drop_job_files("j", most=2):
        left.append(len(files("j")))
    assert left == [4, 2]
    assert not job_folder("j").exists()
    assert drop_job_files("j", most=2)


def test_a_list_of_addresses_can_be_read_again_when_the_details_of_its_job_are_gone(store: Store) -> None:
    text = "https://pictures.example.org/a.jpg\nhttps://pictures.example.org/b.jpg"
    job = queue_web_ingest(store=store, text=text, actor="eve", at=now())
    drop_job_files(job.job_id, most=10)
    store.drop_shares(job.job_id)
    again = queue_again(store=store, job_id=job.job_id, actor="eve", at=now())
    assert addresses_of(again) == text


def test_a_full_list_of_what_was_rejected_says_that_it_was_removed(store: Store, folder: Path, ingest: Ingest) -> None:
    for number in range(20):
        (folder / f"{number}.jpg").write_text("no picture")
    job = record_ingest(store=store, summary=ingest(), actor="eve", at=now())
    assert len(list(rejected_by(store, job))) == 20
    assert len(files(job.job_id)) == 1
    removed = {**job.detail, REMOVED_AFTER_DAYS: 90}
    with pytest.raises(NotFoundError, match="read the source again"):
        rejected_by(store, replace(job, detail=removed))
