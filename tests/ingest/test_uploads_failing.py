"""Uploads whose worker, picture, files or models fail: nothing is lost, and each says what happened."""

from __future__ import annotations

import hashlib
import os
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ingest.process_pool import ProcessPool
from ingest.tasks import process_upload as task
from ingest.uploads import (
    SILENT_SECONDS,
    incoming_folder,
    pending_uploads,
    receiving_folder,
    set_aside_folder,
)
from personas.crops import drop_pictures
from personas.entities import Job, JobStatus
from personas.errors import TransientError
from personas.lease import LeaseBusyError, LeaseLostError
from personas.services.jobs import retry_failed
from personas.shares import MAX_ATTEMPTS
from personas.store.base import Store
from personas.watchdog import Watchdog
from tests.ingest.conftest import now
from tests.ingest.drawing import draw
from tests.ingest.fakes import MAGENTA
from tests.ingest.uploading import Sent, process, receive, tag

pytestmark = pytest.mark.usefixtures("inline_extraction")


class Killed(BaseException):
    """The worker ends here."""


def killed(*args: Any, **options: Any) -> Any:
    raise Killed


@pytest.fixture
def a_process(inline_extraction: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the product does it, with less patience."""
    monkeypatch.setattr(
        "ingest.uploads.warm_pool",
        lambda order: closing(ProcessPool(order, workers=1, seconds_per_picture=1.0)),
    )


def test_a_worker_killed_half_way_is_continued_by_the_next(
    store: Store, picture: bytes, other: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = receive(store, Sent("a.png", picture), Sent("b.png", other))

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr("ingest.labels.apply_sidecars", killed)
        patched.setattr(store, "save_extracted", killed)
        process(store, job)
    assert pending_uploads(store) == []  # its worker may still be alive, for all anybody knows
    left = store.job(job.job_id)
    assert left is not None
    store.put_job(replace(left, updated_at=now() - timedelta(seconds=SILENT_SECONDS + 1)))
    assert pending_uploads(store) == [job.job_id]
    done = process(store, job)
    assert (done.status, done.detail["new"]) == (JobStatus.DONE, 2)


def test_two_workers_do_not_take_the_same_upload(store: Store, picture: bytes) -> None:
    job = receive(store, Sent("a.png", picture))
    assert store.acquire_lease(f"upload:{job.job_id}", owner="another", seconds=60, now=now())
    with pytest.raises(LeaseBusyError):
        process(store, job)
    with pytest.raises(LeaseBusyError):
        task(job.job_id)
    store.release_lease(f"upload:{job.job_id}", owner="another")
    assert process(store, job).status is JobStatus.DONE


@pytest.mark.kill
def test_a_picture_that_ends_its_reader_is_kept_aside_and_the_others_are_taken_in(
    transactional_db: None, store: Store, folder: Path, picture: bytes, settings: Any, a_process: None
) -> None:
    settings.FACE_EXTRACTOR = "tests.ingest.fakes.deadly"
    deadly = draw(folder / "c.png", [(20, 20, 80, MAGENTA)]).read_bytes()
    job = receive(store, Sent("deadly.png", deadly), Sent("a.png", picture))
    done = process(store, job)
    assert [(each["path"], each["reason"]) for each in done.detail["rejected"]] == [
        ("deadly.png", "crashed_extraction")
    ]
    assert (done.status, done.detail["new"], done.done) == (JobStatus.DONE, 1, 2)
    assert (set_aside_folder() / job.job_id / tag(deadly) / "deadly.png").read_bytes() == deadly
    assert list(incoming_folder().iterdir()) == []


@pytest.mark.kill
def test_a_picture_that_is_read_for_ever_is_rejected(
    transactional_db: None, store: Store, picture: bytes, settings: Any, a_process: None
) -> None:
    settings.FACE_EXTRACTOR = "tests.ingest.fakes.endless"
    done = process(store, receive(store, Sent("a.png", picture)))
    assert [each["reason"] for each in done.detail["rejected"]] == ["crashed_extraction"]
    assert "longer to read than 1 s" in done.detail["rejected"][0]["message"]


def test_workers_that_end_while_a_picture_is_at_work_cost_no_picture(
    store: Store, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restart, or a lease taken over, says nothing of the picture: it is tried again."""
    job = receive(store, Sent("a.png", picture))

    for _ in range(MAX_ATTEMPTS - 1):
        with monkeypatch.context() as patched, pytest.raises(Killed):
            patched.setattr("ingest.worker.Bench.extract", killed)
            process(store, job)
    done = process(store, job)
    assert (done.detail["new"], done.detail["rejected"]) == (1, [])


def test_an_upload_that_ends_its_worker_again_and_again_is_set_aside_until_somebody_retries_it(
    store: Store, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = receive(store, Sent("a.png", picture))

    for _ in range(MAX_ATTEMPTS):
        with monkeypatch.context() as patched, pytest.raises(Killed):
            patched.setattr("ingest.worker.Bench.extract", killed)
            process(store, job)
    failed = process(store, job)
    assert (failed.status, "never ended" in failed.message) == (JobStatus.FAILED, True)
    drop_pictures([hashlib.sha256(b"another").hexdigest()])
    assert [path.name for path in (set_aside_folder() / job.job_id).rglob("*.png")] == ["a.png"]
    assert pending_uploads(store) == []
    retry_failed(store=store, job_id=job.job_id, actor="eve", at=now())
    assert pending_uploads(store) == [job.job_id]
    done = process(store, job)
    assert (done.status, done.detail["new"]) == (JobStatus.DONE, 1)
    assert not (set_aside_folder() / job.job_id).exists()
    assert list(incoming_folder().iterdir()) == []


def test_an_upload_that_failed_keeps_no_picture_that_is_erased(store: Store, picture: bytes) -> None:
    digest = hashlib.sha256(picture).hexdigest()
    kept = set_aside_folder() / "job"
    for name in (digest[:12], "0" * 12):
        (kept / name).mkdir(parents=True)
        (kept / name / "a.png").write_bytes(picture)
    drop_pictures([digest])
    assert [path.name for path in kept.iterdir()] == ["0" * 12]


def test_an_upload_that_fails_after_pictures_were_set_aside_keeps_both_and_stops_no_other(
    store: Store, picture: bytes, other: bytes
) -> None:
    job, next_one = receive(store, Sent("a.png", picture)), receive(store, Sent("b.png", other))
    aside = set_aside_folder() / job.job_id / "of-another-attempt"
    aside.mkdir(parents=True)
    (aside / "deadly.png").write_bytes(b"set aside by an attempt that was killed")
    store.put_job(replace(job, status=JobStatus.FAILED))
    assert process(store, job).status is JobStatus.FAILED
    assert {path.name for path in (set_aside_folder() / job.job_id).rglob("*.png")} == {"a.png", "deadly.png"}
    assert not (incoming_folder() / job.job_id).exists()
    assert pending_uploads(store) == [next_one.job_id]


def test_a_store_that_is_away_does_not_count_as_an_attempt(
    store: Store, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = receive(store, Sent("a.png", picture))

    def away(*args: Any, **options: Any) -> Any:
        raise TransientError("away")

    for _ in range(MAX_ATTEMPTS + 1):
        with monkeypatch.context() as patched, pytest.raises(TransientError):
            patched.setattr("ingest.uploads.IngestRun.run", away)
            process(store, job)
    assert process(store, job).status is JobStatus.DONE


def test_a_worker_that_is_told_to_end_hands_its_upload_back(
    store: Store, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = receive(store, Sent("a.png", picture))
    stopping = Watchdog()
    stopping.stop_within(8)
    for _ in range(MAX_ATTEMPTS + 1):
        with monkeypatch.context() as patched, pytest.raises(TransientError, match="told to end"):
            patched.setattr("ingest.uploads.WATCHDOG", stopping)
            process(store, job)
    assert process(store, job).status is JobStatus.DONE


def test_a_worker_that_lost_its_lease_ends_nothing(
    store: Store, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = receive(store, Sent("a.png", picture))
    with monkeypatch.context() as patched, pytest.raises(LeaseLostError):
        patched.setattr("personas.lease.Lease.require", lambda self: (_ for _ in ()).throw(LeaseLostError("lost")))
        process(store, job)
    left = store.job(job.job_id)
    assert left is not None
    assert left.status is JobStatus.RUNNING
    assert (incoming_folder() / job.job_id).is_dir()


def test_received_files_that_are_gone_fail_the_job(store: Store, picture: bytes) -> None:
    import shutil

    job = receive(store, Sent("a.png", picture))
    shutil.rmtree(incoming_folder() / job.job_id)
    assert process(store, job).status is JobStatus.FAILED


def test_models_that_cannot_be_loaded_fail_the_job_with_a_sentence(
    store: Store, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingest.vision import WeightsMissingError

    def missing(*args: Any) -> Any:
        raise WeightsMissingError("The weights are missing; set FACE_DETECTOR_WEIGHTS.")

    monkeypatch.setattr("ingest.pool.extractor_of_process", missing)
    done = process(store, receive(store, Sent("a.png", picture)))
    assert (done.status, "FACE_DETECTOR_WEIGHTS" in done.message) == (JobStatus.FAILED, True)


def test_what_a_killed_web_process_left_goes_after_a_day(store: Store, folder: Path) -> None:
    (incoming_folder() / "young").mkdir(parents=True)
    (incoming_folder() / "old").mkdir()
    os.utime(incoming_folder() / "old", (1, 1))
    receiving_folder().mkdir(parents=True, exist_ok=True)
    (receiving_folder() / "half.upload").touch()
    os.utime(receiving_folder() / "half.upload", (1, 1))
    assert pending_uploads(store) == []
    assert [path.name for path in incoming_folder().iterdir()] == ["young"]
    assert list(receiving_folder().iterdir()) == []


def test_what_its_own_process_takes_away_meanwhile_is_no_trouble(
    store: Store, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    (incoming_folder() / "gone").mkdir(parents=True)
    receiving_folder().mkdir(parents=True, exist_ok=True)
    for name in ("gone.upload", "half.upload"):
        (receiving_folder() / name).touch()
        os.utime(receiving_folder() / name, (1, 1))
    failed = replace(receive(store, Sent("a.png", picture)), status=JobStatus.FAILED)
    store.put_job(failed)
    scandir, rename, job = os.scandir, Path.rename, store.job

    def quicker(folder: Path) -> list[os.DirEntry[str]]:
        entries = sorted(scandir(folder), key=lambda entry: entry.name)
        (receiving_folder() / "gone.upload").unlink(missing_ok=True)
        return entries

    def slower(folder: Path, target: Path) -> Path:
        rename(folder, target)  # by the worker that ended it
        return rename(folder, target)

    def received(job_id: str) -> Job | None:
        if job_id == "gone":
            (incoming_folder() / "gone").rmdir()
        return job(job_id)

    with monkeypatch.context() as patched:
        patched.setattr("ingest.uploads.os.scandir", quicker)
        patched.setattr(Path, "rename", slower)
        patched.setattr(store, "job", received)
        assert pending_uploads(store) == []
    assert list(receiving_folder().iterdir()) == []
    assert list(incoming_folder().iterdir()) == []
    assert [path.name for path in (set_aside_folder() / failed.job_id).rglob("*.png")] == ["a.png"]
