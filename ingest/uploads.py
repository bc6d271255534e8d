"""Pictures that people upload: received to disk by the web, taken in by an ingest worker, both safe to be killed.

The web streams files to `MEDIA_ROOT/incoming/<job_id>/<first 12 digits of the SHA-256>/<name>` and then writes a queued
Job; it needs no broker. The dispatcher finds the folder (`pending_uploads`) and a worker runs `process_upload`, whose
result does not depend on how often it was begun. An uploaded picture's path in the store is `<12 digits>/<name>` of
source "upload", so two different pictures may both be called IMG_0001.jpg; one that came in a folder has the folder's
name before its own. Sidecars are not taken this way.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol

from django.conf import settings

from ingest.pipeline import IngestRun
from ingest.rejections import CRASHED_EXTRACTION, TOO_MANY_BYTES, Rejection
from ingest.services import work_order
from ingest.sources.folder import FolderSource
from ingest.sources.listing import UNFINISHED_SUFFIX
from ingest.summary import IngestSummary, Progress
from ingest.warm import warm_pool
from personas.entities import Job, JobStatus
from personas.errors import FaceProjectError, NotFoundError, TransientError
from personas.lease import Lease, held_lease
from personas.media import FAILED_UPLOADS, INCOMING_UPLOADS, UPLOAD_DIGITS, write_atomically
from personas.patience import patiently
from personas.services.jobs import ATTEMPTS
from personas.shares import MAX_ATTEMPTS
from personas.store.base import Store
from personas.watchdog import WATCHDOG
from personas.words import count_of

KIND: Final = "upload"
SOURCE: Final = "upload"
#: Files in one upload; more are better put on a folder that `ingest` reads.
MAX_FILES = 1000
#: Longest file name kept, in bytes of UTF-8 (file systems allow 255, and we add nothing).
MAX_NAME_BYTES = 200
MAX_SUFFIX_BYTES = 20
#: Longest path kept, in bytes of UTF-8, of a file that came in folders: its last parts.
MAX_PATH_BYTES = 1000
#: An upload whose progress has stood still for this long is offered to the workers again; its lease says whether one is
#: still at it.
SILENT_SECONDS = 30.0
#: Between two writes of a job's progress.
PROGRESS_SECONDS = 0.5
#: Part of the time limit after which an upload lets go, and goes on in another task.
TURN: Final = 0.5
#: A folder without a job, this old, is what is left of a web process that was killed while it received.
ABANDONED_SECONDS = 24 * 3600.0
_LEFT_OUT: Final = ".left-out"


class UnableToReceiveError(FaceProjectError):
    """An upload that cannot be taken, as a whole."""


class IncomingFile(Protocol):
    """What a browser sends, as Django hands it over (`UploadedFile`)."""

    @property
    def name(self) -> str | None: ...

    def chunks(self) -> Iterable[bytes]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedFile:
    """A file that was sent with a folder. path: below what was dropped, "/" between parts, as the browser says it."""

    file: IncomingFile
    path: str

    def chunks(self) -> Iterable[bytes]:
        return self.file.chunks()


def incoming_folder() -> Path:
    return Path(settings.MEDIA_ROOT) / INCOMING_UPLOADS


def receiving_folder() -> Path:
    """Where the web spools what it is being sent: the disk that the files stay on, for /tmp may be memory."""
    return Path(settings.FILE_UPLOAD_TEMP_DIR)


def set_aside_folder() -> Path:
    """By job: files that ended the process that read them, for whoever wants to know why, and the files of uploads that
    failed as a whole, for a retry."""
    return Path(settings.MEDIA_ROOT) / FAILED_UPLOADS


# ---- receiving: in the web -------------------------------------------------------------------------------------------
def receive_upload(
    *, store: Store, files: Iterable[IncomingFile | PlacedFile], actor: str, at: datetime, too_large: Sequence[str] = ()
) -> Job:
    """Stream files to disk and queue a job for them. Raises UnableToReceiveError (no file, too many, no room).

    A file over MAX_IMAGE_BYTES is left out and stands in `detail["rejected"]`; the others are taken. too_large: names
    of files that were left out for that already while they were received.
    """
    job_id = str(uuid.uuid4())
    folder = incoming_folder() / job_id
    rejected = [_too_large(safe_name(name)) for name in too_large]
    n_files = len(rejected)
    try:
        folder.mkdir(parents=True)
        for file in files:
            n_files += 1
            if n_files > MAX_FILES:
                raise UnableToReceiveError(
                    f"One upload may hold {MAX_FILES} files. Send fewer at once, or use `manage.py ingest FOLDER`."
                )
            name = safe_path(file.path) if isinstance(file, PlacedFile) else safe_name(file.name)
            if not _receive(folder, name, file.chunks()):
                rejected.append(_too_large(name))
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
            message=f"{count_of(n_files, 'file')} received; waiting for a worker.",
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


def _too_large(name: str) -> Rejection:
    message = f"The file has over {settings.MAX_IMAGE_BYTES:,} bytes. Save a smaller copy."
    return Rejection(path=name, reason=TOO_MANY_BYTES, message=message)


def _receive(folder: Path, name: str, chunks: Iterable[bytes]) -> bool:
    """Write one file below the digits of its own hash; False when it is larger than allowed. name: may have folders."""
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
    target = folder / digest.hexdigest()[:UPLOAD_DIGITS]
    target.mkdir(exist_ok=True)
    try:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        part.replace(target / name)
    except (FileExistsError, NotADirectoryError, IsADirectoryError):  # the same bytes as "a" and as "a/b"
        part.replace(target / _cut(name.replace("/", "_"), MAX_NAME_BYTES))
    return True


def safe_path(path: str) -> str:
    """A path that stays below where it is put: each part as `safe_name` has it, the last ones where it is too long."""
    parts = [safe_name(part) for part in path.replace("\\", "/").split("/") if part.strip(". ")] or [safe_name("")]
    while len(parts) > 1 and len("/".join(parts).encode()) > MAX_PATH_BYTES:
        del parts[0]
    return "/".join(parts)


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

    Pictures are read in a process of their own: one that ends it, or never ends, costs no more than itself. Raises
    NotFoundError (no such job), LeaseBusyError (another worker is at it) and LeaseLostError (another one took it over).
    """
    with held_lease(store, f"upload:{job_id}", clock=clock) as lease:
        job = store.job(job_id)
        if job is None or job.kind != KIND:
            raise NotFoundError(f"There is no upload {job_id}.")
        folder = incoming_folder() / job_id
        if not job.status.ended:
            if not folder.exists() and (aside := set_aside_folder() / job_id).is_dir():
                aside.rename(folder)  # failed before, and is retried
            job = _Upload(store=store, job=job, folder=folder, clock=clock, lease=lease).run()
        _put_away(folder, job)
    return job


