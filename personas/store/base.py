"""The store port: one method a question the product asks of its state.

Rules every adapter keeps (tests/contracts/ runs one body of tests on each):

* No query objects, no offsets, no transaction that spans calls. Writes are upserts by id and safe to repeat; lists are
  keyset-paged by opaque cursors; what returns an iterator streams.
* A method returns only when its author can read what was written. A process killed inside a write leaves either the old
  state or something `repair` (or the same call again) completes.
* Adapters translate driver errors into `TransientError` (try again) or `StoreError` with `raise … from`.
* `None` means "there is none", never "it failed".
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, runtime_checkable

from personas.entities import (
    AuditEntry,
    Champion,
    DeletedImage,
    EmbeddingBlock,
    ErasedImage,
    Event,
    ExtractedImage,
    Face,
    FaceKey,
    FloatArray,
    Image,
    ImagePath,
    ImageStatus,
    Job,
    JobWish,
    Label,
    ModelVersion,
    NewEvent,
    Persona,
    RankedFace,
    RankedKind,
    Share,
    Slice,
    Truth,
    VersionStatus,
)
from personas.errors import FaceProjectError, TransientError

#: Faces in one labelling event at most; larger commands are split (a row must stay well below Cassandra's 2 MB).
MAX_FACES_PER_EVENT = 10_000
#: Kind of the event that `save_extracted` appends to the ingest stream.
PICTURES_INGESTED = "pictures_ingested"
#: Kind of the event that `erase_images` appends to the ingest stream: whoever keeps embeddings drops those of `images`.
PICTURES_ERASED = "pictures_erased"
#: Faces in one ranked page.
RANKED_PAGE_SIZE = 1000


class OutdatedError(TransientError):
    """What was to be changed is not what the writer thought it was: somebody else has gone on with it."""


class StoreError(FaceProjectError):
    """The state repository refused or could not do what was asked, and trying again will not help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreLayout:
    """Chosen once, when the store is created."""

    n_buckets: int  #: partitions of faces and embeddings: 64, or 4096 for more than a million pictures


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedBatch:
    """What `save_extracted` did."""

    ingest_seq: int | None  #: of the ingest event; None when the batch held nothing new
    new_images: tuple[str, ...]
    faces: Mapping[str, tuple[Face, ...]]  #: every face now known, by image_id; pictures that were erased are left out


def marked(image: Image, deleted: Collection[str]) -> Image:
    """The picture as it is shown: deleted when its id is among these."""
    return replace(image, status=ImageStatus.DELETED) if image.image_id in deleted else image


def outdated(version: ModelVersion) -> OutdatedError:
    """What adapters raise where a version has not the status its writer expected."""
    return OutdatedError(
        f"Somebody else has gone on with version {version.version} meanwhile; look again, and try again."
    )


def rank_of(kind: RankedKind, probability: float) -> float:
    """What ranked faces are sorted by, ascending: the most probable first, or for REVIEW the most uncertain."""
    return -probability if kind is RankedKind.PREDICTED else abs(probability - 0.5)


def pictures_ingested_payload(image_ids: Collection[str], embedders: Sequence[str]) -> dict[str, object]:
    """Payload of a PICTURES_INGESTED event: pictures that are new or got new embeddings, how many, and made by what.

    embedders: the tag of each new embedding.
    """
    return {"images": sorted(image_ids), "n_faces": len(embedders), "embedder": max(embedders, default="")}


