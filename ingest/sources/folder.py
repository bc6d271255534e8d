"""A folder of pictures, walked recursively in a stable order, without ever leaving it.

* Links are never followed. One that points within the source is skipped (its target is found under its own name); one
  that leads out, or nowhere, is rejected. Every file is opened part by part from the root without following links, so a
  folder that is swapped for a link during the run leads nowhere either.
* Devices, pipes and sockets are rejected without being opened.
* Names that begin with a dot or end in `.part` are not looked at: they are other programs' unfinished or private files.
  Nor are those that end in `.md`, unless `skips_notes` is off: notes about the folder. Any other file is a picture, a
  sidecar, or reported.
* `abc.json` belongs to `abc.jpg`, `abc.PNG`, …: the stem must be equal, the case of the extension does not matter.
* A name that is not UTF-8 is stored with its strange bytes written as `\\xff`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ingest.rejections import (
    BROKEN_LINK,
    DEVICE_OR_PIPE,
    LINK_OUT_OF_SOURCE,
    READ_FAILED,
    UNREADABLE,
    VANISHED,
    RejectedError,
    Rejection,
)
from ingest.sources.base import Content, SourceFile, SourcePicture
from ingest.sources.listing import (
    NOTES_SUFFIX,
    SIDECAR_SUFFIX,
    UNFINISHED_SUFFIX,
    Listing,
    all_before,
    shown,
    stem_of,
    suffix_of,
)
from personas.errors import NotFoundError, TransientError

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: should the file have become a pipe since it was listed, opening must not wait for a writer.
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderSource:
    """root: absolute. name: `ImagePath.source`. exclude: folders (device, inode) not entered, such as our own store.

    sidecars: JSON files speak of pictures. skips_notes: Markdown files are about the folder, not meant to be taken in.
    """

    root: Path
    name: str
    exclude: frozenset[tuple[int, int]] = frozenset()
    sidecars: bool = True
    skips_notes: bool = True

    @classmethod
    def at(cls, folder: Path | str, *, exclude: tuple[Path, ...] = ()) -> FolderSource:
        """The folder as a source. Raises NotFoundError."""
        root = Path(os.path.realpath(folder))
        if not root.is_dir():
            what = "is not a folder" if root.exists() else "does not exist"
            raise NotFoundError(f"The source {shown(os.fsencode(folder))} {what}. Name a folder that holds pictures.")
        inodes = set()
        for path in exclude:
            with contextlib.suppress(OSError):
                status = path.stat()
                inodes.add((status.st_dev, status.st_ino))
        return cls(root=root, name=shown(os.fsencode(root)), exclude=frozenset(inodes))

    @property
    def at_once(self) -> int:
        return 1

    def pictures(self, *, after: str = "") -> Iterator[SourcePicture | Rejection]:
        """By path: a folder sorts as its name with "/" behind, which is the order of whole paths.

        after: only pictures behind this path; what lies before it is neither entered nor asked for its size, as far as
        that can be told from its name. What is refused in a folder that is entered comes again.
        """
        yield from self._walk(after.encode())

    def read(self, file: SourceFile, *, limit: int) -> Content:
        with _rejected_by(file.path), _opened(self.root, file.location, _FILE_FLAGS) as descriptor:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise RejectedError(DEVICE_OR_PIPE, f"{file.path} is no longer a file. Remove it from the source.")
            with open(descriptor, "rb", buffering=0, closefd=False) as opened:
                content = _read_up_to(opened.fileno(), limit)
            return Content(content=content, size=status.st_size, mtime_ns=status.st_mtime_ns)

    def require(self) -> None:
        """Raises TransientError when the folder as a whole cannot be listed now: a share that does not answer."""
        try:
            with os.scandir(self.root) as entries:
                next(entries, None)
        except OSError as error:
            message = f"The source {self.name} is away for a while ({error.strerror}). Is it mounted here?"
            raise TransientError(message) from error

    def count(self) -> int:
        total = 0
        for folder, folders, names in os.walk(os.fsencode(self.root)):
            folders[:] = [name for name in folders if not self._is_ignored(name) and not self._excluded(folder, name)]
            total += sum(1 for name in names if not self._is_ignored(name) and not self._is_sidecar(name))
        return total

    def _excluded(self, folder: bytes, name: bytes) -> bool:
        if not self.exclude:
            return False
        try:
            status = os.lstat(os.path.join(folder, name))  # noqa: PTH118  names are bytes, pathlib has none
        except OSError:
            return True
        return (status.st_dev, status.st_ino) in self.exclude

    def _is_ignored(self, name: bytes) -> bool:
        suffix = suffix_of(name)
        return name.startswith(b".") or suffix == UNFINISHED_SUFFIX or (self.skips_notes and suffix == NOTES_SUFFIX)

    def _is_sidecar(self, name: bytes) -> bool:
        return self.sidecars and suffix_of(name) == SIDECAR_SUFFIX

    def _walk(self, after: bytes) -> Iterator[SourcePicture | Rejection]:
        stack = [self._folder(b"", after)]
        while stack:  # not recursive: folders may lie deeper than Python's stack
            found = next(stack[-1], None)
            if found is None:
                stack.pop()
            elif isinstance(found, bytes):
                stack.append(self._folder(found, after))
            else:
                yield found

    def _folder(self, folder: bytes, after: bytes) -> Iterator[SourcePicture | Rejection | bytes]:
        """What lies in one folder, in order; sub-folders as their location."""
        try:
            listing = self._list(folder, after)
        except RejectedError as error:
            if not folder:
                raise NotFoundError(f"The source {self.name} cannot be listed: {error}") from error
            yield Rejection.of(shown(folder), error)
            return
        yield from listing.rejections
        yield from listing.unpaired_sidecars()
        for place, entry in sorted(listing.in_order(), key=lambda each: each[0]):
            if isinstance(entry, bytes) or place > after:
                yield entry

    def _list(self, folder: bytes, after: bytes) -> Listing:
        listing = Listing()
        with (
            _rejected_by(shown(folder) or self.name),
            _opened(self.root, folder, _FOLDER_FLAGS) as descriptor,
            os.scandir(descriptor) as entries,
        ):
            for entry in entries:
                name = os.fsencode(entry.name)
                location = folder + b"/" + name if folder else name
                # A stem is left out as a whole, for what pairs with what takes all its files to tell.
                if not self._is_ignored(name) and not all_before(stem_of(location), after):
                    self._sort_in(listing, descriptor, location, name, after)
        return listing

    def _sort_in(self, listing: Listing, descriptor: int, location: bytes, name: bytes, after: bytes) -> None:
        path = shown(location)
        try:
            status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
        except OSError:  # removed since it was listed
            return
        mode = status.st_mode
        if stat.S_ISLNK(mode):
            self._judge_link(listing, location, path)
        elif stat.S_ISDIR(mode):
            if (status.st_dev, status.st_ino) not in self.exclude and not all_before(location + b"/", after):
                listing.folders.append(location)
        elif not stat.S_ISREG(mode):
            message = f"{path} is a device, a pipe or a socket and was not opened. Remove it from the source."
            listing.rejections.append(Rejection(path=path, reason=DEVICE_OR_PIPE, message=message))
        else:
            file = SourceFile(path=path, location=location, size=status.st_size, mtime_ns=status.st_mtime_ns)
            listing.add(file, name, is_sidecar=self._is_sidecar(name))

    def _judge_link(self, listing: Listing, location: bytes, path: str) -> None:
        root = os.fsencode(self.root)
        target = os.path.realpath(root + b"/" + location)
        if not os.path.lexists(target):
            message = f"{path} is a link that points to nothing. Remove it, or put the picture itself there."
            listing.rejections.append(Rejection(path=path, reason=BROKEN_LINK, message=message))
        elif target != root and not target.startswith(root.rstrip(b"/") + b"/"):
            message = f"{path} is a link that leads out of the source. Copy the picture itself into the source."
            listing.rejections.append(Rejection(path=path, reason=LINK_OUT_OF_SOURCE, message=message))


@contextlib.contextmanager
def _opened(root: Path, location: bytes, flags: int) -> Iterator[int]:
    """Open what lies at `location` below root, part by part, following no link on the way."""
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        parts = location.split(b"/") if location else []
        for part in parts[:-1]:
            descriptor = _step(descriptor, part, _FOLDER_FLAGS)
        if parts:
            descriptor = _step(descriptor, parts[-1], flags)
        yield descriptor
    finally:
        os.close(descriptor)


def _step(descriptor: int, part: bytes, flags: int) -> int:
    """Open `part` in the folder `descriptor` and put it in the folder's place (the caller closes one descriptor)."""
    opened = os.open(part, flags, dir_fd=descriptor)
    os.dup2(opened, descriptor, inheritable=False)
    os.close(opened)
    return descriptor


@contextlib.contextmanager
def _rejected_by(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise RejectedError(DEVICE_OR_PIPE, f"{path} is no longer a file. Remove it from the source.") from error
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            raise RejectedError(VANISHED, f"{path} is gone. Start again when the source is quiet.") from error
        reason = UNREADABLE if error.errno in (errno.EACCES, errno.EPERM) else READ_FAILED
        message = f"{path} cannot be read ({error.strerror}). Check its permissions and the disk."
        raise RejectedError(reason, message) from error


def _read_up_to(descriptor: int, limit: int) -> bytes:
    parts = []
    left = limit
    while left > 0:
        part = os.read(descriptor, min(left, 2**24))
        if not part:
            break
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
