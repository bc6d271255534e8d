"""What one user command recorded, and commands whose events follow from how things stand.

The events of a command have the indices 0, 1, 2, …; each event's id follows from the command's id and its index, so a
command is found again in the log without an index of its own.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from personas.entities import LABELS, Event, NewEvent
from personas.errors import FaceProjectError
from personas.projection import COMMAND_CUT_SHORT
from personas.store.base import Store

#: Events of a command asked for at once; most have one or two.
EVENTS_AT_ONCE = 4


class Fact(NamedTuple):
    """An event that has no place in a command yet."""

    kind: str
    payload: Mapping[str, Any]

    def told_by(self, event: Event) -> bool:
        """Whether the event says the same, whatever stood before."""
        said, recorded = dict(self.payload), dict(event.payload)
        said.pop("before", None)
        recorded.pop("before", None)
        return event.kind == self.kind and recorded == said


class CommandUsedError(FaceProjectError):
    """The id of a command names another one, which was done before."""

    def __init__(self, why: str = "This was sent once before and said something else then, so nothing was changed."):
        super().__init__(f"{why} Reload the page and do it again.")


class CommandCutShortError(CommandUsedError):
    """A command that was cut short by a kill; what was done of it was taken back."""

    def __init__(self) -> None:
        super().__init__("This was cut short once, and what was done of it was taken back.")


def event_id(command_id: str, index: int) -> str:
    """The id that the event of this index has in the log."""
    return str(uuid.uuid5(uuid.UUID(command_id), str(index)))


def events_of_command(store: Store, command_id: str) -> dict[int, Event]:
    """What a command recorded, by index; empty when the log does not know it."""
    return events_of_commands(store, [command_id])[command_id]


def events_of_commands(store: Store, command_ids: Collection[str]) -> dict[str, dict[int, Event]]:
    """What each of these commands recorded, by index."""
    found: dict[str, dict[int, Event]] = {command_id: {} for command_id in command_ids}
    more, start, stop = list(found), 0, EVENTS_AT_ONCE
    while more:
        asked = {event_id(one, index): (one, index) for one in more for index in range(start, stop)}
        for known_id, event in store.events_by_id(LABELS, asked).items():
            command_id, index = asked[known_id]
            found[command_id][index] = event
        more = [command_id for command_id in more if stop - 1 in found[command_id]]
        start, stop = stop, 4 * stop
    return {command_id: dict(sorted(events.items())) for command_id, events in found.items()}


def closed(known: Mapping[int, Event], kind: str, same: Callable[[Mapping[str, Any]], bool]) -> Event | None:
    """The event that closed a command of this kind, None: it is not finished.

    same: whether the payload is about what the command is about now. Raises CommandUsedError, CommandCutShortError.
    """
    closing = known.get(0)
    if closing and closing.kind == COMMAND_CUT_SHORT:
        raise CommandCutShortError
    if closing and not (closing.kind == kind and same(closing.payload)):
        raise CommandUsedError
    return closing


def record_once(*, store: Store, command_id: str, actor: str, at: datetime, facts: Sequence[Fact]) -> tuple[Event, ...]:
    """Record the events of a command, which say the same whenever it is sent again. Raises CommandUsedError."""
    for index, event in events_of_command(store, command_id).items():
        if index >= len(facts) or not facts[index].told_by(event):
            raise CommandUsedError
    events = _numbered(enumerate(facts), command_id=command_id, actor=actor, at=at)
    return store.record(LABELS, events)


def record_by_state(
    *, store: Store, command_id: str, actor: str, at: datetime, facts: Sequence[Fact], closing: Fact, known: int
) -> tuple[Event, ...]:
    """Record events that were worked out from how things stand, so that a kill in between loses nothing.

    `closing` has index 0 and is recorded last: a command without it is not finished. What is then still to be done is
    worked out anew by the next try, whose events take the indices behind those that are in the log (`known`: the first
    free one).
    """
    numbered = [*enumerate(facts, start=max(known, 1)), (0, closing)]
    return store.record(LABELS, _numbered(numbered, command_id=command_id, actor=actor, at=at))


def _numbered(facts: Iterable[tuple[int, Fact]], *, command_id: str, actor: str, at: datetime) -> list[NewEvent]:
    return [
        NewEvent(kind=fact.kind, actor=actor, at=at, command_id=command_id, payload=fact.payload, index=index)
        for index, fact in facts
    ]
