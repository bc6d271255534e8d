"""Azure Files as azure-storage-file-share speaks it, kept in a folder: a mount in the double is that folder.

What REST alone keeps (content MD5, metadata, creation time) lives in memory, as long as the double does. As on Azure,
a file that is changed through the mount keeps its content MD5, and its ETag changes. Contents are written aside and put
in place, so nobody sees half a request. https://learn.microsoft.com/rest/api/storageservices/file-service-rest-api

`python -m tests.azure_double.files FOLDER --latency 0.005` serves one until its standard input ends.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.azure_double.files_faults import FileFaults
from tests.azure_double.files_requests import Called, RefusedError, xml
from tests.azure_double.files_signing import require_signature
from tests.azure_double.https import Answer, Authority, DroppedError, HttpsServer, Request

ACCOUNT = "fpstorage"
KEY = base64.b64encode(b"the key of an account that is nowhere but here").decode()
MOST_A_PAGE = 5000
MOST_A_RANGE = 4 * 2**20


@dataclass(slots=True)
class Kept:
    """What REST keeps of a file or a directory beside its content."""

    md5: str = ""  #: as in the header, base64
    metadata: dict[str, str] = field(default_factory=dict)
    created: float = field(default_factory=time.time)
    changes: int = 0


class FilesDouble:
    """One storage account. Use it as a context manager; `folder/SHARE` is what a mount of the share shows.

    latency: seconds that each answer takes longer, as a network would. token: a bearer token that is let in beside the
    key (None: no token is). most_a_page: entries of a listing. takes_content: whether a file may be created with its
    content in one request; without, the content is passed over.
    """

    def __init__(
        self,
        folder: Path,
        authority: Authority,
        *,
        account: str = ACCOUNT,
        key: str = KEY,
        token: str | None = None,
        latency: float = 0.0,
        most_a_page: int = MOST_A_PAGE,
        takes_content: bool = True,
    ) -> None:
        self.folder, self.account, self.key, self.token = folder, account, key, token
        self.latency, self.most_a_page, self.takes_content = latency, most_a_page, takes_content
        self.faults = FileFaults()
        self.requests: list[Called] = []
        self.bundle = authority.bundle
        self._keys = {account: {key}}
        self._aside = folder / ".aside"
        self._aside.mkdir(parents=True, exist_ok=True)
        self._kept: dict[tuple[str, str], Kept] = {}  #: by share and path in lower case
        self._names: dict[tuple[str, str], str] = {}  #: as they were first written
        self._lock = threading.RLock()
        self._server = HttpsServer(self.answer, authority)

    @property
    def url(self) -> str:
        """What the account's `primaryEndpoints.file` says, without the slash at its end."""
        return self._server.url

    def __enter__(self) -> Self:
        """Answer from now on."""
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop; the folder stays."""
        self._server.__exit__(kind, error, trace)

    def create_share(self, name: str) -> Path:
        """As Azure Resource Manager does; returns what a mount of it shows."""
        place = self.folder / name
        place.mkdir(exist_ok=True)
        return place

    def delete_share(self, name: str) -> None:
        """As Azure Resource Manager does."""
        shutil.rmtree(self.folder / name, ignore_errors=True)

    def let_in(self, account: str, key: str) -> None:
        """Another name and key that are let in: those that a double of Azure Resource Manager gave away."""
        with self._lock:
            self._keys.setdefault(account, set()).add(key)

    def counted(self, what: str) -> int:
        """How often an operation was asked for, such as "create file" or "list"."""
        with self._lock:
            return sum(called.what == what for called in self.requests)

    # ---- one request -------------------------------------------------------------------------------------------------
    def answer(self, request: Request) -> Answer:
        """The service, as `HttpsServer` wants it."""
        if self.latency:
            time.sleep(self.latency)
        called = Called.of(request)
        with self._lock:
            self.requests.append(called)
            fault = self.faults.due(called)
        if fault == "drop":
            raise DroppedError
        try:
            if fault is not None and fault != "drop_after":
                raise RefusedError.of(fault)
            require_signature(request, keys=self._keys, token=self.token)
            answer = self._operation(called)(called)
        except RefusedError as refused:
            return refused.answer()
        if fault == "drop_after":
            raise DroppedError
        return answer

    def _operation(self, called: Called) -> Callable[[Called], Answer]:
        operations: dict[str, Callable[[Called], Answer]] = {
            "list shares": self._list_shares,
            "create share": self._create_share,
            "get share": self._get_share,
            "delete share": self._delete_share,
            "create directory": self._create_directory,
            "get directory": self._get_directory,
            "delete directory": self._delete_directory,
            "list": self._list,
            "create file": self._create_file,
            "put range": self._put_range,
            "get file": self._get_file,
            "get properties": self._get_file,
            "set properties": self._set_properties,
            "set metadata": self._set_metadata,
            "delete file": self._delete_file,
        }
        if called.what not in operations:
            raise RefusedError(400, "UnsupportedQueryParameter", "The double does not know this request.")
        return operations[called.what]

    # ---- shares ------------------------------------------------------------------------------------------------------
    def _list_shares(self, called: Called) -> Answer:
        names = sorted(each.name for each in self.folder.iterdir() if each != self._aside)
        prefix = called.request.query.get("prefix", "")
        shares = "".join(
            f"<Share><Name>{name}</Name><Properties><Quota>100</Quota></Properties></Share>"
            for name in names
            if name.startswith(prefix)
        )
        return xml(f"<EnumerationResults><Shares>{shares}</Shares><NextMarker /></EnumerationResults>")

    def _create_share(self, called: Called) -> Answer:
        try:
            (self.folder / called.share).mkdir()
        except FileExistsError:
            raise RefusedError(409, "ShareAlreadyExists", "The specified share already exists.") from None
        return self._told(called, 201)

    def _get_share(self, called: Called) -> Answer:
        return self._told(called, 200, {"x-ms-share-quota": "100"})

    def _delete_share(self, called: Called) -> Answer:
        place = self._place(called)
        for each in sorted(place.rglob("*"), reverse=True):
            each.rmdir() if each.is_dir() else each.unlink()
        place.rmdir()
        return Answer(status=202)

    # ---- directories -------------------------------------------------------------------------------------------------
    def _create_directory(self, called: Called) -> Answer:
        place = self._place(called, new=True)
        if place.exists():
            raise RefusedError(409, "ResourceAlreadyExists", "The specified resource already exists.")
        place.mkdir()
        self._keep(called, Kept(metadata=called.metadata))
        return self._told(called, 201)

    def _get_directory(self, called: Called) -> Answer:
        if not self._place(called).is_dir():
            raise RefusedError.of("ResourceNotFound")
        return self._told(called, 200)

    def _delete_directory(self, called: Called) -> Answer:
        place = self._place(called)
        try:
            place.rmdir()
        except OSError:
            raise RefusedError(409, "DirectoryNotEmpty", "The specified directory is not empty.") from None
        return Answer(status=202)

    def _list(self, called: Called) -> Answer:
        """A page: directories and files together in the order of their names; the marker is the next one's name."""
        place, query = self._place(called), called.request.query
        if not place.is_dir():
            raise RefusedError.of("ResourceNotFound")
        most = min(int(query.get("maxresults") or self.most_a_page), self.most_a_page)
        prefix, marker = query.get("prefix", ""), query.get("marker", "")
        with os.scandir(place) as scanned:
            entries = sorted((each for each in scanned if each.name.startswith(prefix)), key=lambda each: each.name)
        entries = [each for each in entries if each.name >= marker]
        page, rest = entries[:most], entries[most:]
        listed = "".join(self._entry(called, each) for each in page)
        next_marker = f"<NextMarker>{called.quoted(rest[0].name)}</NextMarker>" if rest else "<NextMarker />"
        head = f'<EnumerationResults ServiceEndpoint="{self.url}/" ShareName="{called.share}" DirectoryPath="">'
        return xml(f"{head}<Entries>{listed}</Entries>{next_marker}</EnumerationResults>")

    def _entry(self, called: Called, entry: os.DirEntry[str]) -> str:
        name, path = called.quoted(entry.name), f"{called.path}/{entry.name}".strip("/")
        if entry.is_dir():
            return f"<Directory><Name>{name}</Name><Properties /></Directory>"
        status = entry.stat()
        told = f"<Content-Length>{status.st_size}</Content-Length>"
        include = called.request.query.get("include", "").lower()
        if "timestamps" in include:
            told += f"<LastWriteTime>{called.time(status.st_mtime)}</LastWriteTime>"
            told += f"<Last-Modified>{called.date(status.st_mtime)}</Last-Modified>"
        if "etag" in include:
            told += f"<Etag>{called.quoted(self._etag(called.share, path, status))}</Etag>"
        return f"<File><Name>{name}</Name><Properties>{told}</Properties></File>"

    # ---- files -------------------------------------------------------------------------------------------------------
    def _create_file(self, called: Called) -> Answer:
        """With the content in the same request, if it has one (4 MiB at most)."""
        body = called.request.body if self.takes_content else b""
        size = int(called.header("x-ms-content-length"))
        place = self._place(called, new=True)
        if place.is_dir():
            raise RefusedError(409, "ResourceTypeMismatch", "The specified resource type does not match.")
        self._require_body(called, most=size)
        aside = self._aside / f"{threading.get_ident()}"
        aside.write_bytes(body)
        if len(body) != size:
            os.truncate(aside, size)
        with self._lock:
            aside.replace(place)
            changes = self._of(called.share, called.path).changes + 1
            kept = Kept(md5=called.header("x-ms-content-md5"), metadata=called.metadata, changes=changes)
            self._keep(called, kept)
        return self._told(called, 201, {"Content-MD5": _md5(body)} if body else {})

    def _put_range(self, called: Called) -> Answer:
        first, last = called.range(required=True)
        body, place = called.request.body, self._file(called)
        self._require_body(called, most=MOST_A_RANGE)
        clears = called.header("x-ms-write") == "clear"
        if not clears and len(body) != last - first + 1:
            raise RefusedError(400, "InvalidHeaderValue", "x-ms-range does not match the length of the body.")
        with self._lock, place.open("r+b") as opened:
            if last >= os.fstat(opened.fileno()).st_size:
                raise RefusedError(416, "InvalidRange", "The range specified is invalid for the current size.")
            opened.seek(first)
            opened.write(bytes(last - first + 1) if clears else body)
        with self._lock:
            self._of(called.share, called.path).changes += 1
        return self._told(called, 201, {"Content-MD5": _md5(body)} if body else {})

    def _get_file(self, called: Called) -> Answer:
        place = self._file(called)
        kept, status = self._of(called.share, called.path), place.stat()
        headers = {"x-ms-type": "File", "Accept-Ranges": "bytes"}
        headers |= {f"x-ms-meta-{name}": value for name, value in kept.metadata.items()}
        if called.request.method == "HEAD":
            md5 = {"Content-MD5": kept.md5} if kept.md5 else {}
            return self._told(called, 200, headers | md5 | {"content-length": str(status.st_size)})
        first, last = called.range()
        if last is None and first is None:
            return self._told(
                called, 200, headers | ({"Content-MD5": kept.md5} if kept.md5 else {}), place.read_bytes()
            )
        if first >= status.st_size:
            raise RefusedError(416, "InvalidRange", "The range specified is invalid for the current size.")
        last = min(last, status.st_size - 1)
        with place.open("rb") as opened:
            opened.seek(first)
            content = opened.read(last - first + 1)
        headers["Content-Range"] = f"bytes {first}-{last}/{status.st_size}"
        md5 = {"x-ms-content-md5": kept.md5} if kept.md5 else {}
        return self._told(called, 206, headers | md5, content)

    def _set_properties(self, called: Called) -> Answer:
        place = self._file(called)
        if called.header("x-ms-content-length"):
            os.truncate(place, int(called.header("x-ms-content-length")))
        with self._lock:
            kept = self._of(called.share, called.path)
            kept.md5, kept.changes = called.header("x-ms-content-md5"), kept.changes + 1
        return self._told(called, 200)

    def _set_metadata(self, called: Called) -> Answer:
        self._file(called)
        with self._lock:
            kept = self._of(called.share, called.path)
            kept.metadata, kept.changes = called.metadata, kept.changes + 1
        return self._told(called, 200)

    def _delete_file(self, called: Called) -> Answer:
        self._file(called).unlink()
        return Answer(status=202)

    # ---- where things are --------------------------------------------------------------------------------------------
    def _place(self, called: Called, *, new: bool = False) -> Path:
        """On the disk. Names that differ in case are one, the first one written."""
        share = self.folder / called.share
        if not share.is_dir():
            raise RefusedError.of("ShareNotFound")
        place = share
        for part in called.parts:
            path = str((place / part).relative_to(share))
            known = self._names.get((called.share, path.lower()), path)
            place = share / known if (share / known).exists() else share / path
        if new and not place.parent.is_dir():
            raise RefusedError.of("ParentNotFound")
        if not new and not place.exists():
            raise RefusedError.of("ResourceNotFound" if place.parent.is_dir() else "ParentNotFound")
        return place

    def _file(self, called: Called) -> Path:
        place = self._place(called)
        if not place.is_file():
            raise RefusedError(409, "ResourceTypeMismatch", "The specified resource type does not match.")
        return place

    def _keep(self, called: Called, kept: Kept) -> None:
        with self._lock:
            self._kept[called.share, called.path.lower()] = kept
            self._names.setdefault((called.share, called.path.lower()), called.path)

    def _of(self, share: str, path: str) -> Kept:
        with self._lock:
            return self._kept.setdefault((share, path.lower()), Kept())

    def _etag(self, share: str, path: str, status: os.stat_result) -> str:
        said = f"{status.st_mtime_ns} {status.st_size} {self._of(share, path).changes}"
        return f'"0x8D{hashlib.sha1(said.encode()).hexdigest()[:13].upper()}"'

    def _told(self, called: Called, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> Answer:
        """With what Azure says of a resource in every answer."""
        found = self._place(called).stat()
        always = {
            "ETag": self._etag(called.share, called.path, found),
            "Last-Modified": called.date(found.st_mtime),
            "x-ms-file-last-write-time": called.time(found.st_mtime),
            "x-ms-file-creation-time": called.time(self._of(called.share, called.path).created),
            "x-ms-request-id": "00000000-0000-0000-0000-000000000000",
            "x-ms-version": called.header("x-ms-version"),
        }
        return Answer(status=status, headers=always | (headers or {}), body=body)

    def _require_body(self, called: Called, *, most: int) -> None:
        body, md5 = called.request.body, called.header("content-md5")
        if len(body) > min(most, MOST_A_RANGE):
            raise RefusedError(413, "RequestBodyTooLarge", "The request body is too large.")
        if md5 and md5 != _md5(body):
            raise RefusedError(400, "Md5Mismatch", "The MD5 value specified did not match the value calculated.")


def _md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def main() -> None:
    """Serve an account for another process; its first line says where."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds that each answer takes longer")
    options = parser.parse_args()
    authority = Authority(options.folder)
    with FilesDouble(options.folder / "account", authority, latency=options.latency) as double:
        said = {"url": double.url, "bundle": str(double.bundle), "account": double.account, "key": double.key}
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
