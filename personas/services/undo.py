"""Taking a command back. Undo is itself a command: it appends events and removes none, and can be taken back in turn.

The id of an undo follows from the id of what it undoes, so a button pressed twice, or by two people, does it once. A
command whose undo was taken back can be undone again. What somebody changed since stays as they left it; the rest goes
back.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from personas.entities import LABELS, NOBODY, NOT_A_FACE, ErasedImage, Event, FaceKey, Verdict
from personas.errors import FaceProjectError, NotFoundError
from personas.projection import (
    COMMAND_UNDONE,
    COVER_CHOSEN,
    FACE_DRAWN,
    FACES_LABELLED,
    IMAGES_DELETED,
    IMAGES_RESTORED,
    PERSONA_ADDED,
    PERSONA_DELETED,
    PERSONA_HIDDEN,
    PERSONA_MERGED,
    PERSONA_RENAMED,
    labelled_faces,
    labelled_payload,
    persona_payload,
    said_after,
    said_before,
)
from personas.selectors.erasing import erased_words
from personas.services.commands import Fact, closed, event_id, events_of_command, record_by_state
from personas.services.labelling import labelling_facts, said_of
from personas.services.late_labels import late_labels, written_by
from personas.store.base import Store

#: In an event that adds a merged persona again: whom it was merged into, so that taking that back merges it again.
PARTED_FROM = "parted_from"

# Clearing first and belonging last: to belong to one persona takes the face from any other.
_ORDER = (Verdict.CLEARED, Verdict.REJECTED, Verdict.BELONGS)


class UnableToUndoError(FaceProjectError):
    """A command that cannot be taken back (any more)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """What an undo did, counted in faces, or in personas and pictures where the command touched no face."""

    command_id: str  #: of the undo; it can be undone too
    n_restored: int
    n_kept: int  #: left as somebody changed them since
    n_erased: int = 0  #: pictures that do not come back, because they were erased for good …
    erased_on: str = ""  #: … the last of them on this day


@dataclass(slots=True)
class Plan:
    """Events that take a command back, in the order in which they are recorded, but for the personas that go last."""

    facts: list[Fact] = field(default_factory=list)
    removals: list[Fact] = field(default_factory=list)
    n_restored: int = 0
    n_kept: int = 0
    gone: frozenset[str] = frozenset()  #: pictures that there are no more

    def add(self, fact: Fact | None) -> None:
        if fact is None:
            self.n_kept += 1
        else:
            self.n_restored += 1
            self.facts.append(fact)