class PictureStore(Protocol):
    """Images, the paths they are known under, faces and embeddings."""

    def save_extracted(
        self, batch: Sequence[ExtractedImage], *, actor: str, at: datetime, command_id: str
    ) -> SavedBatch:
        """Store pictures with their paths, faces and embeddings, and append one ingest event for what is new.

        A picture already known with the same detector and embedder only gains its paths. One known from another
        detector or embedder keeps every face and its number: new detections that overlap an old box (IoU >= 0.5, see
        `personas.matching`) are that face (they bring their embedding when the embedder differs), the rest are
        appended. Faces of the detector `HUMAN` are added to what the last extraction found, which stays the last.
        A deleted picture only gains its paths too: what is shown no more is looked at no more. One that was erased is
        passed over (see `erased_among`). Two processes may save the same picture at once.
        """

    def erase_images(self, image_ids: Collection[str], *, actor: str, at: datetime, command_id: str) -> None:
        """Remove the pictures, their paths, faces, embeddings, ground truth and fresh rows, wherever they lie.

        Appends one PICTURES_ERASED event to the ingest stream, after the last vector is gone, for those that were
        there. Their labels and marks go by the event that closes the command (`personas.projection`). The pictures must
        be among those erased already (`erased_among`), so that nobody saves them meanwhile. A call that a kill cut
        short is finished by the same call (same pictures, same command); one caller at a time.
        """

    def add_paths(self, paths: Sequence[ImagePath]) -> None:
        """Upsert paths by (source, path)."""

    def known_paths(self, source: str, *, cursor: str | None = None, limit: int = 5000) -> Slice[ImagePath]:
        """Paths of a source, by path. The cursor is a path, known or not: what follows are the paths behind it."""

    def paths_of(self, image_ids: Collection[str]) -> dict[str, tuple[ImagePath, ...]]:
        """Paths each picture is known under, by (source, path); pictures without any are left out."""

    def find_paths(self, name: str) -> tuple[ImagePath, ...]:
        """Paths that equal `name`, or else those whose last part equals `name`. At most 20, by (source, path)."""

    def find_paths_many(self, names: Collection[str]) -> dict[str, tuple[ImagePath, ...]]:
        """`find_paths` of many names at once; names that nothing is called are left out."""

    def images(self, *, cursor: str | None = None, limit: int = 100) -> Slice[Image]:
        """All pictures, by image_id; those deleted too."""

    def images_by_id(self, image_ids: Collection[str]) -> dict[str, Image]:
        """The pictures that exist among these."""

    def count_images(self) -> dict[str, int]:
        """Number of pictures by status value, plus "faces_total": number of faces. May be some seconds old.

        Cheap enough for a page: nothing is counted again that no event changed.

        Deleted pictures count as what was found in them, and as DELETED.
        """

    def faces(self, *, cursor: str | None = None, limit: int = 1000) -> Slice[Face]:
        """All faces, by (image_id, face_no)."""

    def faces_of(self, image_ids: Collection[str]) -> dict[str, tuple[Face, ...]]:
        """Faces of each picture, by face_no; pictures without faces are left out."""

    def embeddings_of(self, keys: Collection[FaceKey], *, embedder: str | None = None) -> dict[FaceKey, FloatArray]:
        """float32 (128,), L2-normalised, for the faces that have one.

        By that embedder; None: each face's newest. A version can only be asked with embeddings of its own embedder.
        """

    def embedding_blocks(self, *, after_seq: int, through_seq: int, embedder: str) -> Iterator[EmbeddingBlock]:
        """Blocks with after_seq < ingest_seq <= through_seq, in no promised order; a face may come twice (equal).

        A store that does not partition puts a whole batch into bucket 0.
        """


class LabelStore(Protocol):
    """Events, and what is projected from them: personas and labels. Ground truth lies beside them, never among them."""

    def record(self, stream: str, events: Sequence[NewEvent]) -> tuple[Event, ...]:
        """Append events with gapless sequence numbers and project them (see `personas.projection`).

        An event whose `event_id` is in the log already is returned as it stands there and not projected again.
        """

    def head(self, stream: str) -> int:
        """Sequence number of the last event; 0 when there is none."""

    def events(self, stream: str, *, after: int, limit: int = 500) -> tuple[Event, ...]:
        """Events with seq > after, ascending."""

    def events_by_id(self, stream: str, event_ids: Collection[str]) -> dict[str, Event]:
        """The events that are in the log among these, by event_id."""

    def repair(self) -> int:
        """Finish projections that a killed process left half done; returns how many events were projected again."""

    def personas(self, *, cursor: str | None = None, limit: int = 100) -> Slice[Persona]:
        """All personas, by persona_id."""

    def personas_by_id(self, persona_ids: Collection[str]) -> dict[str, Persona]:
        """The personas that exist among these."""

    def personas_named(self, name: str) -> tuple[Persona, ...]:
        """Personas of exactly this name."""

    def heir_of(self, persona_id: str) -> str | None:
        """Whom a persona that is gone was merged into ("": it was deleted); None: it is not gone, or never was."""

    def labels_of_persona(
        self, persona_id: str, *, belongs: bool, cursor: str | None = None, limit: int = 100
    ) -> Slice[Label]:
        """Labels (belongs) or rejections (not belongs) of a persona, by face key. Ids of NOBODY are valid."""

    def labels_of_images(self, image_ids: Collection[str]) -> dict[FaceKey, tuple[Label, ...]]:
        """Labels and rejections of the faces of these pictures."""

    def all_labels(self) -> Iterator[Label]:
        """Every label and rejection, in no promised order."""

    def label_counts(self, persona_ids: Collection[str]) -> dict[str, tuple[int, int]]:
        """(labelled, rejected) a persona; personas without either are (0, 0)."""

    def first_labelled(self, persona_ids: Collection[str]) -> dict[str, FaceKey]:
        """A labelled face of each persona that has one: the lowest key."""

    def deleted_images(self, *, cursor: str | None = None, limit: int = 100) -> Slice[DeletedImage]:
        """Marks of deleted pictures, by image_id; those that are being erased too."""

    def erased_images(self, *, cursor: str | None = None, limit: int = 100) -> Slice[ErasedImage]:
        """What is left of erased pictures, by image_id."""

    def erased_among(self, image_ids: Collection[str]) -> dict[str, ErasedImage]:
        """The pictures among these that were erased, or are being erased."""

    def put_truths(self, truths: Sequence[Truth]) -> None:
        """Upsert ground truth by face."""

    def truths(self) -> Iterator[Truth]:
        """All ground truth, in no promised order."""


