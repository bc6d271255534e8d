"""The nouns of the product as JSON: what routes answer with. The words are the scorer's where both say the same."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from personas import entities
from personas.entities import ImageStatus, JobStatus, JobWish, Verdict, VersionStatus
from personas.selectors import erasing
from personas.selectors.faces import FaceStatus, FaceView, ImageView, status_of
from personas.selectors.gallery import LabelledFace, PredictedFace, persona_name
from personas.selectors.jobs import JobView

#: Digits of probabilities and qualities: more say nothing.
DIGITS = 6
Personas = Mapping[str, entities.Persona]


class Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class Person(Answer):
    """Whom a label or a prediction means. `stranger`, `ignored`, `not_a_face` and `deleted` are ids too."""

    id: str
    name: str

    @classmethod
    def of(cls, persona_id: str, personas: Personas) -> Person:
        return cls(id=persona_id, name=persona_name(dict(personas), persona_id))


class Persona(Answer):
    """An identity that users name."""

    id: str
    name: str
    created_at: datetime
    cover: str | None = Field(description="The face shown for the persona.")
    hidden: bool
    n_labelled: int
    n_predicted: int
    n_rejected: int

    @classmethod
    def of(cls, summary: entities.PersonaSummary) -> Persona:
        persona = summary.persona
        return cls(
            id=persona.persona_id,
            name=persona.name,
            created_at=persona.created_at,
            cover=str(summary.cover) if summary.cover else None,
            hidden=persona.hidden,
            n_labelled=summary.n_labelled,
            n_predicted=summary.n_predicted,
            n_rejected=summary.n_rejected,
        )


class PersonaChanged(Answer):
    """A persona after a command, which `command_id` names."""

    command_id: str
    persona: Persona


class PersonaDeleted(Answer):
    command_id: str
    n_faces: int = Field(description="Faces that were labelled as the persona, and are unlabelled again.")


class ImageDeleted(Answer):
    command_id: str


class ImageErased(Answer):
    command_id: str


class DeletedImage(Answer):
    """A deleted picture that can still be restored."""

    image_id: str
    n_faces: int
    deleted_at: datetime
    erased_from: datetime = Field(description="From then on it is erased for good, and cannot be restored.")
    command_id: str = Field(description="`POST /commands/{command_id}/undo` restores it; empty: not known.")

    @classmethod
    def of(cls, picture: erasing.DeletedPicture) -> DeletedImage:
        return cls(
            image_id=picture.image.image_id,
            n_faces=picture.image.n_faces,
            deleted_at=picture.deleted.deleted_at,
            erased_from=picture.erased_from,
            command_id=picture.deleted.command_id,
        )


class Face(Answer):
    """A face in a picture, with what found it."""

    face: str = Field(description="`image_id:face_no`, by which labels name it.")
    image_id: str
    face_no: int
    box: tuple[float, float, float, float] = Field(description="x, y, width, height; pixels of the upright picture.")
    score: float = Field(description="How sure the detector is, 0 to 1.")
    quality: float = Field(description="How much the crop can be trusted, 0 to 1.")
    detector: str
    embedder: str

    @classmethod
    def of(cls, face: entities.Face) -> Face:
        return cls(**_face_fields(face))


def _face_fields(face: entities.Face) -> dict[str, Any]:
    x, y, width, height = (round(side, 2) for side in face.box)
    return {
        "face": str(face.key),
        "image_id": face.image_id,
        "face_no": face.face_no,
        "box": (x, y, width, height),
        "score": round(face.score, DIGITS),
        "quality": round(face.quality, DIGITS),
        "detector": face.detector,
        "embedder": face.embedder,
    }


class Candidate(Answer):
    persona: Person
    probability: float


class Prediction(Answer):
    """What the version in use says of a face."""

    face: str
    persona: Person | None = Field(description="null: nobody it knows.")
    probability: float | None
    version: int
    candidates: list[Candidate] = Field(description="The most probable first, whether or not one is named.")

    @classmethod
    def of(cls, prediction: entities.Prediction, personas: Personas) -> Prediction:
        named = prediction.persona_id
        return cls(
            face=str(prediction.key),
            persona=Person.of(named, personas) if named else None,
            probability=None if prediction.probability is None else round(prediction.probability, DIGITS),
            version=prediction.version,
            candidates=[
                Candidate(persona=Person.of(persona_id, personas), probability=round(probability, DIGITS))
                for persona_id, probability in prediction.candidates
            ],
        )


class Said(Answer):
    """What a human said of a face."""

    persona: Person
    actor: str
    at: datetime
    seq: int = Field(description="Of the event that said it, in the stream `labels`.")

    @classmethod
    def of(cls, label: entities.Label, personas: Personas) -> Said:
        return cls(persona=Person.of(label.persona_id, personas), actor=label.actor, at=label.at, seq=label.seq)


class FaceSaid(Face):
    """A face with what humans say of it, and (only where none named it) what the version in use says."""

    status: FaceStatus
    label: Said | None
    rejections: list[Said] = Field(description="Whom humans said it is not.")
    prediction: Prediction | None

    @classmethod
    def view(cls, view: FaceView, personas: Personas) -> FaceSaid:
        return cls(
            **_face_fields(view.face),
            status=status_of(view),
            label=Said.of(view.label, personas) if view.label else None,
            rejections=[Said.of(label, personas) for label in view.rejections],
            prediction=Prediction.of(view.prediction, personas) if view.prediction else None,
        )


class Image(Answer):
    """A source picture, stored once however many paths it is known under."""

    image_id: str = Field(description="SHA-256 of the picture's bytes.")
    width: int
    height: int
    format: str
    n_bytes: int
    status: ImageStatus
    n_faces: int
    detector: str
    ingested_at: datetime

    @classmethod
    def of(cls, image: entities.Image) -> Image:
        return cls(**_image_fields(image))


def _image_fields(image: entities.Image) -> dict[str, Any]:
    return {name: getattr(image, name) for name in Image.model_fields}


class ImagePath(Answer):
    """Where a picture's bytes were found."""

    source: str
    path: str


