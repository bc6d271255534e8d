"""What people did, newest first: one entry a command, and whether it was taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from personas.entities import LABELS, NOBODY, Event, Slice, Verdict
from personas.errors import NotFoundError
from personas.projection import (
    COMMAND_CUT_SHORT,
    FACES_LABELLED,
    IMAGES_ALLOWED,
    IMAGES_DELETED,
    IMAGES_ERASED,
    PERSONA_ADDED,
    PERSONA_DELETED,
    PERSONA_MERGED,
    PERSONA_RENAMED,
)
from personas.services.commands import event_id, events_of_command, events_of_commands
from personas.services.undo import Standing, standing_of, undo_id
from personas.store.base import Store

#: Events looked through for one page, about: those that are not the first of a command make no entry.
EVENTS_AT_ONCE = 100
LOOKED_THROUGH = 2000
#: Kinds of events that only a curator may cause, and so only a curator may take back.
CURATED = frozenset({PERSONA_MERGED, PERSONA_DELETED, IMAGES_DELETED, IMAGES_ERASED, IMAGES_ALLOWED})
#: Kinds that nobody can take back.
FINAL = frozenset({IMAGES_ERASED, IMAGES_ALLOWED, COMMAND_CUT_SHORT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One command. `kind` is that of its first event; for an undo, `undoes` tells the kind of what was taken back."""

    command_id: str
    seq: int
    kind: str
    actor: str
    at: datetime
    name: str = ""  #: of the persona it is about, as it is called now, or was when it went
    persona_id: str = ""
    other: str = ""  #: what a persona was renamed to, or whom it was merged into
    formerly: str = ""  #: what a persona that was renamed was called
    hidden: bool = False  #: of a change of visibility
    n_others: int = 0  #: personas beside the named one whose faces were labelled
    verdict: Verdict | None = None
    n_faces: int = 0
    n_images: int = 0
    n_kept: int = 0
    undoes: str = ""
    stands: bool = True  #: whether it is in force, after all undos and undos of undos
    toggle: str = ""  #: the command to take back in order to undo this one, or to do it again
    curated: bool = False

    @property
    def is_final(self) -> bool:
        return self.kind in FINAL


def history(store: Store, *, cursor: str | None = None, limit: int = 50) -> Slice[Entry]:
    """Commands of people and sidecars, newest first. The cursor is the number of the event that comes next.

    Raises NotFoundError for a cursor that no page gave.
    """
    behind_all = store.head(LABELS) + 1
    before = behind_all if cursor is None else min(_number(cursor), behind_all)
    firsts: list[Event] = []
    looked = 0
    while before > 1 and len(firsts) < limit and looked < LOOKED_THROUGH:
        start = max(before - 1 - EVENTS_AT_ONCE, 0)
        events = store.events(LABELS, after=start, limit=before - 1 - start)
        for event in reversed(events):
            before, looked = event.seq, looked + 1
            if event.event_id == event_id(event.command_id, 0):
                firsts.append(event)
                if len(firsts) == limit:
                    break
        if not events:
            before = start + 1
    return Slice(items=tuple(_entries(store, firsts)), next_cursor=str(before) if before > 1 else None)


def entry_of(store: Store, command_id: str) -> Entry:
    """One command. Raises NotFoundError, also for one that is not finished."""
    first = events_of_command(store, command_id).get(0)
    if first is None:
        raise NotFoundError("The log does not know this action, or it was cut short; look at the history.")
    return _entries(store, [first])[0]


def is_curated(store: Store, command_id: str) -> bool:
    """Whether taking a command back, directly or through undos of undos, is for curators."""
    first = events_of_command(store, command_id).get(0)
    return first is not None and _is_for_curators(first)


def _is_for_curators(first: Event) -> bool:
    return first.kind in CURATED or first.payload.get("kind") in CURATED


def _number(cursor: str) -> int:
    if not cursor.isdecimal() or len(cursor) > 18:
        raise NotFoundError("This page's address is not one the product made; go back to where the history begins.")
    return int(cursor)


def _entries(store: Store, firsts: Sequence[Event]) -> list[Entry]:
    counted = [event.command_id for event in firsts if event.kind in (FACES_LABELLED, PERSONA_ADDED)]
    whole = events_of_commands(store, counted)  # the others tell by their first event how many faces they are about
    standing = standing_of(store, [event.command_id for event in firsts])
    ids = {str(persona_id) for event in firsts for persona_id in _mentioned(event)}
    names = {key: persona.name for key, persona in store.personas_by_id(ids - NOBODY.keys()).items()} | dict(NOBODY)
    return [_entry(event, whole.get(event.command_id, {}), standing[event.command_id], names) for event in firsts]


def _mentioned(event: Event) -> list[str]:
    return [event.payload[key] for key in ("persona_id", "into") if key in event.payload]


def _entry(first: Event, whole: Mapping[int, Event], standing: Standing, names: Mapping[str, str]) -> Entry:
    payload = first.payload
    persona = payload.get("persona", {})
    persona_id = payload.get("persona_id") or persona.get("persona_id", "")
    labelled = [event for event in whole.values() if event.kind == FACES_LABELLED]
    n_faces = sum(len(event.payload["faces"]) for event in labelled)
    others = {event.payload["persona_id"] for event in labelled} - {persona_id}
    return Entry(
        command_id=first.command_id,
        seq=first.seq,
        kind=first.kind,
        actor=first.actor,
        at=first.at,
        name=names.get(persona_id) or persona.get("name") or payload.get("name", ""),
        persona_id=persona_id,
        other=_other(first, names),
        formerly=payload.get("before", "") if first.kind == PERSONA_RENAMED else "",
        hidden=bool(payload.get("hidden")),
        n_others=len(others),
        verdict=Verdict(payload["verdict"]) if first.kind == FACES_LABELLED else None,
        n_faces=payload.get("n_faces", payload.get("n_restored", n_faces)),
        n_images=len(payload.get("images", ())),
        n_kept=payload.get("n_kept", 0),
        undoes=payload.get("kind", ""),
        stands=standing.stands,
        toggle=first.command_id if standing.stands else undo_id(first.command_id, standing.n_undos),
        curated=_is_for_curators(first),
    )


def _other(first: Event, names: Mapping[str, str]) -> str:
    """Whom a persona was merged into, by name; what it was renamed to."""
    if first.kind == PERSONA_MERGED:
        return names.get(first.payload["into"], "")
    return str(first.payload["name"]) if first.kind == PERSONA_RENAMED else ""
