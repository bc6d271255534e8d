"""The nouns of the product, as plain values. No Django, no I/O: every layer and both stores speak these.

Vocabulary: a *Persona* is an identity that users name; an *Image* is a source picture, stored once by content; a
*Face* is a crop of an Image with a box and five landmarks; an *Embedding* is a float32 vector of unit length; a *Label*
is what a human says about a face; a *Prediction* is what a ModelVersion says. Label and Prediction are two types, never
one row with a flag.
"""

from __future__ import annotations

import enum
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T")

FloatArray = npt.NDArray[np.float32]

#: Reserved persona ids of labels that say what a face is where no persona is meant: nobody we know (it trains whom not
#: to name), not worth a name, no face at all, or of a picture that was deleted. They have labels, but no row in
#: `persona` and no predictions.
STRANGER = "stranger"
IGNORED = "ignored"
NOT_A_FACE = "not_a_face"
DELETED = "deleted"
NOBODY: Mapping[str, str] = {
    STRANGER: "Stranger",
    IGNORED: "Ignored",
    NOT_A_FACE: "Not a face",
    DELETED: "Deleted",
}  #: with the words for each
#: Faces of these are asked about no more, and shown faintly.
SET_ASIDE = (IGNORED, NOT_A_FACE)

#: The detector of faces that people drew into a picture.
HUMAN = "human"

#: Names of the event streams.
LABELS = "labels"
INGEST = "ingest"


class FaceKey(NamedTuple):
    """Identity of a face: the picture it was found in and a number given once and never reused."""

    image_id: str  #: SHA-256 of the picture's bytes, 64 hex digits
    face_no: int  #: 0-based, in order of first detection

    def __str__(self) -> str:
        return f"{self.image_id}:{self.face_no}"

    @classmethod
    def parse(cls, text: str) -> FaceKey:
        """Read `image_id:face_no`. Raises ValueError."""
        image_id, _, number = text.partition(":")
        if len(image_id) != 64 or not number.isdigit():
            raise ValueError(f"not a face key: {text!r} (expected <64 hex digits>:<number>)")
        return cls(image_id, int(number))


