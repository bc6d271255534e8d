"""The seam for places that pictures come from: folders, shares, the web, uploads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from ingest.rejections import Rejection


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file of a source, as its listing shows it.

    path: below the source, "/" between parts, always valid Unicode; it names the file in the store and to people.
    location: what the source needs to find it again. size: bytes. mtime_ns: nanoseconds since the epoch, or any number
    that changes with the content (an ETag's hash).
    """

    path: str
    location: bytes
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePicture:
    """A file that may be a picture, with its sidecar.

    sniff: the name does not say that it is a picture, so look at its first bytes before reading all of it.
    """

    file: SourceFile
    sidecar: SourceFile | None = None
    sniff: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Bytes read from a source. size and mtime_ns are of the moment of reading; size may exceed len(content)."""

    content: bytes
    size: int
    mtime_ns: int


class Source(Protocol):
    """Lists what there is and reads it. It is pickled into worker processes, so it holds values, not connections."""

    @property
    def name(self) -> str:
        """`ImagePath.source`: an absolute folder, a share's URL, or "upload"."""

    @property
    def at_once(self) -> int:
        """Files that one process best reads at the same time: more than 1 where a network makes each one wait."""

    def pictures(self) -> Iterator[SourcePicture | Rejection]:
        """What there is, lazily, by path (bytes of its UTF-8, so that a second run can walk along the store's list).

        What is not even opened (links out, devices, …) comes as a Rejection. Raises RejectedError when the source as a
        whole cannot be listed.
        """

    def read(self, file: SourceFile, *, limit: int) -> Content:
        """At most `limit` bytes from the start of a file. Raises RejectedError."""

    def count(self) -> int:
        """About how many pictures `pictures` will give, for a progress bar."""


class WalkedSource(Source, Protocol):
    """A source whose listing can be taken up again: what jobs in shares need."""

    def pictures(self, *, after: str = "") -> Iterator[SourcePicture | Rejection]:
        """after: only pictures behind this path. What is refused on the way may come again."""

    def require(self) -> None:
        """Raises TransientError when the source as a whole is away for a while."""
