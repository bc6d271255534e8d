"""Adding, renaming and dressing personas."""

from __future__ import annotations

import enum
import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime

from personas.entities import FaceKey, Persona, Verdict
from personas.errors import FaceProjectError, NotFoundError
from personas.names import normal
from personas.projection import COVER_CHOSEN, PERSONA_ADDED, PERSONA_HIDDEN, PERSONA_RENAMED, persona_payload
from personas.services.commands import Fact, record_once
from personas.services.labelling import labelling_facts, require_faces, require_shown, said_of
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
    """Add a persona and, in the same command, label faces as them. Repeating a command id changes nothing.

    Raises UnableToNameError, NotFoundError (a face), CommandUsedError.
    """
    cleaned = clean_name(name)
    unique = tuple(dict.fromkeys(faces))
    require_faces(store, unique)
    before = said_of(store, unique)
    require_shown(store, before)
    persona_id = persona_id or persona_id_of_command(command_id)
    added = Fact(PERSONA_ADDED, {"persona_id": persona_id, "name": cleaned})
    labelled = labelling_facts(persona_id, unique, Verdict.BELONGS, before)
    record_once(store=store, command_id=command_id, actor=actor, at=at, facts=[added, *labelled])
    return Persona(persona_id=persona_id, name=cleaned, created_at=at)


def persona_id_of_command(command_id: str) -> str:
    """The id of the persona that a command adds."""
    return str(uuid.uuid5(uuid.UUID(command_id), "persona"))


def persona_id_of_name(name: str) -> str:
    """The id that a name in a sidecar or a file stands for when no persona has that name yet."""
    return str(uuid.uuid5(NAMED_PERSONAS, clean_name(name)))


class Keep(enum.Enum):
    """Stands for what a change leaves as it is."""

    AS_IS = enum.auto()


def change_persona(
    *,
    store: Store,
    persona_id: str,
    actor: str,
    at: datetime,
    command_id: str,
    name: str | Keep = Keep.AS_IS,
    cover: FaceKey | Keep | None = Keep.AS_IS,
    hidden: bool | Keep = Keep.AS_IS,
) -> None:
    """Rename, dress and hide a persona in one command, as `rename_persona`, `choose_cover` and `hide_persona` do.

    Raises NotFoundError, UnableToNameError, CommandUsedError.
    """
    persona = require_persona(store, persona_id)
    facts = list(_changes(store, persona, name=name, cover=cover, hidden=hidden))
    record_once(store=store, command_id=command_id, actor=actor, at=at, facts=facts)


def _changes(
    store: Store, persona: Persona, *, name: str | Keep, cover: FaceKey | Keep | None, hidden: bool | Keep
) -> Iterator[Fact]:
    stands = persona_payload(persona)
    about = {"persona_id": persona.persona_id}
    if name is not Keep.AS_IS:
        yield Fact(PERSONA_RENAMED, {**about, "name": clean_name(name), "before": stands["name"]})
    if cover is not Keep.AS_IS:
        if cover is not None:
            require_faces(store, [cover])
            require_shown(store, said_of(store, [cover]))
        yield Fact(COVER_CHOSEN, {**about, "cover": list(cover) if cover else None, "before": stands["cover"]})
    if hidden is not Keep.AS_IS:
        yield Fact(PERSONA_HIDDEN, {**about, "hidden": hidden, "before": stands["hidden"]})


def rename_persona(*, store: Store, persona_id: str, name: str, actor: str, at: datetime, command_id: str) -> None:
    """Two personas may share a name. Raises as `change_persona`."""
    change_persona(store=store, persona_id=persona_id, name=name, actor=actor, at=at, command_id=command_id)


def choose_cover(
    *, store: Store, persona_id: str, cover: FaceKey | None, actor: str, at: datetime, command_id: str
) -> None:
    """Show this face for the persona; None lets the product pick one again. Raises as `change_persona`."""
    change_persona(store=store, persona_id=persona_id, cover=cover, actor=actor, at=at, command_id=command_id)


def hide_persona(*, store: Store, persona_id: str, hidden: bool, actor: str, at: datetime, command_id: str) -> None:
    """Leave a persona out of the grid, or show it again; everything else of it stays as it is.

    Raises as `change_persona`.
    """
    change_persona(store=store, persona_id=persona_id, hidden=hidden, actor=actor, at=at, command_id=command_id)


def require_persona(store: Store, persona_id: str) -> Persona:
    """Raises NotFoundError."""
    persona = store.personas_by_id([persona_id]).get(persona_id)
    if persona is None:
        raise NotFoundError(f"There is no persona {persona_id}; it may have been deleted. Reload the page.")
    return persona
