"""Uploads: received in the web, taken in by a worker."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ingest.pool import InlinePool
from ingest.process_pool import ProcessPool
from ingest.tasks import process_upload as task
from ingest.uploads import (
    SILENT_SECONDS,
    UnableToReceiveError,
    incoming_folder,
    pending_uploads,
    process_upload,
    receive_upload,
    receiving_folder,
    safe_name,
    set_aside_folder,
)
from personas.crops import drop_pictures
from personas.entities import Job, JobStatus
from personas.errors import NotFoundError, TransientError
from personas.lease import LeaseBusyError, LeaseLostError
from personas.services.jobs import retry_failed
from personas.shares import MAX_ATTEMPTS
from personas.store.base import Store
from personas.watchdog import Watchdog
from tests.ingest.conftest import now
from tests.ingest.drawing import draw
from tests.ingest.fakes import BLUE, MAGENTA
from tests.ingest.states import state_of


@dataclass(frozen=True)
class Sent:
    """A file as a browser sends it."""

    name: str | None
    content: bytes

    def chunks(self) -> Iterator[bytes]:
        for start in range(0, len(self.content), 1000):
            yield self.content[start : start + 1000]


@pytest.fixture
def picture(folder: Path) -> bytes:
    return draw(folder / "a.png").read_bytes()


@pytest.fixture
def other(folder: Path) -> bytes:
    return draw(folder / "b.png", [(20, 20, 80, BLUE), (200, 100, 60, BLUE)]).read_bytes()


@pytest.fixture(autouse=True)
def no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading pictures here instead of in a process of their own saves each test a second."""
    monkeypatch.setattr("ingest.uploads.warm_pool", lambda order: closing(InlinePool(order)))


