"""The id of a command names that command, and no other one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from personas.entities import LABELS, FaceKey, Verdict
from personas.services import curation, labelling, undo
from personas.services import personas as people
from personas.services.commands import CommandUsedError
from personas.store.base import Store
from tests import factories as make


def by(command_id: str | None = None) -> dict[str, object]:
    return {"actor": "tester", "at": make.NOW, "command_id": command_id or make.command_id()}


def label(store: Store, persona_id: str, face: FaceKey, *, command_id: str | None = None) -> str:
    command = by(command_id)
    labelling.label_faces(store=store, persona_id=persona_id, faces=[face], verdict=Verdict.BELONGS, **command)  # type: ignore[arg-type]
    return str(command["command_id"])


@pytest.fixture
def faces(store: Store) -> list[FaceKey]:
    make.add_personas(store, "Ann", "Bob")
    return make.save_pictures(store, 2)


@pytest.mark.parametrize(
    "act",
    [
        lambda store, face, command: people.add_persona(store=store, name="Cid", faces=[face], **command),
        lambda store, face, command: labelling.label_groups(
            store=store, groups={("ann", Verdict.REJECTED): [face], ("bob", Verdict.BELONGS): [face]}, **command
        ),
        lambda store, face, command: people.rename_persona(store=store, persona_id="ann", name="Anna", **command),
        lambda store, face, command: people.change_persona(
            store=store, persona_id="bob", name="Bobby", hidden=True, **command
        ),
        lambda store, face, command: curation.merge_personas(store=store, persona_id="ann", into="bob", **command),
        lambda store, face, command: curation.delete_persona(store=store, persona_id="ann", **command),
        lambda store, face, command: curation.delete_images(store=store, image_ids=[face.image_id], **command),
    ],
    ids=["add", "label", "rename", "change", "merge", "delete", "delete a picture"],
)
def test_an_id_that_named_a_command_names_no_other(
    store: Store, faces: list[FaceKey], act: Callable[[Store, FaceKey, dict[str, object]], object]
) -> None:
    taken = label(store, "bob", faces[0])
    head = store.head(LABELS)
    with pytest.raises(CommandUsedError):
        act(store, faces[0], by(taken))
    assert store.head(LABELS) == head


def test_an_undo_whose_id_was_given_to_another_command_is_refused(store: Store, faces: list[FaceKey]) -> None:
    command = label(store, "ann", faces[0])
    label(store, "bob", faces[1], command_id=undo.undo_id(command))
    with pytest.raises(CommandUsedError):
        undo.undo_command(store=store, command_id=command, actor="tester", at=make.NOW)
    assert labelling.said_of(store, faces[:1]) == {faces[0]: {"ann": True}}


def test_a_change_of_several_things_is_recorded_once(store: Store, faces: list[FaceKey]) -> None:
    command = by()
    for _ in range(2):
        people.change_persona(store=store, persona_id="ann", name="Anna", hidden=True, cover=faces[0], **command)  # type: ignore[arg-type]
    events = store.events(LABELS, after=2)
    assert [event.kind for event in events] == ["persona_renamed", "cover_chosen", "persona_hidden"]
    assert [event.payload["before"] for event in events] == ["Ann", None, False]
