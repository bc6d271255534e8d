"""Adding, renaming and dressing personas."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from personas.entities import LABELS, FaceKey, NewEvent, Persona, Verdict
from personas.errors import FaceProjectError, NotFoundError
from personas.names import normal
from personas.projection import COVER_CHOSEN, PERSONA_ADDED, PERSONA_HIDDEN, PERSONA_RENAMED
from personas.services.labelling import labelling_events, require_faces, said_of
from personas.store.base import Store

MAX_NAME_LENGTH = 200
#: Namespace of the ids of personas that a sidecar or a file names: the same name gives the same id in every run.
NAMED_PERSONAS = uuid.UUID("6f2f5c1e-9d6c-5b0a-8a54-3c5b8f6a7d10")


class UnableToNameError(FaceProjectError):
    """A name no persona can have."""


def clean_name(name: str) -> str:
    """The name as it is stored: see `personas.names`. Raises UnableToNameError."""
    cleaned = normal(name)
    if not cleaned:
        raise UnableToNameError("A persona needs a name; type at least one letter.")
    if len(cleaned) > MAX_NAME_LENGTH:
        raise UnableToNameError(f"A name may have {MAX_NAME_LENGTH} characters; this one has {len(cleaned)}.")
    if not cleaned.isprintable():
        raise UnableToNameError("A name may not hold control characters.")
    return cleaned


def add_persona(
    *,
    store: Store,
    name: str,
    actor: str,
    at: datetime,
    command_id: str,
    faces: Sequence[FaceKey] = (),
    persona_id: str | None = None,
) -> Persona:
    """Add a persona and, in the same command, label faces as them. Repeating a command id changes nothing."""
    cleaned = clean_name(name)
    unique = tuple(dict.fromkeys(faces))
    require_faces(store, unique)
    persona_id = persona_id or persona_id_of_command(command_id)
    added = NewEvent(
        kind=PERSONA_ADDED,
        actor=actor,
        at=at,
        command_id=command_id,
        payload={"persona_id": persona_id, "name": cleaned},
    )
    labelled = labelling_events(
        persona_id,
        unique,
        Verdict.BELONGS,
        before=said_of(store, unique),
        actor=actor,
        at=at,
        command_id=command_id,
        first_index=1,
    )
    store.record(LABELS, [added, *labelled])
    return Persona(persona_id=persona_id, name=cleaned, created_at=at)


def persona_id_of_command(command_id: str) -> str:
    """The id of the persona that a command adds."""
    return str(uuid.uuid5(uuid.UUID(command_id), "persona"))


def persona_id_of_name(name: str) -> str:
    """The id that a name in a sidecar or a file stands for when no persona has that name yet."""
    return str(uuid.uuid5(NAMED_PERSONAS, clean_name(name)))


def rename_persona(*, store: Store, persona_id: str, name: str, actor: str, at: datetime, command_id: str) -> None:
    """Two personas may share a name. Raises NotFoundError, UnableToNameError."""
    before = require_persona(store, persona_id).name
    payload = {"persona_id": persona_id, "name": clean_name(name), "before": before}
    store.record(LABELS, [NewEvent(kind=PERSONA_RENAMED, actor=actor, at=at, command_id=command_id, payload=payload)])


def choose_cover(
    *, store: Store, persona_id: str, cover: FaceKey | None, actor: str, at: datetime, command_id: str
) -> None:
    """Show this face for the persona; None lets the product pick one again."""
    before = require_persona(store, persona_id).cover
    if cover is not None:
        require_faces(store, [cover])
    payload = {
        "persona_id": persona_id,
        "cover": list(cover) if cover else None,
        "before": list(before) if before else None,
    }
    store.record(LABELS, [NewEvent(kind=COVER_CHOSEN, actor=actor, at=at, command_id=command_id, payload=payload)])


def hide_persona(*, store: Store, persona_id: str, hidden: bool, actor: str, at: datetime, command_id: str) -> None:
    """Leave a persona out of the grid, or show it again; everything else of it stays as it is."""
    before = require_persona(store, persona_id).hidden
    payload = {"persona_id": persona_id, "hidden": hidden, "before": before}
    store.record(LABELS, [NewEvent(kind=PERSONA_HIDDEN, actor=actor, at=at, command_id=command_id, payload=payload)])


def require_persona(store: Store, persona_id: str) -> Persona:
    """Raises NotFoundError."""
    persona = store.personas_by_id([persona_id]).get(persona_id)
    if persona is None:
        raise NotFoundError(f"There is no persona {persona_id}; it may have been deleted. Reload the page.")
    return persona
