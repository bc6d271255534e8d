"""Everything people do can be taken back, and taking back too: to the very state there was."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from personas.entities import LABELS, FaceKey, Verdict
from personas.errors import NotFoundError
from personas.projection import FACES_LABELLED
from personas.selectors.history import history, is_curated
from personas.services import curation, labelling, undo
from personas.services import personas as people
from personas.state_hash import state_hash
from personas.store.base import Store
from personas.store.paging import every
from tests import factories as make
from tests.contracts.acts import by, cut_after, just_before_recording, label, said, take_back


@pytest.fixture
def faces(store: Store) -> list[FaceKey]:
    make.add_personas(store, "Ann", "Bob")
    return make.save_pictures(store, 4)


# ---- labels ----------------------------------------------------------------------------------------------------------


def test_a_label_goes_back_to_whom_it_was_before(store: Store, faces: list[FaceKey]) -> None:
    label(store, "ann", faces[0])
    moved = label(store, "bob", *faces[:2])
    assert take_back(store, moved).n_restored == 2
    assert said(store, *faces[:2]) == [{"ann": True}, {}]


def test_undoing_twice_is_undoing_once(store: Store, faces: list[FaceKey]) -> None:
    command = label(store, "ann", faces[0])
    first = take_back(store, command)
    head = store.head(LABELS)
    assert take_back(store, command) == first
    assert store.head(LABELS) == head


def test_an_undo_can_be_undone_and_that_too(store: Store, faces: list[FaceKey]) -> None:
    command = label(store, "ann", faces[0])
    for _ in range(3):
        undone = take_back(store, command)
        assert said(store, faces[0]) == [{}]
        assert not undo.standing_of(store, [command])[command].stands
        take_back(store, undone.command_id)
        assert said(store, faces[0]) == [{"ann": True}]
        assert undo.standing_of(store, [command])[command].stands


def test_what_was_changed_since_stays(store: Store, faces: list[FaceKey]) -> None:
    command = label(store, "ann", *faces[:3])
    label(store, "bob", faces[1])
    undone = take_back(store, command)
    assert (undone.n_restored, undone.n_kept) == (2, 1)
    assert said(store, *faces[:3]) == [{}, {"bob": True}, {}]


def test_an_undo_that_would_change_nothing_is_refused(store: Store, faces: list[FaceKey]) -> None:
    command = label(store, "ann", faces[0])
    label(store, "bob", faces[0])
    with pytest.raises(undo.UnableToUndoError, match="meanwhile"):
        take_back(store, command)


def test_a_label_that_came_back_can_be_undone(store: Store, faces: list[FaceKey]) -> None:
    first = label(store, "ann", faces[0])
    second = label(store, "bob", faces[0])
    take_back(store, second)
    take_back(store, first)
    assert said(store, faces[0]) == [{}]


def test_an_action_nobody_did_cannot_be_undone(store: Store) -> None:
    with pytest.raises(NotFoundError):
        take_back(store, make.command_id())


def test_an_event_that_does_not_tell_what_stood_before_cannot_be_undone(store: Store, faces: list[FaceKey]) -> None:
    (event,) = make.label(store, "ann", faces[0])
    assert event.kind == FACES_LABELLED
    with pytest.raises(undo.UnableToUndoError, match="earlier version"):
        take_back(store, event.command_id)


# ---- personas --------------------------------------------------------------------------------------------------------


def test_adding_a_person_with_faces_is_one_action(store: Store, faces: list[FaceKey]) -> None:
    command = by()
    added = people.add_persona(store=store, name="Cid", faces=faces[:2], **command)  # type: ignore[arg-type]
    take_back(store, str(command["command_id"]))
    assert store.personas_by_id([added.persona_id]) == {}
    assert said(store, *faces[:2]) == [{}, {}]


def test_a_person_that_got_more_faces_since_is_not_taken_back(store: Store, faces: list[FaceKey]) -> None:
    command = by()
    added = people.add_persona(store=store, name="Cid", faces=faces[:1], **command)  # type: ignore[arg-type]
    label(store, added.persona_id, faces[1])
    with pytest.raises(undo.UnableToUndoError, match="1 more faces"):
        take_back(store, str(command["command_id"]))
    assert said(store, *faces[:2]) == [{added.persona_id: True}] * 2


@pytest.mark.parametrize(
    "change",
    [
        lambda store, face, command: people.rename_persona(store=store, persona_id="ann", name="Anna", **command),
        lambda store, face, command: people.choose_cover(store=store, persona_id="ann", cover=face, **command),
        lambda store, face, command: people.hide_persona(store=store, persona_id="ann", hidden=True, **command),
    ],
    ids=["name", "cover", "hidden"],
)
def test_what_a_person_looks_like_goes_back(
    store: Store, faces: list[FaceKey], change: Callable[[Store, FaceKey, dict[str, object]], None]
) -> None:
    before = store.personas_by_id(["ann"])
    command = by()
    change(store, faces[0], command)
    assert store.personas_by_id(["ann"]) != before
    take_back(store, str(command["command_id"]))
    assert store.personas_by_id(["ann"]) == before


@pytest.mark.parametrize("n_events", range(3))
def test_an_undo_that_was_cut_short_is_finished_by_the_next_try(
    store: Store, faces: list[FaceKey], monkeypatch: pytest.MonkeyPatch, n_events: int
) -> None:
    label(store, "ann", faces[0])
    label(store, "ann", faces[1], verdict=Verdict.REJECTED)
    before = state_hash(store)
    command = by()
    groups = {("bob", Verdict.BELONGS): faces[:3], ("ann", Verdict.CLEARED): faces[1:2]}
    labelling.label_groups(store=store, groups=groups, **command)  # type: ignore[arg-type]
    label(store, "ann", faces[2])  # somebody else's, which stays
    cut_after(store, n_events, lambda: take_back(store, str(command["command_id"])), monkeypatch)
    undone = take_back(store, str(command["command_id"]))
    assert said(store, *faces[:3]) == [{"ann": True}, {"ann": False}, {"ann": True}]
    assert (undone.n_restored, undone.n_kept) == (2, 1)
    label(store, "ann", faces[2], verdict=Verdict.CLEARED)
    assert state_hash(store) == before


def test_a_label_recorded_just_behind_a_deletion_says_nothing(
    store: Store, faces: list[FaceKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    label(store, "bob", faces[0])
    command = by()
    just_before_recording(
        store,
        monkeypatch,
        lambda: curation.delete_persona(store=store, persona_id="ann", **command),  # type: ignore[arg-type]
    )
    label(store, "ann", *faces[:2])
    assert said(store, *faces[:2]) == [{"bob": True}, {}]
    assert store.label_counts(["ann"]) == {"ann": (0, 0)}
    take_back(store, str(command["command_id"]))
    label(store, "ann", faces[1])
    assert said(store, *faces[:2]) == [{"bob": True}, {"ann": True}]


def test_an_undo_says_nothing_of_people_that_are_gone(store: Store, faces: list[FaceKey]) -> None:
    label(store, "ann", faces[0])
    moved = label(store, "bob", faces[0])
    curation.delete_persona(store=store, persona_id="ann", **by())  # type: ignore[arg-type]
    take_back(store, moved)
    assert said(store, faces[0]) == [{}]


def test_taking_a_new_person_back_is_no_business_of_curators(store: Store, faces: list[FaceKey]) -> None:
    command = by()
    people.add_persona(store=store, name="Cid", faces=faces[:1], **command)  # type: ignore[arg-type]
    undone = take_back(store, str(command["command_id"]))
    assert not is_curated(store, undone.command_id)


def test_deleting_a_person_frees_its_faces_until_it_is_undone(store: Store, faces: list[FaceKey]) -> None:
    label(store, "ann", *faces[:2])
    label(store, "ann", faces[2], verdict=Verdict.REJECTED)
    before, command = state_hash(store), by()
    assert curation.delete_persona(store=store, persona_id="ann", **command) == 2  # type: ignore[arg-type]
    assert said(store, *faces[:3]) == [{}, {}, {}]
    assert curation.delete_persona(store=store, persona_id="ann", **command) == 2  # type: ignore[arg-type]
    take_back(store, str(command["command_id"]))
    assert state_hash(store) == before


# ---- history ---------------------------------------------------------------------------------------------------------


def test_the_history_tells_each_command_once_and_whether_it_stands(store: Store, faces: list[FaceKey]) -> None:
    first = label(store, "ann", *faces[:3])
    merge = by()
    curation.merge_personas(store=store, persona_id="ann", into="bob", **merge)  # type: ignore[arg-type]
    take_back(store, str(merge["command_id"]))
    entries = list(every(lambda cursor: history(store, cursor=cursor, limit=1)))
    assert [(entry.kind, entry.stands, entry.n_faces) for entry in entries[:3]] == [
        ("command_undone", True, 4),
        ("persona_merged", False, 3),
        ("faces_labelled", True, 3),
    ]
    assert entries[2].toggle == first
    assert entries[1].toggle == undo.undo_id(str(merge["command_id"]))
    assert [entry.name for entry in entries[1:3]] == ["Ann", "Ann"]
    assert entries[1].other == "Bob"
