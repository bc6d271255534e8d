"""What goes between the parent of an ingest and its worker processes: the order, what is asked, what is answered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ingest.extraction import ExtractorSpec, ExtractorTags
from ingest.rejections import RejectedError
from ingest.sources.base import Source, SourcePicture
from personas.entities import NewFace
from personas.errors import FaceProjectError, TransientError


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOrder:
    """Everything a worker process needs, once."""

    spec: ExtractorSpec
    source: Source
    originals: Path
    max_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A picture that was read. size, mtime_ns: at that moment."""

    image_id: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Extracted:
    """What extraction found. width, height: pixels, upright."""

    width: int
    height: int
    format: str
    faces: tuple[NewFace, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Parent: what follows is read from this source."""

    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Parent: read and hash these; ticket numbers name them from here on."""

    pictures: tuple[tuple[int, SourcePicture], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decide:
    """Parent: extract these tickets; of those only `keep` the original; drop the rest."""

    extract: tuple[int, ...] = ()
    keep: tuple[int, ...] = ()
    drop: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """Worker: models are loaded."""

    tags: ExtractorTags


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """Worker: it cannot go on, and no other could (models that do not load, a full disk); the message is for people.

    passing: another try, later, may work.
    """

    message: str
    passing: bool = False

    @classmethod
    def by(cls, error: FaceProjectError) -> Broken:
        return cls(message=str(error), passing=isinstance(error, TransientError))


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """Worker: a detector elsewhere wants so many seconds of silence, of everybody."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What was read, or why not."""

    ticket: int
    outcome: Seen | RejectedError
    sidecar: bytes | RejectedError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedAll:
    """Worker: the answer to one Look, in one piece, so that the parent asks the store once for all of it."""

    looked: tuple[Looked, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Done:
    """Worker: what was found (None: the original was kept, as asked), or why not."""

    ticket: int
    outcome: Extracted | RejectedError | None
