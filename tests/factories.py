"""Small makers of entities for tests: every value has a default, and the same arguments give the same entity."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from personas.entities import (
    LABELS,
    Box,
    Event,
    ExtractedImage,
    Face,
    FaceKey,
    FloatArray,
    Image,
    ImagePath,
    ImageStatus,
    Job,
    JobStatus,
    ModelVersion,
    NewEvent,
    NewFace,
    Persona,
    RankedFace,
    Verdict,
    VersionStatus,
)
from personas.projection import FACES_LABELLED, IMAGES_DELETED, IMAGES_ERASING, PERSONA_ADDED, labelled_payload
from personas.store.base import SavedBatch, Store

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
DETECTOR = "yunet test"
EMBEDDER = "sface test"
WIDTH, HEIGHT = 640, 480


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def image_id(name: str | int) -> str:
    return hashlib.sha256(str(name).encode()).hexdigest()


def key(name: str | int, face_no: int = 0) -> FaceKey:
    return FaceKey(image_id(name), face_no)


def embedding(seed: str | int) -> FloatArray:
    """float32 (128,), L2-normalised, the same for the same seed."""
    digest = hashlib.sha256(f"embedding {seed}".encode()).digest()
    vector = np.random.default_rng(int.from_bytes(digest[:8], "big")).standard_normal(128).astype(np.float32)
    return vector / np.linalg.norm(vector)


def box(place: int = 0, size: float = 60.0) -> Box:
    """Boxes of different places do not overlap."""
    return Box(10.0 + 80.0 * (place % 7), 10.0 + 80.0 * (place // 7), size, size)


def landmarks(of: Box) -> tuple[tuple[float, float], ...]:
    places = ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8))
    return tuple((of.x + of.width * x, of.y + of.height * y) for x, y in places)


def new_face(seed: str | int = 0, *, place: int = 0, at_box: Box | None = None) -> NewFace:
    where = at_box or box(place)
    return NewFace(box=where, landmarks=landmarks(where), score=0.9, quality=0.8, embedding=embedding(seed))


def face(name: str | int = 0, face_no: int = 0, *, at_box: Box | None = None, embedder: str = EMBEDDER) -> Face:
    """A face as the store returns it."""
    where = at_box or box(face_no)
    return Face(
        image_id=image_id(name),
        face_no=face_no,
        box=where,
        landmarks=landmarks(where),
        score=0.9,
        quality=0.8,
        detector=DETECTOR,
        embedder=embedder,
    )


def image_path(name: str | int, *, source: str = "/photos", path: str | None = None) -> ImagePath:
    return ImagePath(source=source, path=path or f"{name}.jpg", image_id=image_id(name), size=1000, mtime_ns=10**18 + 1)


def extracted(
    name: str | int = 0,
    *,
    faces: int | Sequence[NewFace] = 1,
    paths: Sequence[ImagePath] | None = None,
    detector: str = DETECTOR,
    embedder: str = EMBEDDER,
) -> ExtractedImage:
    """A picture on its way into the store; `faces` is their number, or the faces themselves."""
    found = [new_face(f"{name}/{n}", place=n) for n in range(faces)] if isinstance(faces, int) else list(faces)
    return ExtractedImage(
        image=Image(
            image_id=image_id(name),
            width=WIDTH,
            height=HEIGHT,
            format="JPEG",
            n_bytes=1000,
            status=ImageStatus.FACES if found else ImageStatus.NO_FACE,
            n_faces=len(found),
            detector=detector,
            ingested_at=NOW,
        ),
        embedder=embedder,
        faces=tuple(found),
        paths=(image_path(name),) if paths is None else tuple(paths),
    )


def command_id(name: str | int | None = None) -> str:
    return str(uuid.uuid4() if name is None else uuid.uuid5(uuid.NAMESPACE_URL, str(name)))


def announce_erasure(store: Store, *image_ids: str, command: str) -> None:
    """What is recorded before pictures are removed: that they are deleted, and that they go for good."""
    ids = {"images": sorted(image_ids)}
    deletion = str(uuid.uuid5(uuid.UUID(command), "deletion"))
    store.record(
        LABELS,
        [
            NewEvent(kind=IMAGES_DELETED, actor="tester", at=NOW, command_id=deletion, payload=ids),
            NewEvent(kind=IMAGES_ERASING, actor="tester", at=NOW, command_id=command, payload=ids, index=1),
        ],
    )


def save(store: Store, *batch: ExtractedImage, command: str | None = None) -> SavedBatch:
    return store.save_extracted(batch, actor="tester", at=NOW, command_id=command or command_id())


def save_pictures(store: Store, count: int, *, faces: int = 1, prefix: str = "picture") -> list[FaceKey]:
    """`count` pictures with `faces` faces each; returns the keys of the faces in key order."""
    save(store, *[extracted(f"{prefix}-{n}", faces=faces) for n in range(count)])
    return sorted(key(f"{prefix}-{n}", face_no) for n in range(count) for face_no in range(faces))


def persona_added(persona_id: str, name: str | None = None, *, command: str | None = None, index: int = 0) -> NewEvent:
    return NewEvent(
        kind=PERSONA_ADDED,
        actor="tester",
        at=NOW,
        command_id=command or command_id(),
        index=index,
        payload={"persona_id": persona_id, "name": name or persona_id.title()},
    )


def labelled(
    persona_id: str,
    faces: Sequence[FaceKey],
    verdict: Verdict = Verdict.BELONGS,
    *,
    command: str | None = None,
    index: int = 0,
    actor: str = "tester",
    when: datetime = NOW,
) -> NewEvent:
    return NewEvent(
        kind=FACES_LABELLED,
        actor=actor,
        at=when,
        command_id=command or command_id(),
        index=index,
        payload=labelled_payload(persona_id, faces, verdict),
    )


def add_personas(store: Store, *names: str) -> tuple[Event, ...]:
    """Personas whose ids are their names in lower case."""
    return store.record(LABELS, [persona_added(name.lower(), name) for name in names])


def label(store: Store, persona_id: str, *faces: FaceKey, verdict: Verdict = Verdict.BELONGS) -> tuple[Event, ...]:
    return store.record(LABELS, [labelled(persona_id, faces, verdict)])


def persona(persona_id: str, name: str | None = None) -> Persona:
    return Persona(persona_id=persona_id, name=name or persona_id.title(), created_at=NOW)


def model_version(**changes: object) -> ModelVersion:
    values: dict[str, object] = {
        "version": 0,
        "status": VersionStatus.READY,
        "created_at": NOW,
        "label_seq": 0,
        "scored_through": 0,
        "embedder": EMBEDDER,
        "data_hash": "d" * 64,
        "artefact": "a" * 64,
        "metrics": {"macro_f1": 0.5},
    }
    return ModelVersion(**{**values, **changes})  # type: ignore[arg-type]


def ranked(name: str | int, probability: float, face_no: int = 0) -> RankedFace:
    return RankedFace(key(name, face_no), probability)


def job(job_id: str | int = "job", **changes: object) -> Job:
    values: dict[str, object] = {
        "job_id": str(job_id),
        "kind": "ingest",
        "status": JobStatus.QUEUED,
        "created_at": NOW,
        "updated_at": NOW,
        "actor": "tester",
    }
    return Job(**{**values, **changes})  # type: ignore[arg-type]
