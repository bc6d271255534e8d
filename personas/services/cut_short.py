"""Commands of several events that were cut short by a kill, on stores that record one event after the other.

Whoever sends such a command again finishes it: its id is known then. After a reload of the page the id is gone, so half
of a merge or a deletion would stand, and no undo would give it back. So what is left open is taken back after a while,
and a command about the same people or pictures waits until that is done: it would take the half for how things stood.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from personas.entities import LABELS, Event
from personas.errors import TransientError
from personas.projection import COMMAND_CUT_SHORT, FACES_LABELLED, IMAGES_ERASING, labelled_faces, said_before
from personas.services.commands import Fact, event_id, events_of_commands, record_by_state
from personas.services.undo import plan_of
from personas.store.base import Store

#: Up to where the log has no open command.
SETTLED_CURSOR = "settled"
#: A command that is at work takes seconds. Clocks of machines differ, too.
PATIENCE = timedelta(minutes=2)
EVENTS_AT_ONCE = 500
#: Events behind the head that are looked through; what is older was settled, or never will be.
LOOKED_THROUGH = 20_000

Opened = Mapping[str, Mapping[int, Event]]  #: what each open command has recorded, by its id and the index


def settle(*, store: Store, now: datetime) -> int:
    """Take back what was cut short a while ago; returns how many commands. Safe to repeat after a kill.

    What is in the log must be projected: `store.repair()` comes first.
    """
    return _settle(store, now)[0]


def _settle(store: Store, now: datetime) -> tuple[int, Opened]:
    """How many commands were taken back, and those that may be at work."""
    head, young, n_settled = store.head(LABELS), dict[str, Mapping[int, Event]](), 0
    for command_id, events in _open_commands(store, head).items():
        if now - max(event.at for event in events.values()) < PATIENCE:
            young[command_id] = events
        else:
            _take_back(store, command_id, events, now)
            n_settled += 1
    first = min((event.seq for events in young.values() for event in events.values()), default=head + 1)
    store.advance_cursor(SETTLED_CURSOR, first - 1)
    return n_settled, young


def require_settled(
    *, store: Store, now: datetime, command_id: str, personas: Collection[str] = (), images: Collection[str] = ()
) -> None:
    """Completes projections and settles what is due.

    Raises TransientError while another command about one of these is open.
    """
    store.repair()
    for other, events in _settle(store, now)[1].items():
        if other != command_id and any(_is_about(event, personas, images) for event in events.values()):
            raise TransientError(
                "Somebody is merging or deleting here at this moment, or that was cut short. It is settled within "
                f"{PATIENCE.seconds // 60} minutes; try again then."
            )


def _open_commands(store: Store, head: int) -> Opened:
    """Commands that began and are not closed, but for those that others bring to their end.

    An id that follows from what the command does (an undo, a sidecar) is met again by whoever does it again, and what
    erases is finished by the next sweep.
    """
    after = max(store.cursor(SETTLED_CURSOR), head - LOOKED_THROUGH)
    began: dict[str, None] = {}
    while after < head and (events := store.events(LABELS, after=after, limit=EVENTS_AT_ONCE)):
        after = events[-1].seq
        began |= dict.fromkeys(event.command_id for event in events if _is_part(event))
    known = events_of_commands(store, began)
    return {
        command_id: events
        for command_id, events in known.items()
        if 0 not in events and not any(event.kind == IMAGES_ERASING for event in events.values())
    }


def _is_part(event: Event) -> bool:
    """Whether it is an event of a command that closes with another one."""
    return uuid.UUID(event.command_id).version != 5 and event.event_id != event_id(event.command_id, 0)


def _take_back(store: Store, command_id: str, events: Mapping[int, Event], now: datetime) -> None:
    """The command is closed by saying so: whoever sends it again is told, and does nothing."""
    plan = plan_of(store, list(events.values()))
    counts = {"n_restored": plan.n_restored, "n_kept": plan.n_kept}
    record_by_state(
        store=store,
        command_id=command_id,
        actor=events[min(events)].actor,
        at=now,
        facts=plan.facts,
        closing=Fact(COMMAND_CUT_SHORT, counts),
        known=max(events) + 1,
    )


def _is_about(event: Event, personas: Collection[str], images: Collection[str]) -> bool:
    spoken_of = {event.payload.get("persona_id")}
    if event.kind == FACES_LABELLED:
        spoken_of.update(*(said_before(event.payload) or {}).values())
        if any(key.image_id in images for key in labelled_faces(event.payload)):
            return True
    return not spoken_of.isdisjoint(personas)