def _put_away(folder: Path, job: Job) -> None:
    """What an ended upload leaves: nothing, or its files where a retry finds them. Worker and dispatcher may both come
    here at once."""
    if job.status is JobStatus.FAILED and folder.is_dir():
        aside = set_aside_folder() / job.job_id
        aside.parent.mkdir(exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            if aside.exists():  # an attempt that was killed put pictures there
                shutil.copytree(folder, aside, copy_function=_move, dirs_exist_ok=True)
            else:
                folder.rename(aside)
    shutil.rmtree(folder, ignore_errors=True)


def _move(source: str, target: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        Path(source).replace(target)


class _Upload:
    """One attempt at one upload."""

    def __init__(self, *, store: Store, job: Job, folder: Path, clock: Callable[[], datetime], lease: Lease) -> None:
        self.store = store
        self.job = job
        self.folder = folder
        self.clock = clock
        self.lease = lease
        self.left_out = [Rejection(**each) for each in _read_json(folder / _LEFT_OUT, default=[])]
        self._began = time.monotonic()
        self._told_at = float("-inf")

    def run(self) -> Job:
        if not self.folder.is_dir():
            return self._end(JobStatus.FAILED, "The received files are gone. Upload them again.", {})
        attempts = int(self.job.detail.get(ATTEMPTS, 0))
        if attempts >= MAX_ATTEMPTS:
            return self._end(
                JobStatus.FAILED,
                f"The upload was begun {attempts} times and never ended: it seems to end the worker that reads it. "
                f"Its files were set aside. Look at the log of the ingest-worker, then retry.",
                {},
            )
        self._put(status=JobStatus.RUNNING, message="Looking for faces.", detail=self._counting(attempts + 1))
        source = FolderSource(root=self.folder, name=SOURCE, sidecars=False, skips_notes=False)
        try:
            with warm_pool(work_order(source)) as pool:
                summary = IngestRun(
                    store=self.store,
                    source=source,
                    pool=pool,
                    actor=self.job.actor,
                    clock=self.clock,
                    progress=self._progress,
                ).run()
        except TransientError:
            self.lease.require()
            self._put(detail=self._counting(attempts))  # it did not end the worker
            raise
        except FaceProjectError as error:
            return self._end(JobStatus.FAILED, str(error), {})
        self.lease.require()
        return self._done(summary)

    def _done(self, summary: IngestSummary) -> Job:
        for each in summary.rejected:
            if each.reason == CRASHED_EXTRACTION:
                self._set_aside(each.path)
        rejected = [replace(each, path=each.path.partition("/")[2] or each.path) for each in summary.rejected]
        rejected = sorted([*self.left_out, *rejected], key=lambda each: (each.path, each.reason))
        detail = {
            "new": summary.new,
            "known": summary.known,
            "faces": summary.faces,
            "no_face": summary.no_face,
            "rejected": [asdict(each) for each in rejected],
        }
        text = f"{count_of(summary.pictures, 'picture')} with {count_of(summary.faces, 'face')} taken in"
        text += f"; {summary.known} known before" if summary.known else ""
        text += f"; {count_of(len(rejected), 'file')} rejected." if rejected else "."
        return self._end(JobStatus.DONE, text, detail)

    def _set_aside(self, path: str) -> None:
        target = set_aside_folder() / self.job.job_id / path
        target.parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).replace(target)

    def _end(self, status: JobStatus, message: str, detail: dict[str, Any]) -> Job:
        done = self.job.total if status is JobStatus.DONE else self.job.done
        return self._put(status=status, message=message, done=done, detail={**self.job.detail, **detail})

    def _counting(self, attempts: int) -> dict[str, Any]:
        """The job's detail with the number of times it was begun."""
        return {**self.job.detail, ATTEMPTS: attempts}

    def _progress(self, progress: Progress) -> None:
        """An upload that cannot be finished is handed back before the stop's grace ends: no attempt is counted."""
        if WATCHDOG.stopping:
            raise TransientError("This worker was told to end; another one goes on with what it had in hand.")
        now = time.monotonic()
        if now - self._began >= settings.TASK_LIMIT_SECONDS["ingest"] * TURN:
            raise TransientError("This upload goes on in another turn.")
        if now - self._told_at >= PROGRESS_SECONDS:
            self._told_at = now
            self.lease.require()
            detail = {**self.job.detail, "per_second": round(progress.done / max(now - self._began, 0.1), 2)}
            self._put(done=min(len(self.left_out) + progress.done, self.job.total), detail=detail)

    def _put(self, **changes: Any) -> Job:
        self.job = replace(self.job, updated_at=self.clock(), **changes)
        patiently(self.store.put_job, self.job)
        return self.job


def _read_json(path: Path, *, default: Any) -> Any:
    """What was written there; the default when nothing was, or only half of it."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return default


# ---- finding what waits ----------------------------------------------------------------------------------------------
def _is_abandoned(entry: os.DirEntry[str]) -> bool:
    """Not what went meanwhile: its own process finished with it."""
    try:
        return time.time() - entry.stat().st_mtime > ABANDONED_SECONDS
    except FileNotFoundError:
        return False


def _forget_abandoned(folder: Path) -> None:
    """Files half received by a web process that was killed."""
    with contextlib.suppress(FileNotFoundError):
        for entry in os.scandir(folder):
            if _is_abandoned(entry):
                Path(entry.path).unlink(missing_ok=True)


def pending_uploads(store: Store) -> list[str]:
    """Uploads that wait, or whose worker has long been silent, oldest first. Tidies up what others left.

    Both the folders and the store's unfinished jobs are looked at: what one of them misses, the other has.
    """
    _forget_abandoned(receiving_folder())
    folders: list[os.DirEntry[str]] = []
    with contextlib.suppress(FileNotFoundError):
        folders += [entry for entry in os.scandir(incoming_folder()) if entry.is_dir(follow_symlinks=False)]
    unfinished: dict[str, Job] = {}
    for entry in folders:
        job = store.job(entry.name)
        if job is None:
            if _is_abandoned(entry):
                shutil.rmtree(entry.path, ignore_errors=True)
        elif job.status.ended:
            _put_away(Path(entry.path), job)
        else:
            unfinished[job.job_id] = job
    unfinished |= {job.job_id: job for job in store.unfinished_jobs()}
    waiting = [job for job in unfinished.values() if job.kind == KIND and _waits(job)]
    return [job.job_id for job in sorted(waiting, key=lambda job: (job.created_at, job.job_id))]


def _waits(job: Job) -> bool:
    return job.status is JobStatus.QUEUED or job.updated_at < datetime.now(UTC) - timedelta(seconds=SILENT_SECONDS)
