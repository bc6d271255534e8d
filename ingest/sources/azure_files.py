"""A share of Azure Files, or a folder in one, without being mounted: azurefiles://account/share/path.

It lists and pairs as a folder does (`ingest.sources.listing`): names that begin with a dot, end in `.part` or `.md` are
not looked at. Directories are listed by pages. A file's `mtime_ns` is made of its ETag, which changes with the content;
so a second run reads only what is new or changed. Connections belong to the process, not to the source, which is sent
between processes.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ingest.azure_share import (
    Entry,
    ShareAccess,
    ShareAddress,
    azure_errors,
    bare,
    entries,
    explained,
    open_share,
)
from ingest.rejections import READ_FAILED, UNREADABLE, VANISHED, RejectedError, Rejection
from ingest.sources.base import Content, SourceFile, SourcePicture
from ingest.sources.listing import (
    NOTES_SUFFIX,
    SIDECAR_SUFFIX,
    UNFINISHED_SUFFIX,
    Listing,
    all_before,
    stem_of,
    suffix_of,
)
from personas.errors import FaceProjectError, NotFoundError, TransientError

if TYPE_CHECKING:
    from azure.storage.fileshare import ShareClient, ShareFileClient, StorageStreamDownloader

#: Files that one process reads at the same time: a request waits some milliseconds for the network.
READ_AT_ONCE: Final = 16


@functools.lru_cache(maxsize=8)
def _opened(access: ShareAccess, share: str) -> ShareClient:
    """This process's connections to a share."""
    return open_share(access, share, connections=READ_AT_ONCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureFilesSource:
    """Values only; see `ingest.sources.base.Source`."""

    address: ShareAddress
    access: ShareAccess

    @classmethod
    def at(cls, address: str, *, access: ShareAccess) -> AzureFilesSource:
        """The share as a source, which is asked whether it is there. Raises AzureFilesError, NotFoundError and
        TransientError."""
        source = cls(address=ShareAddress.parse(address), access=access)
        with _told(f"reading {source.name}"):
            if not source._share.get_directory_client(source.address.path).exists():
                raise NotFoundError(
                    f"There is no folder {source.address.path or '/'} in the share {source.address.share} of the "
                    f"account {source.address.account}, or no such share. Check the names."
                )
        return source

    @property
    def name(self) -> str:
        return str(self.address)

    @property
    def at_once(self) -> int:
        return READ_AT_ONCE

    @property
    def _share(self) -> ShareClient:
        return _opened(self.access, self.address.share)

    def pictures(self, *, after: str = "") -> Iterator[SourcePicture | Rejection]:
        """By path. after: only pictures behind this path; folders before it are not listed."""
        stack = [self._folder(b"", after.encode())]
        while stack:  # not recursive: folders may lie deeper than Python's stack
            found = next(stack[-1], None)
            if found is None:
                stack.pop()
            elif isinstance(found, bytes):
                stack.append(self._folder(found, after.encode()))
            else:
                yield found

    def read(self, file: SourceFile, *, limit: int) -> Content:
        client = self._share.get_file_client(self._place(file.location))
        try:
            download = _download(client, limit)
            content = download.readall()
        except azure_errors() as error:
            raise _rejected(file.path, explained(error, f"reading {self.name}")) from error
        # "bytes 0-9/809": the package calls the length of the range the size.
        whole = (download.properties.content_range or "").rpartition("/")[2]
        mark = mark_of(bare(download.properties.etag))
        return Content(content=content, size=int(whole) if whole else len(content), mtime_ns=mark)

    def require(self) -> None:
        """Raises TransientError when the share as a whole does not answer now."""
        try:
            with _told(f"reading {self.name}"):
                self._share.get_directory_client(self.address.path).exists()
        except FaceProjectError as error:
            raise TransientError(str(error)) from error

    def count(self) -> int:
        return sum(not isinstance(each, Rejection) for each in self.pictures())

    def _folder(self, folder: bytes, after: bytes) -> Iterator[SourcePicture | Rejection | bytes]:
        """What lies in one directory, in order; directories in it as their location."""
        listing = Listing()
        try:
            for entry in entries(self._share, self._place(folder)):
                self._sort_in(listing, entry, folder, after)
        except azure_errors() as error:
            why = explained(error, f"listing {self.name}")
            if not folder or not isinstance(why, NotFoundError):
                raise why from error
            return  # a directory that was removed since it was listed
        yield from listing.unpaired_sidecars()
        for place, found in sorted(listing.in_order(), key=lambda each: each[0]):
            if isinstance(found, bytes) or place > after:
                yield found

    def _sort_in(self, listing: Listing, entry: Entry, folder: bytes, after: bytes) -> None:
        name = entry.name.encode()
        location = folder + b"/" + name if folder else name
        suffix = suffix_of(name)
        if name.startswith(b".") or suffix in (UNFINISHED_SUFFIX, NOTES_SUFFIX):
            return
        if entry.is_directory:
            if not all_before(location + b"/", after):
                listing.folders.append(location)
        elif not all_before(stem_of(location), after):
            file = SourceFile(path=location.decode(), location=location, size=entry.size, mtime_ns=mark_of(entry.etag))
            listing.add(file, name, is_sidecar=suffix == SIDECAR_SUFFIX)

    def _place(self, location: bytes) -> str:
        """In the share."""
        return "/".join(part for part in (self.address.path, location.decode()) if part)


def _download(client: ShareFileClient, limit: int) -> StorageStreamDownloader:
    from azure.core.exceptions import HttpResponseError

    try:
        return client.download_file(offset=0, length=limit, max_concurrency=1)
    except HttpResponseError as error:
        if error.status_code != 416:
            raise
        return client.download_file(max_concurrency=1)  # an empty file has no range that could be asked for


def mark_of(etag: str) -> int:
    """A number of 63 bits that changes with the content."""
    return int.from_bytes(hashlib.sha256(etag.encode()).digest()[:8]) >> 1


@contextlib.contextmanager
def _told(doing: str) -> Iterator[None]:
    try:
        yield
    except azure_errors() as error:
        raise explained(error, doing) from error


def _rejected(path: str, why: FaceProjectError) -> RejectedError:
    if isinstance(why, NotFoundError):
        return RejectedError(VANISHED, f"{path} is gone. Start again when the source is quiet.")
    reason = READ_FAILED if isinstance(why, TransientError) else UNREADABLE
    return RejectedError(reason, f"{path} cannot be read. {why}")
