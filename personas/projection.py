"""What an event of the labels stream does to personas and labels, as values both stores apply.

Pure: `project(event)` yields changes in order. Applying the same event twice gives the same state, so a projection that
a kill cut short is completed by doing it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never

from personas.entities import Event, FaceKey, Label, Persona, Verdict

PERSONA_ADDED = "persona_added"
PERSONA_RENAMED = "persona_renamed"
COVER_CHOSEN = "cover_chosen"
PERSONA_HIDDEN = "persona_hidden"
PERSONA_MERGED = "persona_merged"
PERSONA_DELETED = "persona_deleted"
FACES_LABELLED = "faces_labelled"
#: A person drew a face that the detector missed; it was stored before, and this tells who did it.
FACE_DRAWN = "face_drawn"
IMAGES_DELETED = "images_deleted"
IMAGES_RESTORED = "images_restored"
#: Pictures are about to be erased: from here on nothing brings them back, and nobody takes the same bytes in again.
IMAGES_ERASING = "images_erasing"
#: Closes a command that erased pictures: their rows and files are gone, and now their labels and marks.
IMAGES_ERASED = "images_erased"
#: The bytes of erased pictures may be taken in again.
IMAGES_ALLOWED = "images_allowed"
#: Closes a command that took another one back; changes nothing by itself.
COMMAND_UNDONE = "command_undone"
#: Closes a command that a kill had cut short, and what was done of it was taken back; changes nothing by itself.
COMMAND_CUT_SHORT = "command_cut_short"

#: What was said of faces: by face, the personas it was said to belong to (True) or not (False). Faces of which nothing
#: was said may be left out.
Said = Mapping[FaceKey, Mapping[str, bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PutPersona:
    """Insert the persona if its id is new; one that was gone is there again."""

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
class HidePersona:
    persona_id: str
    hidden: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovePersona:
    """The row of the persona goes; its labels are moved or taken back by events of their own.

    heir: whom it was merged into, who gets what is recorded of it from now on; "": it was deleted, and nobody does.
    """

    persona_id: str
    heir: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteImages:
    """The pictures are shown no more (deleted), or again; those that are, or are to be, erased stay as they are."""

    image_ids: tuple[str, ...]
    deleted: bool
    at: datetime
    command_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EraseImages:
    """Those of these pictures that are deleted, and that no other command erases, may not be stored (again)."""

    image_ids: tuple[str, ...]
    at: datetime
    command_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetImages:
    """What was said of the faces of these pictures goes, and the marks that they were deleted."""

    image_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowImages:
    """The pictures may be stored again, as new ones."""

    image_ids: tuple[str, ...]


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


Change = (
    PutPersona
    | RenamePersona
    | ChooseCover
    | HidePersona
    | RemovePersona
    | DeleteImages
    | EraseImages
    | ForgetImages
    | AllowImages
    | SetVerdict
)


def labelled_payload(
    persona_id: str, faces: Sequence[FaceKey], verdict: Verdict, before: Said | None = None
) -> dict[str, object]:
    """Payload of a FACES_LABELLED event.

    before: what was said of the faces until then, so that the event can be taken back; kept as the places of the faces
    of which the same was said. None: not known, and the event cannot be taken back.
    """
    payload: dict[str, object] = {
        "persona_id": persona_id,
        "verdict": verdict.value,
        "faces": [[key.image_id, key.face_no] for key in faces],
    }
    if before is not None:
        places: dict[tuple[tuple[str, bool], ...], list[int]] = {}
        for place, key in enumerate(faces):
            if said := before.get(key):
                places.setdefault(tuple(sorted(said.items())), []).append(place)
        payload["before"] = [[dict(said), where] for said, where in places.items()]
    return payload


def labelled_faces(payload: Mapping[str, Any]) -> tuple[FaceKey, ...]:
    """The faces a FACES_LABELLED event speaks of."""
    return tuple(FaceKey(image_id, face_no) for image_id, face_no in payload["faces"])


def said_before(payload: Mapping[str, Any]) -> dict[FaceKey, dict[str, bool]] | None:
    """What was said of every face of a FACES_LABELLED event before it; None when it does not tell."""
    if "before" not in payload:
        return None
    faces = labelled_faces(payload)
    before: dict[FaceKey, dict[str, bool]] = {key: {} for key in faces}
    for said, places in payload["before"]:
        for place in places:
            before[faces[place]] = dict(said)
    return before


def as_said(labels: Mapping[FaceKey, Sequence[Label]]) -> dict[FaceKey, dict[str, bool]]:
    """Labels as the events tell them."""
    return {key: {label.persona_id: label.belongs for label in said} for key, said in labels.items()}


def said_after(before: Mapping[str, bool], persona_id: str, verdict: Verdict) -> dict[str, bool]:
    """What is said of a face once a verdict is added to what was said before it."""
    after = dict(before)
    if verdict is Verdict.BELONGS:
        after = {other: belongs for other, belongs in before.items() if not belongs}
    belongs = label_written(verdict)
    if belongs is None:
        after.pop(persona_id, None)
    else:
        after[persona_id] = belongs
    return after


def persona_payload(persona: Persona) -> dict[str, object]:
    """A whole persona in the payload of an event, so that it can be added again as it was."""
    return {
        "persona_id": persona.persona_id,
        "name": persona.name,
        "created_at": persona.created_at.isoformat(),
        "cover": list(persona.cover) if persona.cover else None,
        "hidden": persona.hidden,
    }


def persona_of(payload: Mapping[str, Any], *, at: datetime) -> Persona:
    """Inverse of `persona_payload`; what a PERSONA_ADDED event leaves out is as for a persona that is new at `at`."""
    created_at, cover = payload.get("created_at"), payload.get("cover")
    return Persona(
        persona_id=payload["persona_id"],
        name=payload["name"],
        created_at=datetime.fromisoformat(created_at) if created_at else at,
        cover=FaceKey(*cover) if cover else None,
        hidden=bool(payload.get("hidden")),
    )


def project(event: Event) -> Iterator[Change]:
    """Changes an event of the labels stream makes; events of unknown kinds make none (a newer version wrote them)."""
    payload = event.payload
    match event.kind:
        case "persona_added":
            yield PutPersona(persona=persona_of(payload, at=event.at))
        case "persona_renamed":
            yield RenamePersona(persona_id=payload["persona_id"], name=payload["name"])
        case "cover_chosen":
            cover = payload["cover"]
            yield ChooseCover(persona_id=payload["persona_id"], cover=FaceKey(*cover) if cover else None)
        case "persona_hidden":
            yield HidePersona(persona_id=payload["persona_id"], hidden=payload["hidden"])
        case "persona_merged" | "persona_deleted":
            yield RemovePersona(persona_id=payload["persona"]["persona_id"], heir=payload.get("into", ""))
        case "images_deleted" | "images_restored":
            yield DeleteImages(
                image_ids=tuple(payload["images"]),
                deleted=event.kind == IMAGES_DELETED,
                at=event.at,
                command_id=event.command_id,
            )
        case "images_erasing":
            yield EraseImages(image_ids=tuple(payload["images"]), at=event.at, command_id=event.command_id)
        case "images_erased":
            yield ForgetImages(image_ids=tuple(payload["images"]))
        case "images_allowed":
            yield AllowImages(image_ids=tuple(payload["images"]))
        case "faces_labelled":
            yield SetVerdict(
                persona_id=payload["persona_id"],
                faces=labelled_faces(payload),
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