class ImageFaces(Image):
    """A picture with its faces and the paths it is known under."""

    paths: list[ImagePath]
    faces: list[FaceSaid]

    @classmethod
    def view(cls, view: ImageView) -> ImageFaces:
        return cls(
            **_image_fields(view.image),
            paths=[ImagePath(source=path.source, path=path.path) for path in view.paths],
            faces=[FaceSaid.view(face, view.personas) for face in view.faces],
        )


class RankedFace(Face):
    """A face that a version names as a persona."""

    probability: float
    version: int

    @classmethod
    def predicted(cls, predicted: PredictedFace) -> RankedFace:
        return cls(
            **_face_fields(predicted.face),
            probability=round(predicted.probability, DIGITS),
            version=predicted.version,
        )


class Label(Face):
    """A face that a human said is (`belongs`) or is not (`rejected`) a persona."""

    verdict: Literal[Verdict.BELONGS, Verdict.REJECTED]
    actor: str
    at: datetime
    seq: int

    @classmethod
    def labelled(cls, labelled: LabelledFace) -> Label:
        label = labelled.label
        return cls(
            **_face_fields(labelled.face),
            verdict=Verdict.BELONGS if label.belongs else Verdict.REJECTED,
            actor=label.actor,
            at=label.at,
            seq=label.seq,
        )


class Labelled(Answer):
    """What a labelling command did."""

    command_id: str = Field(description="Names the command, and all that it changed.")
    n_faces: int
    events: list[int] = Field(description="Sequence numbers of its events in the stream `labels`.")


class Event(Answer):
    """A fact in the log."""

    stream: str
    seq: int = Field(description="Counts from 1 without gaps within its stream.")
    event_id: str
    command_id: str
    kind: str
    actor: str
    at: datetime
    payload: dict[str, Any]

    @classmethod
    def of(cls, event: entities.Event) -> Event:
        fields = {name: getattr(event, name) for name in cls.model_fields if name != "payload"}
        return cls(**fields, payload=dict(event.payload))


class Job(Answer):
    """A piece of background work."""

    job_id: str
    kind: str
    status: JobStatus
    wish: JobWish = Field(description="What a person asked of it and its workers have not done yet.")
    actor: str
    created_at: datetime
    updated_at: datetime
    done: int
    total: int
    per_second: float | None
    seconds_left: float | None
    message: str
    detail: dict[str, Any]
    actions: list[str] = Field(description="What you may ask of it now: pause, resume, retry.")

    @classmethod
    def of(cls, view: JobView) -> Job:
        return cls.model_validate(view.as_json())


class Model(Answer):
    """A version of the classifier."""

    version: int
    champion: bool = Field(description="Whether it is the one in use.")
    status: VersionStatus
    deployment: str = Field(description="Where it is deployed, in words; empty where it never was.")
    created_at: datetime
    n_labels: int
    n_personas: int
    n_scored: int
    label_seq: int = Field(description="Every label event up to this one was seen.")
    scored_through: int = Field(description="Every ingest event up to this one was scored.")
    embedder: str
    data_hash: str
    artefact: str
    fit_seconds: float
    reasons: list[str] = Field(description="What the gate said.")
    metrics: dict[str, Any]


class Champion(Answer):
    """Which version is in use."""

    version: int
    revision: int = Field(description="Counts the switches.")
    at: datetime
    actor: str

    @classmethod
    def of(cls, champion: entities.Champion) -> Champion:
        return cls(version=champion.version, revision=champion.revision, at=champion.at, actor=champion.actor)
