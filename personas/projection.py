"""What an event of the labels stream does to personas and labels, as values both stores apply.

Pure: `project(event)` yields changes in order. Applying the same event twice gives the same state, so a projection that
a kill cut short is completed by doing it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from personas.entities import Event, FaceKey, Persona, Verdict

PERSONA_ADDED = "persona_added"
PERSONA_RENAMED = "persona_renamed"
COVER_CHOSEN = "cover_chosen"
FACES_LABELLED = "faces_labelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class PutPersona:
    """Insert the persona if its id is new."""

    persona: Persona


@dataclass(frozen=True, slots=True, kw_only=True)
class RenamePersona:
    persona_id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChooseCover:
    persona_id: str
    cover: FaceKey | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetVerdict:
    """BELONGS: the faces leave whatever persona they were labelled with, and are labelled with this one.
    REJECTED: they stop being labelled with this persona, and are remembered as not theirs.
    CLEARED: whatever was said of these faces and this persona is taken back."""

    persona_id: str
    faces: tuple[FaceKey, ...]
    verdict: Verdict
    actor: str
    at: datetime
    seq: int


Change = PutPersona | RenamePersona | ChooseCover | SetVerdict


def labelled_payload(persona_id: str, faces: Sequence[FaceKey], verdict: Verdict) -> dict[str, object]:
    """Payload of a FACES_LABELLED event."""
    return {"persona_id": persona_id, "verdict": verdict.value, "faces": [[k.image_id, k.face_no] for k in faces]}


def project(event: Event) -> Iterator[Change]:
    """Changes an event of the labels stream makes; events of unknown kinds make none (a newer version wrote them)."""
    payload = event.payload
    match event.kind:
        case "persona_added":
            persona = Persona(persona_id=payload["persona_id"], name=payload["name"], created_at=event.at)
            yield PutPersona(persona=persona)
        case "persona_renamed":
            yield RenamePersona(persona_id=payload["persona_id"], name=payload["name"])
        case "cover_chosen":
            cover = payload["cover"]
            yield ChooseCover(persona_id=payload["persona_id"], cover=FaceKey(*cover) if cover else None)
        case "faces_labelled":
            yield SetVerdict(
                persona_id=payload["persona_id"],
                faces=tuple(FaceKey(image_id, face_no) for image_id, face_no in payload["faces"]),
                verdict=Verdict(payload["verdict"]),
                actor=event.actor,
                at=event.at,
                seq=event.seq,
            )


def label_written(verdict: Verdict) -> bool | None:
    """The `belongs` that a verdict leaves on its (face, persona) row; None: no row."""
    match verdict:
        case Verdict.BELONGS:
            return True
        case Verdict.REJECTED:
            return False
        case Verdict.CLEARED:
            return None
    assert_never(verdict)
