"""The training set into a share of Azure Files: many files at a time, and only what is not there yet.

*A file is complete when its content MD5 says so.* The MD5 is a property of the file that is set with its last request:
up to 4 MiB that is its only one (create with content); a larger file is created without it, filled by ranges, and gets
it in the end. So what a killed upload left half done has the right size and no MD5, and is done again.

*What is there is told by listing*, thousands a page. A listing has sizes and ETags but no MD5s, so the upload keeps a
book in the share (`.uploaded/`, which sources pass over): ETag and MD5 of what it completed. A file whose ETag is in no
book (the last ones before a kill, or changed since) is asked for by itself. The book only saves time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from ingest.azure_share import Entry, ShareAccess, azure_errors, entries, explained, open_share
from orchestration.azure.upload_book import BOOK, UploadBook
from orchestration.azure.upload_file import read, send, takes_content
from orchestration.azure.upload_plan import LocalFile, Plan, planned
from personas.errors import NotFoundError, TransientError

if TYPE_CHECKING:
    from azure.storage.fileshare import ShareClient, ShareFileClient

#: Files on their way at the same time. More than this one process cannot sign and send for.
AT_ONCE: Final = 32
#: Where a run tries whether the account takes files in one request.
PROBE: Final = f"{BOOK}/.probe"
#: Azure's answers that speak of one file, not of the share: the others go on.
OF_ONE_FILE: Final = frozenset({400, 409, 412, 413, 416})


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """Where to: a share of an account, below a path in it.

    account_url: as the account's `primaryEndpoints.file` says. key: of the account; "": whoever is signed in. account:
    its name, where the URL does not begin with it. ca_bundle: a PEM file to trust in place of the system's.
    """

    account_url: str
    share: str
    below: str = ""
    key: str = field(default="", repr=False)
    ca_bundle: str = ""
    account: str = ""

    @property
    def access(self) -> ShareAccess:
        account = self.account or (urlsplit(self.account_url).hostname or "").partition(".")[0]
        return ShareAccess(account=account, endpoint=self.account_url, key=self.key, authority_bundle=self.ca_bundle)


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadProgress:
    """How far it is. files, n_bytes: sent; skipped: there before; failed: not taken."""

    files: int = 0
    n_bytes: int = 0
    skipped: int = 0
    failed: int = 0
    of_files: int = 0
    of_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadSummary:
    """What came of it: counts as in UploadProgress; failed: path -> why this file is not there now."""

    files: int
    n_bytes: int
    skipped: int
    failed: Mapping[str, str]
    seconds: float


ProgressCallback = Callable[[UploadProgress], None]


def upload_folder(
    folder: Path,
    target: Upload,
    *,
    progress: ProgressCallback | None = None,
    at_once: int = AT_ONCE,
    stopping: threading.Event | None = None,
) -> UploadSummary:
    """Bring a folder into a share that is there; run it again after a kill, at any moment.

    What the share has more than the folder stays. A file that cannot be read, or that Azure does not take, is reported
    and stops no other. progress: called after each file, by one thread at a time. stopping: once it is set no other
    file is begun. Raises NotFoundError (no such folder
    or share), AzureFilesError (no package, no permission), TransientError (Azure does not answer; run it again).
    """
    if not folder.is_dir():
        raise NotFoundError(f"{folder} is not a folder. Name the one that holds the training set.")
    client = open_share(target.access, target.share, connections=at_once)
    return _Upload(
        share=client,
        plan=planned(folder),
        path=target.below.strip("/"),
        progress=progress or (lambda moved: None),
        at_once=at_once,
        stopping=stopping or threading.Event(),
    ).run()


@dataclass(slots=True, eq=False)
class _Upload:
    share: ShareClient
    plan: Plan
    path: str
    progress: ProgressCallback
    at_once: int
    stopping: threading.Event
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _moved: UploadProgress = field(default_factory=UploadProgress)
    _stop: threading.Event = field(default_factory=threading.Event)
    _in_one: bool = True
    _failed: dict[str, str] = field(default_factory=dict)

    def run(self) -> UploadSummary:
        began = time.monotonic()
        doing = f"the upload to the share {self.share.share_name}"
        self._failed.update(self.plan.left_out)
        of_bytes = sum(file.size for file in self.plan.files)
        self._moved = UploadProgress(failed=len(self.plan.left_out), of_files=len(self.plan.files), of_bytes=of_bytes)
        try:
            self._upload_all()
        except azure_errors() as error:
            raise explained(error, doing) from error
        moved = self._moved
        return UploadSummary(
            files=moved.files,
            n_bytes=moved.n_bytes,
            skipped=moved.skipped,
            failed=dict(sorted(self._failed.items())),
            seconds=time.monotonic() - began,
        )

    def _upload_all(self) -> None:
        with ThreadPoolExecutor(self.at_once, thread_name_prefix="upload") as threads:
            self._make(["/".join(parts) for parts in _beginnings(self.path)], threads)
            there, directories = self._listed(threads)
            wanted = [folder for folder in (BOOK, *self.plan.folders) if folder.lower() not in directories]
            self._make([self._place(folder) for folder in wanted], threads)
            book = UploadBook(self.share, self._place(BOOK))
            book.read(threads)
            self._in_one = takes_content(self.share.get_file_client(self._place(PROBE)))
            waiting = iter(self.plan.files)
            try:
                self._side_by_side(threads, waiting, there, book)
            finally:
                self._stop.set()  # also on Ctrl-C: each thread ends the file it has
        book.close()

    def _side_by_side(
        self, threads: ThreadPoolExecutor, waiting: Iterator[LocalFile], there: dict[str, Entry], book: UploadBook
    ) -> None:
        """Threads take files from one list, so none waits for another's large one; the first fatal error ends all."""

        def work() -> None:
            while not (self._stop.is_set() or self.stopping.is_set()):
                with self._lock:
                    file = next(waiting, None)
                if file is None:
                    return
                self._upload_one(file, there.get(file.path.lower()), book)

        running = [threads.submit(work) for _ in range(self.at_once)]
        done, _ = wait(running, return_when=FIRST_EXCEPTION)
        self._stop.set()
        for each in done:
            each.result()

    # ---- what is there -----------------------------------------------------------------------------------------------
    def _listed(self, threads: ThreadPoolExecutor) -> tuple[dict[str, Entry], set[str]]:
        """Files and directories of the share below `path`, by path in lower case, for Azure Files minds no case."""
        files: dict[str, Entry] = {}
        directories: set[str] = {""}
        level = [""]
        while level and not self.stopping.is_set():
            found = list(threads.map(lambda folder: list(entries(self.share, self._place(folder))), level))
            deeper: list[str] = []
            for folder, listed in zip(level, found, strict=True):
                for entry in listed:
                    path = f"{folder}/{entry.name}".strip("/")
                    if not entry.is_directory:
                        files[path.lower()] = entry
                    elif path == BOOK or path.lower() in self.plan.folders_lower:
                        deeper.append(path)
                        directories.add(path.lower())
            level = [folder for folder in deeper if folder != BOOK]
        return files, directories

    def _make(self, directories: Sequence[str], threads: ThreadPoolExecutor) -> None:
        """Directories, those that hold others first; one that is there is fine."""
        by_depth: dict[int, list[str]] = {}
        for directory in directories:
            by_depth.setdefault(directory.count("/"), []).append(directory)
        for depth in sorted(by_depth):
            list(threads.map(self._make_one, by_depth[depth]))

    def _make_one(self, directory: str) -> None:
        from azure.core.exceptions import ResourceExistsError

        try:
            self.share.create_directory(directory)
        except ResourceExistsError:
            return

    def _place(self, path: str) -> str:
        return "/".join(part for part in (self.path, path) if part)

    # ---- one file ----------------------------------------------------------------------------------------------------
    def _upload_one(self, file: LocalFile, there: Entry | None, book: UploadBook) -> None:
        client = self.share.get_file_client(self._place(file.path))
        try:
            content, md5 = read(file.place)
            if there is not None and there.size == content.size and _md5_of(file, client, there, book) == md5:
                book.write(file.path, there.etag, md5)
                self._count(skipped=1)
                return
            book.write(file.path, send(client, content, md5, at_once=self._in_one), md5)
            self._count(files=1, n_bytes=content.size)
        except OSError as error:
            self._refuse(file, f"It cannot be read ({error.strerror or error}). Check its permissions and the disk.")
        except azure_errors() as error:
            why = explained(error, f"the upload of {file.path}")
            if getattr(error, "status_code", None) not in OF_ONE_FILE or isinstance(why, TransientError):
                raise
            self._refuse(file, str(why))

    def _refuse(self, file: LocalFile, message: str) -> None:
        with self._lock:
            self._failed[file.path] = message
        self._count(failed=1)

    def _count(self, *, files: int = 0, n_bytes: int = 0, skipped: int = 0, failed: int = 0) -> None:
        with self._lock:
            moved = self._moved
            self._moved = UploadProgress(
                files=moved.files + files,
                n_bytes=moved.n_bytes + n_bytes,
                skipped=moved.skipped + skipped,
                failed=moved.failed + failed,
                of_files=moved.of_files,
                of_bytes=moved.of_bytes,
            )
            self.progress(self._moved)


def _md5_of(file: LocalFile, client: ShareFileClient, there: Entry, book: UploadBook) -> bytes | None:
    """Of the file in the share: as the book has it, else as the file says; None: it was never completed."""
    known = book.md5_of(file.path, there.etag)
    if known is not None:
        return known
    said = client.get_file_properties().content_settings.content_md5
    return bytes(said) if said else None


def _beginnings(path: str) -> list[list[str]]:
    """ "a/b" -> [["a"], ["a", "b"]]."""
    parts = path.split("/") if path else []
    return [parts[: number + 1] for number in range(len(parts))]