class Box(NamedTuple):
    """A rectangle in pixels of the upright picture (EXIF orientation applied); floats, may be fractional."""

    x: float
    y: float
    width: float
    height: float

    @property
    def centre(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.height / 2

    @property
    def area(self) -> float:
        return max(self.width, 0.0) * max(self.height, 0.0)

    def iou(self, other: Box) -> float:
        """Intersection over union, 0..1."""
        width = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        height = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        if width <= 0 or height <= 0:
            return 0.0
        shared = width * height
        return shared / (self.area + other.area - shared)


class ImageStatus(enum.StrEnum):
    """What extraction found."""

    FACES = "faces"
    NO_FACE = "no_face"
    DELETED = "deleted"  #: by a human, who may take it back; whatever was found


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A source picture, stored once however many paths it is known under."""

    image_id: str
    width: int  #: pixels, upright
    height: int  #: pixels, upright
    format: str  #: "JPEG", "PNG", …
    n_bytes: int
    status: ImageStatus
    n_faces: int
    detector: str  #: name and version that found the faces, e.g. "yunet 2023mar-int8bq"
    ingested_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedImage:
    """The mark beside a picture that a human deleted: it can be taken back until the picture is erased."""

    image_id: str
    deleted_at: datetime
    command_id: str  #: of the command that deleted it, which an undo takes back; "": made before it was kept


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedImage:
    """What is left of a picture that was erased for good, so that the same bytes do not come back by themselves."""

    image_id: str
    erased_at: datetime
    command_id: str  #: of the command that erased it


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePath:
    """One place where a picture's bytes were found. `size` and `mtime_ns` let a second run skip reading the file."""

    source: str  #: absolute folder, share URL, or "upload"
    path: str  #: below the source, with "/" between parts
    image_id: str
    size: int  #: bytes
    mtime_ns: int
    sidecar: str = ""  #: SHA-256 of the sidecar's bytes that were applied, "" when there was none
    extractor: str = ""  #: tags of the detector and embedder that read these bytes, "detector, embedder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """A face in a picture, with what found it."""

    image_id: str
    face_no: int
    box: Box
    landmarks: tuple[tuple[float, float], ...]  #: five (x, y) in pixels: eye, eye, nose tip, mouth corner, mouth corner
    score: float  #: the detector's, 0..1
    quality: float  #: 0..1, how much the crop can be trusted
    detector: str
    embedder: str  #: tag of the embedding, e.g. "sface 2021dec-int8bq"

    @property
    def key(self) -> FaceKey:
        return FaceKey(self.image_id, self.face_no)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NewFace:
    """A face as extraction hands it over: no number yet, with its embedding (float32 (128,), L2-normalised)."""

    box: Box
    landmarks: tuple[tuple[float, float], ...]
    score: float
    quality: float
    embedding: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExtractedImage:
    """One extracted picture on its way into the store."""

    image: Image
    embedder: str
    faces: tuple[NewFace, ...]
    paths: tuple[ImagePath, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """An identity that users name. Two personas may share a name; `persona_id` tells them apart."""

    persona_id: str
    name: str
    created_at: datetime
    cover: FaceKey | None = None  #: chosen by a human; None: the product picks one
    hidden: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonaSummary:
    """A persona with what a grid needs to show it."""

    persona: Persona
    cover: FaceKey | None
    n_labelled: int
    n_predicted: int
    n_rejected: int = 0


class Verdict(enum.StrEnum):
    """What a labelling event says of a face and a persona."""

    BELONGS = "belongs"
    REJECTED = "rejected"
    CLEARED = "cleared"  #: takes back whatever was said of this face and this persona


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What a human says: this face belongs (or does not belong) to this persona. A face belongs to one at most."""

    persona_id: str  #: or one of NOBODY
    image_id: str
    face_no: int
    belongs: bool
    actor: str
    at: datetime
    seq: int  #: of the event that said it

    @property
    def key(self) -> FaceKey:
        return FaceKey(self.image_id, self.face_no)


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """Ground truth for evaluation only, from a sidecar with `labeled: false`; never trained on."""

    image_id: str
    face_no: int
    persona: str | None  #: name; None: nobody we know
    category: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """A fact to be recorded. `event_id` makes recording repeatable: the same id is recorded once."""

    kind: str
    actor: str
    at: datetime
    command_id: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    index: int = 0  #: position within the command, when one command makes several events

    @property
    def event_id(self) -> str:
        return str(uuid.uuid5(uuid.UUID(self.command_id), str(self.index)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A fact in the log; `seq` counts from 1 without gaps within its stream."""

    stream: str
    seq: int
    event_id: str
    command_id: str
    kind: str
    actor: str
    at: datetime
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EmbeddingBlock:
    """Embeddings as they lie in the store: one block a bucket and ingest batch, append-only."""

    bucket: int
    ingest_seq: int  #: sequence number of the ingest event that wrote it
    embedder: str
    keys: Sequence[FaceKey]
    vectors: FloatArray  #: float32 (n, 128), L2-normalised


class VersionStatus(enum.StrEnum):
    """Life of a ModelVersion."""

    READY = "ready"  #: passed the gate and published; may be, or have been, champion
    REFUSED = "refused"  #: the gate said no; a human may still promote it
    PUBLISHING = "publishing"  #: artefact stored, predictions being written


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """An immutable artefact, its metrics, and what it was trained on."""

    version: int
    status: VersionStatus
    created_at: datetime
    label_seq: int  #: every label event up to this one was seen
    scored_through: int  #: every ingest event up to this one is in its ranked pages
    embedder: str
    data_hash: str  #: SHA-256 of the training set
    artefact: str  #: SHA-256 of the artefact file below MEDIA_ROOT
    metrics: Mapping[str, Any]
    reasons: tuple[str, ...] = ()  #: what the gate said
    fit_seconds: float = 0.0
    n_labels: int = 0
    n_personas: int = 0
    n_scored: int = 0  #: faces in `predicted` pages
    said_through: int = 0  #: faces that label events up to this one settled are left out of its pages
    replaced: int = 0  #: the champion it took over from, and so the one a rollback goes back to; 0: none


@dataclass(frozen=True, slots=True, kw_only=True)
class Champion:
    """The pointer to the version in use. `revision` counts the switches and is what compare-and-set compares."""

    version: int
    revision: int
    at: datetime
    actor: str


class RankedKind(enum.StrEnum):
    """Kinds of ranked pages of a version."""

    PREDICTED = "predicted"  #: named by the version, probability descending
    REVIEW = "review"  #: most uncertain first


class RankedFace(NamedTuple):
    """A face in a ranked page."""

    key: FaceKey
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a version says of one face."""

    key: FaceKey
    persona_id: str | None  #: None: unknown
    probability: float | None  #: calibrated probability of `persona_id`; None when unknown
    version: int
    candidates: tuple[tuple[str, float], ...] = ()  #: most probable personas first, whether or not one is named


class JobStatus(enum.StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        return self in (JobStatus.DONE, JobStatus.FAILED)


class JobWish(enum.StrEnum):
    """What a person asked of a job; its workers look before each share."""

    NONE = ""
    PAUSE = "pause"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A piece of background work with progress that a person may watch.

    Its worker writes everything but `wish`; a person writes `wish` alone, so that neither undoes the other.
    """

    job_id: str
    kind: str  #: "ingest", "upload", "train", …
    status: JobStatus
    created_at: datetime
    updated_at: datetime
    actor: str
    done: int = 0
    total: int = 0
    message: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    wish: JobWish = JobWish.NONE


class ShareStatus(enum.StrEnum):
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A part of a job that one worker does from beginning to end, and any other may do again with the same result."""

    job_id: str
    number: int  #: from 0, within the job
    status: ShareStatus
    updated_at: datetime
    attempts: int = 0  #: times a worker began it
    total: int = 0  #: things in it (pictures, faces)
    message: str = ""
    work: Mapping[str, Any] = field(default_factory=dict)  #: what is to be done
    result: Mapping[str, Any] = field(default_factory=dict)  #: what came of it


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Who did what, when, to which object; never picture content or vectors."""

    at: datetime
    actor: str
    action: str
    target: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice(Generic[T]):
    """One keyset page of a list: `items`, and the cursor of what follows (None: that was all)."""

    items: tuple[T, ...]
    next_cursor: str | None
