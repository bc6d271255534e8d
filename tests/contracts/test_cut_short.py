"""Commands of several events that a kill cut short: half of one stands for a while at most, and misleads nobody."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import pytest

from orchestration.dispatcher import Dispatcher
from personas.entities import LABELS, FaceKey, Verdict
from personas.errors import TransientError
from personas.selectors.history import history
from personas.services import curation, undo
from personas.services.commands import CommandCutShortError, events_of_command
from personas.services.cut_short import PATIENCE, settle
from personas.services.labelling import label_faces, said_of
from personas.state_hash import state_hash
from personas.store.base import Store
from tests import factories as make

LATER = make.NOW + PATIENCE + timedelta(seconds=1)
Command = Callable[..., object]


class Killed(Exception):  # noqa: N818 - what happens to the process
    """The process ends here."""


@pytest.fixture
def faces(store: Store) -> list[FaceKey]:
    """Two of Ann's, one that is not hers, one of Bob's."""
    make.add_personas(store, "Ann", "Bob")
    keys = make.save_pictures(store, 4)
    for persona_id, verdict, said in (
        ("ann", Verdict.BELONGS, keys[:2]),
        ("ann", Verdict.REJECTED, keys[2:3]),
        ("bob", Verdict.BELONGS, keys[3:]),
    ):
        label_faces(store=store, persona_id=persona_id, faces=said, verdict=verdict, **by())
    return keys


def by(command_id: str = "", at: datetime = make.NOW) -> dict[str, object]:
    return {"actor": "carl", "at": at, "command_id": command_id or str(uuid.uuid4())}


def merge(store: Store, command_id: str, at: datetime = make.NOW) -> object:
    return curation.merge_personas(store=store, persona_id="ann", into="bob", **by(command_id, at))  # type: ignore[arg-type]


def delete_person(store: Store, command_id: str, at: datetime = make.NOW) -> object:
    return curation.delete_persona(store=store, persona_id="ann", **by(command_id, at))  # type: ignore[arg-type]


def delete_picture(store: Store, command_id: str, at: datetime = make.NOW) -> object:
    images = [make.image_id("picture-0")]
    return curation.delete_images(store=store, image_ids=images, **by(command_id, at))  # type: ignore[arg-type]


def cut_short(store: Store, command: Command) -> str:
    """The command's id; its first event is in the log, and no other."""
    command_id = str(uuid.uuid4())
    with pytest.MonkeyPatch.context() as patched:
        record = store.record

        def dying(stream: str, events: object) -> object:
            record(stream, list(events)[:1])  # type: ignore[call-overload]
            raise Killed

        patched.setattr(store, "record", dying)
        with pytest.raises(Killed):
            command(store, command_id)
    return command_id


@pytest.mark.parametrize("command", [merge, delete_person, delete_picture])
def test_half_of_a_command_is_taken_back_after_a_while(store: Store, faces: list[FaceKey], command: Command) -> None:
    before = state_hash(store)
    command_id = cut_short(store, command)
    assert state_hash(store) != before
    assert settle(store=store, now=make.NOW) == 0
    assert settle(store=store, now=LATER) == 1
    assert state_hash(store) == before
    assert settle(store=store, now=LATER) == 0
    entry = history(store).items[0]
    assert (entry.kind, entry.command_id, entry.is_final) == ("command_cut_short", command_id, True)
    with pytest.raises(undo.UnableToUndoError, match="cut short"):
        undo.undo_command(store=store, command_id=command_id, actor="carl", at=LATER)


@pytest.mark.parametrize("command", [merge, delete_person, delete_picture])
def test_done_again_under_another_id_it_waits_and_can_then_be_taken_back(
    store: Store, faces: list[FaceKey], command: Command
) -> None:
    before = state_hash(store)
    cut_short(store, command)
    with pytest.raises(TransientError, match="cut short"):
        command(store, "")
    again = str(uuid.uuid4())
    command(store, again, LATER)
    undo.undo_command(store=store, command_id=again, actor="carl", at=LATER)
    assert state_hash(store) == before


@pytest.mark.parametrize("command", [merge, delete_person, delete_picture])
def test_sent_again_in_time_it_is_finished(store: Store, faces: list[FaceKey], command: Command) -> None:
    command_id = cut_short(store, command)
    command(store, command_id)
    assert 0 in events_of_command(store, command_id)
    assert settle(store=store, now=LATER) == 0


@pytest.mark.parametrize("command", [merge, delete_person, delete_picture])
def test_sent_again_too_late_it_is_told_so(store: Store, faces: list[FaceKey], command: Command) -> None:
    command_id = cut_short(store, command)
    settle(store=store, now=LATER)
    head = store.head(LABELS)
    with pytest.raises(CommandCutShortError, match="taken back"):
        command(store, command_id, LATER)
    assert store.head(LABELS) == head


def test_the_dispatcher_takes_it_back(store: Store, faces: list[FaceKey]) -> None:
    before = state_hash(store)
    cut_short(store, merge)
    Dispatcher(store=store, send=lambda *_: None, pending_uploads=lambda _: [], clock=lambda: LATER).look()
    assert state_hash(store) == before


def test_what_somebody_said_since_stays(store: Store, faces: list[FaceKey]) -> None:
    cut_short(store, merge)
    label_faces(store=store, persona_id="bob", faces=faces[:1], verdict=Verdict.REJECTED, **by())  # type: ignore[arg-type]
    settle(store=store, now=LATER)
    assert said_of(store, faces[:2]) == {faces[0]: {"bob": False}, faces[1]: {"ann": True}}


def test_commands_about_others_do_not_wait(store: Store, faces: list[FaceKey]) -> None:
    make.add_personas(store, "Cid")
    cut_short(store, merge)
    curation.delete_persona(store=store, persona_id="cid", **by())  # type: ignore[arg-type]
    assert "cid" not in store.personas_by_id(["cid"])


def test_an_undo_that_was_cut_short_waits_for_whoever_undoes_again(store: Store, faces: list[FaceKey]) -> None:
    before = state_hash(store)
    command_id = str(uuid.uuid4())
    merge(store, command_id)
    take_back = partial(undo.undo_command, store=store, command_id=command_id, actor="carl", at=make.NOW)
    cut_short(store, lambda *_: take_back())
    assert settle(store=store, now=LATER) == 0
    take_back()
    assert state_hash(store) == before