@pytest.fixture
def a_process(no_process: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the product does it, with less patience."""
    monkeypatch.setattr(
        "ingest.uploads.warm_pool",
        lambda order: closing(ProcessPool(order, workers=1, seconds_per_picture=1.0)),
    )


def receive(store: Store, *files: Sent) -> Job:
    return receive_upload(store=store, files=files, actor="eve", at=now())


def process(store: Store, job: Job) -> Job:
    return process_upload(store=store, job_id=job.job_id, clock=now)


def tag(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def test_received_queued_taken_in_and_tidied(store: Store, picture: bytes, other: bytes) -> None:
    job = receive(store, Sent("IMG_1.png", picture), Sent("IMG_1.png", other), Sent("bad.jpg", b"no picture"))
    assert (job.kind, job.status, job.done, job.total, job.actor) == ("upload", JobStatus.QUEUED, 0, 3, "eve")
    assert pending_uploads(store) == [job.job_id]
    done = process(store, job)
    assert store.job(job.job_id) == done
    assert (done.status, done.done, done.total) == (JobStatus.DONE, 3, 3)
    assert done.detail["rejected"] == [
        {"path": "bad.jpg", "reason": "not_a_picture", "message": done.detail["rejected"][0]["message"]}
    ]
    assert (done.detail["new"], done.detail["faces"]) == (2, 3)
    assert "2 pictures with 3 faces" in done.message
    paths = [(path.source, path.path) for path in store.known_paths("upload").items]
    assert sorted(paths) == sorted([("upload", f"{tag(picture)}/IMG_1.png"), ("upload", f"{tag(other)}/IMG_1.png")])
    assert pending_uploads(store) == []
    assert list(incoming_folder().iterdir()) == []


def test_the_same_picture_uploaded_twice_is_stored_once(store: Store, picture: bytes) -> None:
    process(store, receive(store, Sent("a.png", picture)))
    state = state_of(store)
    done = process(store, receive(store, Sent("a.png", picture)))
    assert (done.detail["new"], done.detail["known"]) == (0, 1)
    assert state_of(store) == state


def test_processing_again_changes_nothing(store: Store, picture: bytes) -> None:
    job = receive(store, Sent("a.png", picture))
    done = process(store, job)
    assert process(store, job) == done
    assert task(job.job_id) == done.message


def test_a_worker_killed_half_way_is_continued_by_the_next(
    store: Store, picture: bytes, other: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = receive(store, Sent("a.png", picture), Sent("b.png", other))

    class Killed(BaseException):
        pass

    def killed(*args: Any, **options: Any) -> Any:
        raise Killed

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


def test_an_upload_that_only_its_folder_or_only_the_store_tells_of_is_found(
    store: Store, picture: bytes, other: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = receive(store, Sent("a.png", picture)), receive(store, Sent("b.png", other))
    monkeypatch.setattr(store, "unfinished_jobs", lambda: (second,))
    assert pending_uploads(store) == [first.job_id, second.job_id]
    (incoming_folder() / second.job_id).rename(incoming_folder().parent / "elsewhere")
    assert pending_uploads(store) == [first.job_id, second.job_id]


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

    class Killed(BaseException):
        pass

    def killed(*args: Any, **options: Any) -> Any:
        raise Killed

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

    class Killed(BaseException):
        pass

    def killed(*args: Any, **options: Any) -> Any:
        raise Killed

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


def test_notes_are_no_pictures_and_are_told(store: Store, picture: bytes) -> None:
    done = process(store, receive(store, Sent("a.png", picture), Sent("notes.md", b"# Holiday")))
    assert [(each["path"], each["reason"]) for each in done.detail["rejected"]] == [("notes.md", "not_a_picture")]


def test_one_is_one(store: Store, picture: bytes) -> None:
    job = receive(store, Sent("a.png", picture), Sent("b.txt", b"no picture"))
    assert process(store, job).message == "1 picture with 1 face taken in; 1 file rejected."
    assert receive(store, Sent("a.png", picture)).message == "1 file received; waiting for a worker."


def test_a_file_that_is_too_large_is_left_out_and_told(store: Store, picture: bytes, settings: Any) -> None:
    settings.MAX_IMAGE_BYTES = 5000
    job = receive(store, Sent("a.png", picture), Sent("large.jpg", b"x" * 5001))
    assert [each["reason"] for each in job.detail["rejected"]] == ["too_many_bytes"]
    done = process(store, job)
    assert [each["path"] for each in done.detail["rejected"]] == ["large.jpg"]
    assert (done.done, done.total, done.detail["new"]) == (2, 2, 1)


def test_nothing_sent_and_too_much_sent_are_refused_without_a_trace(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.uploads.MAX_FILES", 2)
    with pytest.raises(UnableToReceiveError, match="at least one"):
        receive(store)
    with pytest.raises(UnableToReceiveError, match="2 files"):
        receive(store, *(Sent(f"{number}.png", b"x") for number in range(3)))
    assert list(incoming_folder().iterdir()) == []
    assert store.jobs().items == ()


def test_a_browser_that_goes_away_leaves_nothing(store: Store, folder: Path) -> None:
    class Broken(Sent):
        def chunks(self) -> Iterator[bytes]:
            yield b"half"
            raise ConnectionResetError

    with pytest.raises(UnableToReceiveError):
        receive(store, Broken("a.png", b""))
    assert list(incoming_folder().iterdir()) == []


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


def test_an_unknown_upload_is_told(store: Store, folder: Path) -> None:
    with pytest.raises(NotFoundError):
        process_upload(store=store, job_id="absent", clock=now)
    with pytest.raises(NotFoundError, match="no upload"):
        task("absent")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("a.jpg", "a.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\pictures\\a.jpg", "a.jpg"),
        (".hidden.jpg", "hidden.jpg"),
        ("a\n\x00b.jpg", "a__b.jpg"),
        ("a.jpg.part", "a.jpg.part_"),
        ("", "picture"),
        (None, "picture"),
        ("..", "picture"),
        (".jpg", "jpg"),
        ("é" * 300 + ".jpg", "é" * 98 + ".jpg"),
        ("a." + "b" * 300, "a." + "b" * 198),
        ("\ud800.png", "_.png"),
    ],
)
def test_names_from_outside_become_plain_file_names(sent: str | None, kept: str) -> None:
    assert safe_name(sent) == kept
    assert len(kept.encode()) <= 200


def test_files_come_as_any_iterable(store: Store, picture: bytes) -> None:
    def files() -> Iterable[Sent]:
        yield Sent("a.png", picture)

    assert receive_upload(store=store, files=files(), actor="eve", at=now()).total == 1