def undo_id(command_id: str, number: int = 1) -> str:
    """The id of the command that takes this one back for the first time, the second time, …"""
    return str(uuid.uuid5(uuid.UUID(command_id), f"undo {number}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Whether a command is in force. It is not while its last undo is."""

    stands: bool
    n_undos: int


def standing_of(store: Store, command_ids: Collection[str]) -> dict[str, Standing]:
    """How each command stands; a command that the log does not know stands."""
    n_undos = _count_undos(store, command_ids)
    last = {command_id: undo_id(command_id, number) for command_id, number in n_undos.items() if number}
    of_undos = standing_of(store, list(last.values())) if last else {}
    return {
        command_id: Standing(stands=not number or not of_undos[last[command_id]].stands, n_undos=number)
        for command_id, number in n_undos.items()
    }


def _count_undos(store: Store, command_ids: Collection[str]) -> dict[str, int]:
    counts = dict.fromkeys(command_ids, 0)
    growing = list(counts)
    while growing:
        asked = {event_id(undo_id(one, counts[one] + ahead), 0): one for one in growing for ahead in (1, 2)}
        known = [asked[found] for found in store.events_by_id(LABELS, asked)]
        for command_id in known:
            counts[command_id] += 1
        growing = [command_id for command_id in set(known) if known.count(command_id) == 2]
    return counts


def undo_command(*, store: Store, command_id: str, actor: str, at: datetime) -> Undone:
    """Take back what a command did, as far as nobody has changed it since; while it is taken back, nothing is done.

    Raises NotFoundError (no such command), UnableToUndoError (everything was changed since, or the log does not tell
    how it stood before), CommandUsedError (somebody gave the undo's id to another command).
    """
    store.repair()  # an event that is not projected yet must be seen by what is worked out from how things stand
    events = events_of_command(store, command_id)
    if 0 not in events:
        raise NotFoundError("The log does not know this action, or it was cut short; look at the history.")
    standing = standing_of(store, [command_id])[command_id]
    undo = undo_id(command_id, standing.n_undos + standing.stands)
    known = events_of_command(store, undo)
    if done := closed(known, COMMAND_UNDONE, lambda said: said["command_id"] == command_id):
        said = done.payload
        erased = {"n_erased": said.get("n_erased", 0), "erased_on": said.get("erased_on", "")}
        return Undone(command_id=undo, n_restored=said["n_restored"], n_kept=said["n_kept"], **erased)
    plan = plan_of(store, list(events.values()), list(known.values()))
    erased = _erased(store, plan.gone)
    if not plan.n_restored and not known:
        _require_something(store, plan)
    counts: dict[str, Any] = {"n_restored": plan.n_restored, "n_kept": plan.n_kept, **erased}
    kind = events[0].payload["kind"] if events[0].kind == COMMAND_UNDONE else events[0].kind
    closing = Fact(COMMAND_UNDONE, {"command_id": command_id, "kind": kind, **counts})
    record_by_state(
        store=store,
        command_id=undo,
        actor=actor,
        at=at,
        facts=[*plan.facts, *plan.removals],
        closing=closing,
        known=max(known, default=0) + 1,
    )
    return Undone(command_id=undo, **counts)


def _erased(store: Store, gone: Collection[str]) -> dict[str, Any]:
    """What an undo says of pictures that do not come back; nothing where there is none."""
    if not gone:
        return {}
    on = [f"{erased.erased_at:%-d %B %Y}" for erased in _by_time(store, gone)]
    return {"n_erased": len(gone), "erased_on": on[-1] if on else ""}


def _by_time(store: Store, image_ids: Collection[str]) -> list[ErasedImage]:
    return sorted(store.erased_among(image_ids).values(), key=lambda erased: erased.erased_at)


def _require_something(store: Store, plan: Plan) -> None:
    """Raises UnableToUndoError where an undo would give nothing back."""
    if plan.n_kept:
        raise UnableToUndoError("Something else was said of this meanwhile, so it was not undone. It stays as it is.")
    if plan.gone:
        erased = _by_time(store, plan.gone)
        what = erased_words(erased) if erased else "The picture was erased for good."
        raise UnableToUndoError(f"{what} That cannot be undone.")


def plan_of(store: Store, events: Sequence[Event], begun: Sequence[Event] = ()) -> Plan:
    """What takes these events of a command back. begun: what an earlier try of the undo has recorded.

    Raises UnableToUndoError.
    """
    plan = Plan(gone=_gone(store, events))
    for event in events:
        if event.kind in (PERSONA_MERGED, PERSONA_DELETED):
            persona = _with_cover(event.payload["persona"], plan.gone)
            standing = store.personas_by_id([persona["persona_id"]])
            again = {**persona, **({PARTED_FROM: event.payload["into"]} if event.kind == PERSONA_MERGED else {})}
            plan.add(None if standing else Fact(PERSONA_ADDED, again))
    cleared = _restore_labels(store, _labellings(events), _labellings(begun), late_labels(store, events), plan)
    for event in events:
        match event.kind:
            case "persona_added":
                _remove(store, event, plan, n_cleared=cleared[event.payload["persona_id"]])
            case "persona_renamed":
                plan.add(_back(store, event, PERSONA_RENAMED, "name"))
            case "cover_chosen":
                if event.payload.get("before") and event.payload["before"][0] in plan.gone:
                    continue  # the product has picked a cover since
                plan.add(_back(store, event, COVER_CHOSEN, "cover"))
            case "persona_hidden":
                plan.add(_back(store, event, PERSONA_HIDDEN, "hidden"))
            case "images_deleted" | "images_restored":
                if left := [image_id for image_id in event.payload["images"] if image_id not in plan.gone]:
                    back = IMAGES_RESTORED if event.kind == IMAGES_DELETED else IMAGES_DELETED
                    plan.add(Fact(back, {"images": left}))
            case "face_drawn":
                if event.payload["face"][0] not in plan.gone:
                    plan.add(_no_face(store, FaceKey(*event.payload["face"])))
            case "command_cut_short":
                raise UnableToUndoError("This was cut short and taken back already; do it again.")
            case "images_erased" | "images_allowed":
                raise UnableToUndoError("Pictures that were erased for good cannot be brought back.")
    return plan


def _gone(store: Store, events: Sequence[Event]) -> frozenset[str]:
    """Pictures among those that the events speak of that were, or are being, erased."""
    spoken_of = {key.image_id for event in _labellings(events) for key in labelled_faces(event.payload)}
    for event in events:
        if event.kind in (IMAGES_DELETED, IMAGES_RESTORED):
            spoken_of.update(event.payload["images"])
        elif event.kind == FACE_DRAWN:
            spoken_of.add(event.payload["face"][0])
    if not spoken_of:
        return frozenset()
    return frozenset(spoken_of - store.images_by_id(spoken_of).keys() | store.erased_among(spoken_of).keys())


def _with_cover(persona: Mapping[str, Any], gone: Collection[str]) -> Mapping[str, Any]:
    """A persona as it was, but for a cover that was erased."""
    cover = persona.get("cover")
    return {**persona, "cover": None} if cover and cover[0] in gone else persona


# ---- labels ----------------------------------------------------------------------------------------------------------


def _labellings(events: Sequence[Event]) -> list[Event]:
    return [event for event in events if event.kind == FACES_LABELLED]


def _restore_labels(
    store: Store, events: Sequence[Event], begun: Sequence[Event], late: Sequence[Event], plan: Plan
) -> Mapping[str, int]:
    """Faces that still stand as the command left them go back. Returns how many labels each persona loses by it.

    late: what was recorded of a persona when the command had just merged it, and is said of its heir.
    """
    written = written_by(store, [*events, *late])
    before, after = _told(events, written)
    _add_late(late, written, before, after)
    touched = set()
    for event in begun:  # what an earlier try has said already is not somebody else's change
        for key in labelled_faces(event.payload):
            if key.image_id in plan.gone:
                continue
            touched.add(key)
            after[key] = said_after(after[key], event.payload["persona_id"], Verdict(event.payload["verdict"]))
    plan.n_restored += len(touched)
    before = {key: wanted for key, wanted in before.items() if key.image_id not in plan.gone}
    before = _of_people_there_are(store, before, plan)
    now = said_of(store, before)
    changes: dict[tuple[Verdict, str], list[FaceKey]] = defaultdict(list)
    cleared: dict[str, int] = defaultdict(int)
    for key, wanted in before.items():
        stands = now.get(key, {})
        if stands == wanted:
            continue  # the command changed nothing here, or it was put back already
        if stands != after[key]:
            plan.n_kept += 1
            continue
        plan.n_restored += key not in touched
        belongs_again = True in wanted.values()  # which takes the face from whom it belongs to now
        for persona_id in stands.keys() - wanted.keys():
            if not (stands[persona_id] and belongs_again):
                changes[Verdict.CLEARED, persona_id].append(key)
            cleared[persona_id] += 1
        for persona_id, belongs in wanted.items():
            if stands.get(persona_id) is not belongs:
                changes[Verdict.BELONGS if belongs else Verdict.REJECTED, persona_id].append(key)
    for verdict, persona_id in sorted(changes, key=lambda change: (_ORDER.index(change[0]), change[1])):
        plan.facts += labelling_facts(persona_id, changes[verdict, persona_id], verdict, now)
    return cleared


def _told(
    events: Sequence[Event], written: Mapping[tuple[FaceKey, int], str]
) -> tuple[dict[FaceKey, Mapping[str, bool]], dict[FaceKey, Mapping[str, bool]]]:
    """What was said of each face before and after a command. Raises UnableToUndoError."""
    before: dict[FaceKey, Mapping[str, bool]] = {}
    after: dict[FaceKey, Mapping[str, bool]] = {}
    for event in events:
        said = said_before(event.payload)
        if said is None:
            raise UnableToUndoError(
                "This was recorded by an earlier version, which did not keep what stood before; change it by hand."
            )
        verdict = Verdict(event.payload["verdict"])
        for key in labelled_faces(event.payload):
            before.setdefault(key, said[key])
            persona_id = written.get((key, event.seq), event.payload["persona_id"])
            after[key] = said_after(after.get(key, said[key]), persona_id, verdict)
    return before, after


def _add_late(
    late: Sequence[Event],
    written: Mapping[tuple[FaceKey, int], str],
    before: dict[FaceKey, Mapping[str, bool]],
    after: dict[FaceKey, Mapping[str, bool]],
) -> None:
    """What is said of the heir goes to the persona it was recorded of, as far as it stands."""
    for event in late:
        persona_id, verdict = event.payload["persona_id"], Verdict(event.payload["verdict"])
        said = said_before(event.payload) or {}
        for key in labelled_faces(event.payload):
            if heir := written.get((key, event.seq)):
                stood = said.get(key, {})
                before[key] = said_after(before.get(key, stood), persona_id, verdict)
                after[key] = said_after(after.get(key, stood), heir, verdict)


def _of_people_there_are(
    store: Store, before: Mapping[FaceKey, Mapping[str, bool]], plan: Plan
) -> dict[FaceKey, Mapping[str, bool]]:
    """What is to be said again, less what was said of personas that are gone and do not come back by this undo."""
    mentioned = {persona_id for said in before.values() for persona_id in said} - NOBODY.keys()
    there = {fact.payload["persona_id"] for fact in plan.facts if fact.kind == PERSONA_ADDED} | NOBODY.keys()
    there |= store.personas_by_id(mentioned).keys()
    return {
        key: {persona_id: belongs for persona_id, belongs in said.items() if persona_id in there}
        for key, said in before.items()
    }


def _no_face(store: Store, key: FaceKey) -> Fact | None:
    """A face that was drawn is none after all; None when somebody has said something of it since."""
    said = said_of(store, [key])
    if said:
        return None
    return Fact(FACES_LABELLED, labelled_payload(NOT_A_FACE, [key], Verdict.BELONGS, said))


# ---- personas --------------------------------------------------------------------------------------------------------


def _remove(store: Store, event: Event, plan: Plan, *, n_cleared: int) -> None:
    """A persona that the command added goes again, unless more was said of it since."""
    persona_id = event.payload["persona_id"]
    persona = store.personas_by_id([persona_id]).get(persona_id)
    if persona is None:
        return
    n_labels = sum(store.label_counts([persona_id])[persona_id])
    if n_labels > n_cleared:
        raise UnableToUndoError(
            f"{n_labels - n_cleared} more faces were labelled or rejected as this person since. Take those back first,"
            " or delete the person."
        )
    plan.n_restored += not n_cleared
    gone = {"persona": persona_payload(persona), "n_faces": 0}
    heir = event.payload.get(PARTED_FROM)
    merged_again = heir is not None and heir in store.personas_by_id([heir])
    plan.removals.append(Fact(PERSONA_MERGED, gone | {"into": heir}) if merged_again else Fact(PERSONA_DELETED, gone))


def _back(store: Store, event: Event, kind: str, field_name: str) -> Fact | None:
    """The persona's name, cover or visibility as before; None when it was changed since, or the persona is gone."""
    persona_id, said = event.payload["persona_id"], event.payload[field_name]
    persona = store.personas_by_id([persona_id]).get(persona_id)
    if persona is None or persona_payload(persona)[field_name] != said:
        return None
    if "before" not in event.payload:
        raise UnableToUndoError(
            "This was recorded by an earlier version, which did not keep what stood before; change it by hand."
        )
    return Fact(kind, {"persona_id": persona_id, field_name: event.payload["before"], "before": said})
