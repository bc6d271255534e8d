"""Pictures that people upload: received to disk by the web, taken in by an ingest worker, both safe to be killed.

The web streams files to `MEDIA_ROOT/incoming/<job_id>/<first 12 digits of the SHA-256>/<name>` and then writes a queued
Job; it needs no broker. The dispatcher finds the folder (`pending_uploads`) and a worker runs `process_upload`, whose
result does not depend on how often it was begun. An uploaded picture's path in the store is `<12 digits>/<name>` of
source "upload", so two different pictures may both be called IMG_0001.jpg. Sidecars are not taken this way.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import secrets
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol

from django.conf import settings

from ingest.patience import patiently
from ingest.pipeline import IngestRun
from ingest.pool import InlinePool
from ingest.rejections import CRASHED_EXTRACTION, TOO_MANY_BYTES, Rejection
from ingest.services import work_order
from ingest.sources.folder import UNFINISHED_SUFFIX, FolderSource
from ingest.summary import IngestSummary, Progress
from personas.entities import Job, JobStatus
from personas.errors import FaceProjectError, NotFoundError, TransientError
from personas.media import write_atomically
from personas.store.base import Store

logger = logging.getLogger(__name__)

KIND: Final = "upload"
SOURCE: Final = "upload"
#: Files in one upload; more are better put on a folder that `ingest` reads.
MAX_FILES = 1000
#: Longest file name kept, in bytes of UTF-8 (file systems allow 255, and we add nothing).
MAX_NAME_BYTES = 200
MAX_SUFFIX_BYTES = 20
#: A worker that has not been heard of for this long is dead, and another may take over its upload.
LEASE_SECONDS = 30.0
#: Between two writes of a job's progress.
PROGRESS_SECONDS = 0.5
#: A folder without a job, this old, is what is left of a web process that was killed while it received.
ABANDONED_SECONDS = 24 * 3600.0
#: A picture that ended the process this often while it was the only one at work is rejected.
MAX_ATTEMPTS = 2
_JOURNAL: Final = ".at-work"
_LEFT_OUT: Final = ".left-out"
_TAG_LENGTH = 12


class UnableToReceiveError(FaceProjectError):
    """An upload that cannot be taken, as a whole."""


class UploadBusyError(TransientError):
    """Another worker is at this upload."""


class IncomingFile(Protocol):
    """What a browser sends, as Django hands it over (`UploadedFile`)."""

    @property
    def name(self) -> str | None: ...

    def chunks(self) -> Iterable[bytes]: ...


def incoming_folder() -> Path:
    return Path(settings.MEDIA_ROOT) / "incoming"


# ---- receiving: in the web -------------------------------------------------------------------------------------------
def receive_upload(*, store: Store, files: Iterable[IncomingFile], actor: str, at: datetime) -> Job:
    """Stream files to disk and queue a job for them. Raises UnableToReceiveError (no file, too many, no room).

    A file over MAX_IMAGE_BYTES is left out and stands in `detail["rejected"]`; the others are taken.
    """
    job_id = str(uuid.uuid4())
    folder = incoming_folder() / job_id
    rejected: list[Rejection] = []
    n_files = 0
    try:
        folder.mkdir(parents=True)
        for file in files:
            n_files += 1
            if n_files > MAX_FILES:
                raise UnableToReceiveError(
                    f"One upload may hold {MAX_FILES} files. Send fewer at once, or use `manage.py ingest FOLDER`."
                )
            name = safe_name(file.name)
            if not _receive(folder, name, file.chunks()):
                message = f"The file has over {settings.MAX_IMAGE_BYTES:,} bytes. Save a smaller copy."
                rejected.append(Rejection(path=name, reason=TOO_MANY_BYTES, message=message))
        if not n_files:
            raise UnableToReceiveError("No file was sent. Choose at least one picture.")
        write_atomically(folder / _LEFT_OUT, json.dumps([asdict(each) for each in rejected]).encode())
        job = Job(
            job_id=job_id,
            kind=KIND,
            status=JobStatus.QUEUED,
            created_at=at,
            updated_at=at,
            actor=actor,
            done=len(rejected),
            total=n_files,
            message=f"{n_files} files received; waiting for a worker.",
            detail={"rejected": [asdict(each) for each in rejected]},
        )
        patiently(store.put_job, job)
    except BaseException as error:  # also when the browser went away: nothing is left behind
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise UnableToReceiveError(
                f"The upload cannot be stored ({error.strerror}). Make room on the server, then send it again."
            ) from error
        raise
    return job


def _receive(folder: Path, name: str, chunks: Iterable[bytes]) -> bool:
    """Write one file below the digits of its own hash; False when it is larger than allowed."""
    part = folder / f"{secrets.token_hex(4)}.part"
    digest, size = hashlib.sha256(), 0
    with part.open("xb") as opened:
        for chunk in chunks:
            size += len(chunk)
            if size > settings.MAX_IMAGE_BYTES:
                break
            digest.update(chunk)
            opened.write(chunk)
        opened.flush()
        os.fsync(opened.fileno())
    if size > settings.MAX_IMAGE_BYTES:
        part.unlink()
        return False
    target = folder / digest.hexdigest()[:_TAG_LENGTH]
    target.mkdir(exist_ok=True)
    part.replace(target / name)
    return True


def safe_name(name: str | None) -> str:
    """A file name that is only that: no folders, no leading dot, printable, and of a length every disk takes."""
    base = (name or "").replace("\\", "/").rpartition("/")[2]
    cleaned = "".join(character if character.isprintable() else "_" for character in base).strip().lstrip(".")
    if cleaned.lower().endswith(UNFINISHED_SUFFIX):
        cleaned += "_"
    stem, suffix = os.path.splitext(cleaned)  # noqa: PTH122  a name from outside, not a path
    if len(suffix.encode()) > MAX_SUFFIX_BYTES:
        stem, suffix = cleaned, ""
    return (_cut(stem, MAX_NAME_BYTES - len(suffix.encode())) or "picture") + suffix


def _cut(text: str, n_bytes: int) -> str:
    return text.encode()[:n_bytes].decode(errors="ignore")


# ---- processing: in an ingest worker --------------------------------------------------------------------------------
def process_upload(*, store: Store, job_id: str, clock: Callable[[], datetime]) -> Job:
    """Take in the files of an upload; returns the job as it ended. Repeating it changes nothing.

    Raises NotFoundError (no such job) and UploadBusyError (another worker is at it).
    """
    job = store.job(job_id)
    if job is None or job.kind != KIND:
        raise NotFoundError(f"There is no upload {job_id}.")
    folder = incoming_folder() / job_id
    if job.status not in (JobStatus.QUEUED, JobStatus.RUNNING):
        shutil.rmtree(folder, ignore_errors=True)
        return job
    with _lease(store, job_id, clock) as renew:
        job = _Upload(store=store, job=job, folder=folder, clock=clock, renew=renew).run()
        shutil.rmtree(folder, ignore_errors=True)
    return job


@contextlib.contextmanager
def _lease(store: Store, job_id: str, clock: Callable[[], datetime]) -> Iterator[Callable[[], None]]:
    name, owner = f"upload:{job_id}", secrets.token_hex(8)

    def renew() -> None:
        if not store.acquire_lease(name, owner=owner, seconds=LEASE_SECONDS, now=clock()):
            raise UploadBusyError(f"Another worker is at upload {job_id}.")

    renew()
    try:
        yield renew
    finally:
        store.release_lease(name, owner=owner)


class _Upload:
    """One attempt at one upload."""

    def __init__(
        self, *, store: Store, job: Job, folder: Path, clock: Callable[[], datetime], renew: Callable[[], None]
    ) -> None:
        self.store = store
        self.job = job
        self.folder = folder
        self.clock = clock
        self.renew = renew
        self.left_out = [Rejection(**each) for each in _read_json(folder / _LEFT_OUT, default=[])]
        self._told_at = float("-inf")

    def run(self) -> Job:
        if not self.folder.is_dir():
            return self._end(JobStatus.FAILED, "The received files are gone. Upload them again.", {})
        self._put(status=JobStatus.RUNNING, message="Looking for faces.")
        source = FolderSource(root=self.folder, name=SOURCE, sidecars=False)
        journal = CrashJournal(self.folder / _JOURNAL)
        for path in journal.guilty:
            (self.folder / path).unlink(missing_ok=True)
        try:
            run = IngestRun(
                store=self.store,
                source=source,
                pool=InlinePool(work_order(source), journal=journal),
                actor=self.job.actor,
                clock=self.clock,
                progress=self._progress,
                walk_known=False,
            )
            summary = run.run()
        except TransientError:
            raise
        except FaceProjectError as error:
            return self._end(JobStatus.FAILED, str(error), {})
        return self._done(summary, journal)

    def _done(self, summary: IngestSummary, journal: CrashJournal) -> Job:
        message = "The file ended the process that read it, twice. Open it in a picture editor and save it again."
        crashed = [Rejection(path=path, reason=CRASHED_EXTRACTION, message=message) for path in sorted(journal.guilty)]
        rejected = [
            replace(each, path=each.path.partition("/")[2] or each.path) for each in (*summary.rejected, *crashed)
        ]
        rejected = sorted([*self.left_out, *rejected], key=lambda each: (each.path, each.reason))
        detail = {
            "new": summary.new,
            "known": summary.known,
            "faces": summary.faces,
            "no_face": summary.no_face,
            "rejected": [asdict(each) for each in rejected],
        }
        text = f"{summary.pictures} pictures with {summary.faces} faces taken in"
        text += f"; {summary.known} of them were known" if summary.known else ""
        text += f"; {len(rejected)} files rejected." if rejected else "."
        return self._end(JobStatus.DONE, text, detail)

    def _end(self, status: JobStatus, message: str, detail: dict[str, Any]) -> Job:
        done = self.job.total if status is JobStatus.DONE else self.job.done
        return self._put(status=status, message=message, done=done, detail={**self.job.detail, **detail})

    def _progress(self, progress: Progress) -> None:
        if time.monotonic() - self._told_at >= PROGRESS_SECONDS:
            self._told_at = time.monotonic()
            self.renew()
            self._put(done=min(len(self.left_out) + progress.done, self.job.total))

    def _put(self, **changes: Any) -> Job:
        self.job = replace(self.job, updated_at=self.clock(), **changes)
        patiently(self.store.put_job, self.job)
        return self.job


# ---- a crash of the worker itself ------------------------------------------------------------------------------------
class CrashJournal:
    """Which picture was at work, on disk, for whoever comes after a process that a picture has ended.

    `at_work` and `attempts` are written before a picture is extracted. A later process that finds them tries that
    picture once more; after MAX_ATTEMPTS it is guilty, and left out from then on.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        found = _read_json(path, default={})
        self.guilty: set[str] = set(found.get("guilty", ()))
        self._attempts: dict[str, int] = {}
        if found.get("at_work"):
            self._attempts[found["at_work"]] = found["attempts"]
            if found["attempts"] >= MAX_ATTEMPTS:
                self.guilty.add(found["at_work"])

    def begin(self, path: str) -> None:
        attempts = self._attempts.get(path, 0) + 1
        state = {"at_work": path, "attempts": attempts, "guilty": sorted(self.guilty)}
        self.path.write_text(json.dumps(state))

    def end(self) -> None:
        self.path.write_text(json.dumps({"guilty": sorted(self.guilty)}))


def _read_json(path: Path, *, default: Any) -> Any:
    """What was written there; the default when nothing was, or only half of it."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return default


# ---- finding what waits ----------------------------------------------------------------------------------------------
def pending_uploads(store: Store) -> list[str]:
    """Uploads that wait, or whose worker has not been heard of for a while, oldest first; cheap when there are none."""
    try:
        folders = [entry for entry in os.scandir(incoming_folder()) if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []
    pending = []
    for entry in folders:
        job = store.job(entry.name)
        if job is None:
            if time.time() - entry.stat().st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(entry.path, ignore_errors=True)
        elif job.status not in (JobStatus.QUEUED, JobStatus.RUNNING):
            shutil.rmtree(entry.path, ignore_errors=True)
        elif job.status is JobStatus.QUEUED or job.updated_at < datetime.now(UTC) - timedelta(seconds=LEASE_SECONDS):
            pending.append((job.created_at, job.job_id))
    return [job_id for _, job_id in sorted(pending)]