class ModelStore(Protocol):
    """Versions, the champion pointer, and predictions in ranked pages."""

    def add_model_version(self, version: ModelVersion) -> ModelVersion:
        """Store under the next free number (the one in `version` is ignored); returns it as stored."""

    def update_model_version(self, version: ModelVersion, *, expected: VersionStatus | None = None) -> None:
        """Replace by number: status, scored_through, n_scored, said_through, replaced, reasons, metrics.

        expected: the status the version must have, so that a slow writer does not undo what was done since. Raises
        NotFoundError, OutdatedError.
        """

    def model_version(self, number: int) -> ModelVersion | None: ...

    def model_versions(self, *, cursor: str | None = None, limit: int = 50) -> Slice[ModelVersion]:
        """Newest first."""

    def champion(self) -> Champion | None: ...

    def switch_champion(self, version: int, *, expected_revision: int, actor: str, at: datetime) -> Champion | None:
        """Compare-and-set: succeeds only while the pointer's revision equals `expected_revision` (0: no champion yet).

        Returns the new pointer, or None when somebody else switched first. Raises NotFoundError (no such version).
        """

    def put_ranked(self, version: int, kind: RankedKind, ranked: Mapping[str, Sequence[RankedFace]]) -> None:
        """Write a version's ranked faces; replaces the pages of the personas given, of this kind.

        Faces are kept in the order of `rank_of`, ties by key, whatever the order given. `RankedFaces` are written
        without a Python object a face.
        """

    def ranked(
        self, version: int, persona_id: str, kind: RankedKind, *, after: RankedFace | None = None, limit: int = 100
    ) -> tuple[RankedFace, ...]:
        """From the pages: ascending by `rank_of`, ties by key ascending; strictly after `after`."""

    def ranked_of_each(
        self, version: int, persona_ids: Collection[str], kind: RankedKind, *, limit: int
    ) -> dict[str, tuple[RankedFace, ...]]:
        """The first of `ranked` of many personas at once; personas without any are left out."""

    def ranked_counts(self, version: int) -> dict[str, int]:
        """Faces in `predicted` pages and fresh rows together, a persona."""

    def drop_ranked(self, version: int) -> None:
        """Forget the pages and fresh rows of a version."""

    def add_fresh(self, version: int, rows: Mapping[str, Sequence[RankedFace]], *, scored_through: int) -> None:
        """Upsert predictions of faces ingested since the version was published, a persona, then raise the mark.

        `fresh_through(version)` afterwards is at least `scored_through`. Called with no rows, it marks a version whose
        pages are written as published.
        """

    def fresh(
        self, version: int, persona_id: str, *, after: RankedFace | None = None, limit: int = 100
    ) -> tuple[RankedFace, ...]:
        """As `ranked` of kind PREDICTED, from the fresh rows."""

    def fresh_through(self, version: int) -> int:
        """Every ingest event up to this one is in the pages or the fresh rows of the version; 0: not published."""


class WorkStore(Protocol):
    """Jobs and their shares, cursors, leases and the audit log."""

    def put_job(self, job: Job) -> None:
        """Upsert by id. `job.wish` is not written: it belongs to `set_wish`."""

    def set_wish(self, job_id: str, wish: JobWish) -> None:
        """What a person asks of a job that exists; nothing else of it changes."""

    def job(self, job_id: str) -> Job | None: ...

    def jobs(self, *, cursor: str | None = None, limit: int = 50, created_before: datetime | None = None) -> Slice[Job]:
        """Newest first; those created before a moment alone, without reading what is newer."""

    def unfinished_jobs(self) -> tuple[Job, ...]:
        """Jobs that are neither done nor failed, oldest first: those a sweep looks after."""

    def put_shares(self, shares: Sequence[Share]) -> None:
        """Upsert by (job_id, number). A job's shares are written before the job that counts on them."""

    def share(self, job_id: str, number: int) -> Share | None: ...

    def shares(self, job_id: str) -> tuple[Share, ...]:
        """All shares of a job, by number."""

    def drop_shares(self, job_id: str) -> None:
        """Forget all shares of a job, at once; the job stays."""

    def cursor(self, name: str) -> int:
        """How far a follower of a stream has come; 0 at first."""

    def advance_cursor(self, name: str, seq: int) -> None:
        """Never moves back."""

    def acquire_lease(self, name: str, *, owner: str, seconds: float, now: datetime) -> bool:
        """Take or renew a lease; False while another owner's has not run out."""

    def renew_lease(self, name: str, *, owner: str, seconds: float, now: datetime) -> bool:
        """Renew a lease that nobody took or let go since this owner had it, even if it ran out; False otherwise."""

    def release_lease(self, name: str, *, owner: str) -> None: ...

    def lease_until(self, name: str) -> datetime | None:
        """When the lease runs out, or ran out with nobody taking it since; None when nobody has it. Changes nothing."""

    def add_audit(self, entry: AuditEntry) -> None: ...

    def audits(self, *, cursor: str | None = None, limit: int = 50) -> Slice[AuditEntry]:
        """Newest first."""


@runtime_checkable
class Store(PictureStore, LabelStore, ModelStore, WorkStore, Protocol):
    """The whole port. Lists raise NotFoundError for a cursor that no page gave."""

    def layout(self) -> StoreLayout: ...

    def close(self) -> None:
        """Let go of connections; the store may be used again afterwards."""
