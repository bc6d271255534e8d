"""Uploads: received in the web, taken in by a worker."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ingest.tasks import process_upload as task
from ingest.uploads import (
    UnableToReceiveError,
    incoming_folder,
    pending_uploads,
    process_upload,
    receive_upload,
    safe_name,
)
from personas.entities import JobStatus
from personas.errors import NotFoundError
from personas.store.base import Store
from tests.ingest.conftest import now
from tests.ingest.states import state_of
from tests.ingest.uploading import Sent, process, receive, tag

pytestmark = pytest.mark.usefixtures("inline_extraction")


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


def test_an_upload_that_only_its_folder_or_only_the_store_tells_of_is_found(
    store: Store, picture: bytes, other: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = receive(store, Sent("a.png", picture)), receive(store, Sent("b.png", other))
    monkeypatch.setattr(store, "unfinished_jobs", lambda: (second,))
    assert pending_uploads(store) == [first.job_id, second.job_id]
    (incoming_folder() / second.job_id).rename(incoming_folder().parent / "elsewhere")
    assert pending_uploads(store) == [first.job_id, second.job_id]


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
