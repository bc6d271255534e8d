"""Everything people do can be taken back, and taking back too: to the very state there was."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from personas.entities import DELETED, IGNORED, LABELS, NOBODY, NOT_A_FACE, STRANGER, FaceKey, ImageStatus, Verdict
from personas.errors import FaceProjectError, NotFoundError
from personas.projection import FACES_LABELLED
from personas.selectors.gallery import persona_labelled
from personas.selectors.history import history, is_curated
from personas.services import curation, labelling, undo
from personas.services import personas as people
from personas.state_hash import state_hash
from personas.store.base import Store
from personas.store.inheriting import NOBODY_INHERITS
from personas.store.paging import every
from tests import factories as make

#: Operations of the random walk; 10,000 take some minutes a store.
OPERATIONS = int(os.environ.get("UNDO_OPERATIONS", "150"))
#: Commands between two looks at all labels, which read every partition; a long walk looks as often as a short one.
LOOK_EVERY = max(OPERATIONS // 150, 1)


def by(name: str | int | None = None) -> dict[str, object]:
    return {"actor": "tester", "at": make.NOW, "command_id": make.command_id(name)}


def label(store: Store, persona_id: str, *faces: FaceKey, verdict: Verdict = Verdict.BELONGS, **command: object) -> str:
    command = command or by()
    labelling.label_faces(store=store, persona_id=persona_id, faces=faces, verdict=verdict, **command)  # type: ignore[arg-type]
    return str(command["command_id"])


def take_back(store: Store, command_id: str) -> undo.Undone:
    return undo.undo_command(store=store, command_id=command_id, actor="tester", at=make.NOW)


def said(store: Store, *keys: FaceKey) -> list[dict[str, bool]]:
    now = labelling.said_of(store, keys)
    return [now.get(key, {}) for key in keys]


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


def test_a_merge_moves_labels_and_rejections_and_comes_apart_again(store: Store, faces: list[FaceKey]) -> None:
    label(store, "ann", *faces[:2])
    label(store, "ann", faces[2], verdict=Verdict.REJECTED)
    label(store, "ann", faces[3], verdict=Verdict.REJECTED)
    label(store, "bob", faces[3])
    people.choose_cover(store=store, persona_id="ann", cover=faces[1], **by())  # type: ignore[arg-type]
    before, command = state_hash(store), by()
    curation.merge_personas(store=store, persona_id="ann", into="bob", **command)  # type: ignore[arg-type]
    assert said(store, *faces) == [{"bob": True}, {"bob": True}, {"bob": False}, {"bob": True}]
    assert list(store.personas_by_id(["ann", "bob"])) == ["bob"]
    assert is_curated(store, str(command["command_id"]))
    take_back(store, str(command["command_id"]))
    assert state_hash(store) == before


def test_a_merge_of_thousands_comes_apart_by_one_action(store: Store) -> None:
    make.add_personas(store, "Ann", "Bob")
    faces = make.save_pictures(store, 50, faces=100)
    label(store, "ann", *faces)
    before, command = state_hash(store), by()
    curation.merge_personas(store=store, persona_id="ann", into="bob", **command)  # type: ignore[arg-type]
    assert store.label_counts(["bob"])["bob"] == (5000, 0)
    assert take_back(store, str(command["command_id"])).n_restored == 5000 + 1
    assert state_hash(store) == before


def test_a_person_is_not_merged_with_itself_or_with_nobody(store: Store, faces: list[FaceKey]) -> None:
    with pytest.raises(curation.UnableToMergeError):
        curation.merge_personas(store=store, persona_id="ann", into="ann", **by())  # type: ignore[arg-type]
    with pytest.raises(NotFoundError):
        curation.merge_personas(store=store, persona_id="ann", into="cid", **by())  # type: ignore[arg-type]


def cut_after(store: Store, n_events: int, act: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Do something that is killed when so many of its events are in the log."""
    record = store.record

    def cut_short(stream: str, events: list[object]) -> object:
        record(stream, events[:n_events])  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store, "record", cut_short)
        with pytest.raises(KeyboardInterrupt):
            act()


@pytest.mark.parametrize("n_events", range(4))
def test_a_merge_that_was_cut_short_is_finished_by_the_next_try(
    store: Store, faces: list[FaceKey], monkeypatch: pytest.MonkeyPatch, n_events: int
) -> None:
    label(store, "ann", *faces[:2])
    label(store, "ann", faces[2], verdict=Verdict.REJECTED)
    before, command = state_hash(store), by()

    def merge() -> object:
        return curation.merge_personas(store=store, persona_id="ann", into="bob", **command)  # type: ignore[arg-type]

    cut_after(store, n_events, merge, monkeypatch)
    assert "ann" in store.personas_by_id(["ann"])
    merge()
    assert said(store, *faces[:3]) == [{"bob": True}, {"bob": True}, {"bob": False}]
    assert store.personas_by_id(["ann"]) == {}
    assert history(store).items[0].n_faces == 2
    take_back(store, str(command["command_id"]))
    assert state_hash(store) == before


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


def test_what_others_say_of_a_person_while_it_is_merged_goes_along(
    store: Store, faces: list[FaceKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    label(store, "ann", faces[0])
    before, command = state_hash(store), by()
    just_before_recording(store, monkeypatch, lambda: label(store, "ann", faces[1]))
    curation.merge_personas(store=store, persona_id="ann", into="bob", **command)  # type: ignore[arg-type]
    assert said(store, *faces[:2]) == [{"bob": True}, {"bob": True}]
    take_back(store, str(command["command_id"]))
    label(store, "ann", faces[1], verdict=Verdict.CLEARED)
    assert state_hash(store) == before


def just_before_recording(store: Store, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Have something happen between what the next command looks at and what it records."""
    record = store.record

    def late(stream: str, events: list[object]) -> object:
        monkeypatch.setattr(store, "record", record)
        act()
        return record(stream, events)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "record", late)


def merging(store: Store, persona_id: str, into: str) -> tuple[str, Callable[[], object]]:
    command = by()
    return str(command["command_id"]), lambda: curation.merge_personas(
        store=store,
        persona_id=persona_id,
        into=into,
        **command,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("verdict", [Verdict.BELONGS, Verdict.REJECTED])
def test_what_is_recorded_just_behind_a_merge_is_said_of_the_heir_and_comes_back(
    store: Store, faces: list[FaceKey], monkeypatch: pytest.MonkeyPatch, verdict: Verdict
) -> None:
    label(store, "ann", faces[0])
    label(store, "bob", faces[3])
    merge_id, merge = merging(store, "ann", "bob")
    just_before_recording(store, monkeypatch, merge)
    label(store, "ann", faces[1], verdict=verdict)
    belongs = verdict is Verdict.BELONGS
    assert said(store, *faces[:2]) == [{"bob": True}, {"bob": belongs}]
    assert store.label_counts(["ann", "bob"]) == {"ann": (0, 0), "bob": (2 + belongs, 1 - belongs)}
    unmerged = take_back(store, merge_id).command_id
    assert said(store, *faces[:2]) == [{"ann": True}, {"ann": belongs}]
    take_back(store, unmerged)
    assert said(store, *faces[:2]) == [{"bob": True}, {"bob": belongs}]


def test_who_inherits_from_a_persona_is_known_until_it_is_back(store: Store, faces: list[FaceKey]) -> None:
    make.add_personas(store, "Cid")
    assert (store.heir_of("ann"), store.heir_of("nobody ever")) == (None, None)
    curation.merge_personas(store=store, persona_id="ann", into="bob", **(merge := by()))  # type: ignore[arg-type]
    curation.delete_persona(store=store, persona_id="cid", **(deletion := by()))  # type: ignore[arg-type]
    assert (store.heir_of("ann"), store.heir_of("cid"), store.heir_of("bob")) == ("bob", NOBODY_INHERITS, None)
    take_back(store, str(merge["command_id"]))
    take_back(store, str(deletion["command_id"]))
    assert (store.heir_of("ann"), store.heir_of("cid")) == (None, None)


def test_what_the_heir_got_just_behind_a_merge_can_be_taken_back_alone(
    store: Store, faces: list[FaceKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    label(store, "ann", faces[0])
    just_before_recording(store, monkeypatch, merging(store, "ann", "bob")[1])
    take_back(store, label(store, "ann", faces[1]))
    assert said(store, *faces[:2]) == [{"bob": True}, {}]


def test_a_rejection_just_behind_a_merge_takes_no_label_from_the_heir(
    store: Store, faces: list[FaceKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    label(store, "bob", faces[0])
    just_before_recording(store, monkeypatch, merging(store, "ann", "bob")[1])
    label(store, "ann", *faces[:2], verdict=Verdict.REJECTED)
    assert said(store, *faces[:2]) == [{"bob": True}, {"bob": False}]


def test_a_label_behind_two_merges_goes_to_the_last_heir(
    store: Store, faces: list[FaceKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    make.add_personas(store, "Cid")
    (_, first), (_, second) = merging(store, "ann", "bob"), merging(store, "bob", "cid")
    just_before_recording(store, monkeypatch, lambda: (first(), second()))
    label(store, "ann", faces[0])
    assert said(store, faces[0]) == [{"cid": True}]


def test_a_label_recorded_behind_a_merge_done_again_is_said_of_the_heir(
    store: Store, faces: list[FaceKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    merge_id, merge = merging(store, "ann", "bob")
    merge()
    unmerged = take_back(store, merge_id).command_id
    just_before_recording(store, monkeypatch, lambda: take_back(store, unmerged))
    label(store, "ann", faces[0])
    assert said(store, faces[0]) == [{"bob": True}]


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


def test_a_merge_that_was_killed_before_its_last_look_is_finished_by_the_next_try(
    store: Store, faces: list[FaceKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, merge = merging(store, "ann", "bob")
    record = store.record

    def killed(stream: str, events: list[object]) -> object:
        monkeypatch.setattr(store, "record", record)
        label(store, "ann", faces[0])
        record(stream, events)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "record", killed)
    with pytest.raises(KeyboardInterrupt):
        merge()
    merge()
    assert said(store, faces[0]) == [{"bob": True}]


def test_a_merge_that_was_taken_back_moves_nothing_when_it_is_sent_again(store: Store, faces: list[FaceKey]) -> None:
    label(store, "ann", faces[0])
    merge_id, merge = merging(store, "ann", "bob")
    merge()
    take_back(store, merge_id)
    merge()
    assert said(store, faces[0]) == [{"ann": True}]


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


# ---- pictures --------------------------------------------------------------------------------------------------------


def test_a_deleted_picture_is_marked_and_its_faces_settled_until_it_is_undone(
    store: Store, faces: list[FaceKey]
) -> None:
    label(store, "ann", faces[0])
    people.choose_cover(store=store, persona_id="ann", cover=faces[0], **by())  # type: ignore[arg-type]
    before, command = state_hash(store), by()
    image_id = faces[0].image_id
    assert curation.delete_images(store=store, image_ids=[image_id], **command) == 1  # type: ignore[arg-type]
    assert store.images_by_id([image_id])[image_id].status is ImageStatus.DELETED
    assert [i.image_id for i in every(lambda c: store.images(cursor=c)) if i.status is ImageStatus.DELETED] == [
        image_id
    ]
    assert store.count_images()["deleted"] == 1
    assert said(store, faces[0]) == [{DELETED: True}]
    assert store.personas_by_id(["ann"])["ann"].cover is None
    take_back(store, str(command["command_id"]))
    assert state_hash(store) == before
    assert store.count_images()["deleted"] == 0


def test_a_picture_that_is_deleted_stays_so_when_it_is_found_again(store: Store, faces: list[FaceKey]) -> None:
    image_id = make.image_id("picture-0")
    curation.delete_images(store=store, image_ids=[image_id], **by())  # type: ignore[arg-type]
    make.save(store, make.extracted("picture-0", detector="another"))
    assert store.images_by_id([image_id])[image_id].status is ImageStatus.DELETED


def test_no_face_is_added_to_a_deleted_picture_until_it_is_back(store: Store, faces: list[FaceKey]) -> None:
    image_id, command = make.image_id("picture-0"), by()
    curation.delete_images(store=store, image_ids=[image_id], **command)  # type: ignore[arg-type]
    again = make.extracted("picture-0", detector="another", faces=[make.new_face("elsewhere", place=1)])
    saved = make.save(store, again)
    assert (saved.ingest_seq, [face.face_no for face in saved.faces[image_id]]) == (None, [0])
    assert len(store.faces_of([image_id])[image_id]) == 1
    take_back(store, str(command["command_id"]))
    make.save(store, again)
    assert len(store.faces_of([image_id])[image_id]) == 2


def test_a_face_that_is_found_while_its_picture_is_deleted_is_settled_with_it(
    store: Store, faces: list[FaceKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    image_id, command = make.image_id("picture-0"), by()
    again = make.extracted("picture-0", detector="another", faces=[make.new_face("elsewhere", place=1)])
    just_before_recording(store, monkeypatch, lambda: make.save(store, again))
    curation.delete_images(store=store, image_ids=[image_id], **command)  # type: ignore[arg-type]
    both = [FaceKey(image_id, 0), FaceKey(image_id, 1)]
    assert said(store, *both) == [{DELETED: True}] * 2
    take_back(store, str(command["command_id"]))
    assert said(store, *both) == [{}, {}]


def test_of_a_face_whose_picture_is_deleted_nothing_is_said(store: Store, faces: list[FaceKey]) -> None:
    label(store, "ann", faces[0], verdict=Verdict.REJECTED)
    curation.delete_images(store=store, image_ids=[faces[0].image_id], **by())  # type: ignore[arg-type]
    head = store.head(LABELS)
    with pytest.raises(NotFoundError, match="deleted"):
        label(store, "ann", faces[0])
    with pytest.raises(NotFoundError, match="deleted"):
        curation.delete_images(store=store, image_ids=[faces[0].image_id], **by())  # type: ignore[arg-type]
    assert store.head(LABELS) == head
    assert persona_labelled(store, "ann", belongs=False).items == ()


def test_a_deletion_that_was_cut_short_leaves_faces_that_can_be_named(
    store: Store, faces: list[FaceKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    def delete() -> object:
        return curation.delete_images(store=store, image_ids=[faces[0].image_id], **by())  # type: ignore[arg-type]

    cut_after(store, 1, delete, monkeypatch)
    assert said(store, faces[0]) == [{DELETED: True}]
    label(store, "ann", faces[0])
    assert said(store, faces[0]) == [{"ann": True}]


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


# ---- anything --------------------------------------------------------------------------------------------------------


@dataclass
class Walk:
    """Random actions of people, and the order in which they were done."""

    store: Store
    faces: list[FaceKey]
    chance: random.Random
    personas: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)

    def step(self) -> None:
        acts = [self._label, self._label, self._label, self._add, self._look, self._curate, self._undo]
        command = by(f"step {len(self.done)} {self.chance.random()}")
        try:
            self.chance.choice(acts)(command)
        except FaceProjectError:
            return  # nobody of that id any more, or changed since: refused, and nothing was done
        self.done.append(str(command["command_id"]))
        if len(self.done) % LOOK_EVERY == 0:
            self.look_at_all_labels()

    def look_at_all_labels(self) -> None:
        """Nothing is said of anybody who is gone."""
        known = {persona.persona_id for persona in self.store.personas(limit=10_000).items}
        assert {label.persona_id for label in self.store.all_labels()} <= known | NOBODY.keys()

    def _some(self) -> list[FaceKey]:
        return self.chance.sample(self.faces, self.chance.randint(1, 4))

    def _someone(self) -> str:
        return self.chance.choice(sorted(p.persona_id for p in self.store.personas(limit=10_000).items) or ["nobody"])

    def _label(self, command: dict[str, object]) -> None:
        persona_id = self.chance.choice([self._someone()] * 4 + [STRANGER, IGNORED, NOT_A_FACE])
        label(self.store, persona_id, *self._some(), verdict=self.chance.choice(list(Verdict)), **command)

    def _add(self, command: dict[str, object]) -> None:
        faces = self._some() if self.chance.random() < 0.5 else ()
        people.add_persona(store=self.store, name=self.chance.choice("ABCDE"), faces=faces, **command)  # type: ignore[arg-type]

    def _look(self, command: dict[str, object]) -> None:
        common = {"store": self.store, "persona_id": self._someone(), **command}
        match self.chance.randrange(3):
            case 0:
                people.rename_persona(name=self.chance.choice("ABCDE"), **common)  # type: ignore[arg-type]
            case 1:
                people.choose_cover(cover=self.chance.choice([None, *self.faces]), **common)  # type: ignore[arg-type]
            case _:
                people.hide_persona(hidden=self.chance.random() < 0.5, **common)  # type: ignore[arg-type]

    def _curate(self, command: dict[str, object]) -> None:
        match self.chance.randrange(3):
            case 0:
                into = self._someone()
                curation.merge_personas(store=self.store, persona_id=self._someone(), into=into, **command)  # type: ignore[arg-type]
            case 1:
                curation.delete_persona(store=self.store, persona_id=self._someone(), **command)  # type: ignore[arg-type]
            case _:
                ids = {key.image_id for key in self._some()}
                curation.delete_images(store=self.store, image_ids=ids, **command)  # type: ignore[arg-type]

    def _undo(self, command: dict[str, object]) -> None:
        if not self.done:
            raise NotFoundError("Nothing was done yet.")
        chosen = self.chance.choice(self.done)
        if not undo.standing_of(self.store, [chosen])[chosen].stands:
            raise NotFoundError("This is taken back.")
        command["command_id"] = take_back(self.store, chosen).command_id

    def take_all_back(self) -> None:
        for command_id in reversed(self.done):
            take_back(self.store, command_id)


@pytest.mark.parametrize("seed", range(2))
def test_undoing_everything_leads_back_to_the_start(store: Store, seed: int) -> None:
    faces = make.save_pictures(store, 12, faces=2)
    make.add_personas(store, "Ann", "Bob", "Cid")
    label(store, "ann", *faces[:3])
    label(store, "bob", faces[5], verdict=Verdict.REJECTED)
    before = state_hash(store)
    walk = Walk(store, faces, random.Random(seed))
    for _ in range(OPERATIONS):
        walk.step()
    walk.look_at_all_labels()
    assert state_hash(store) != before
    assert len(walk.done) > OPERATIONS / 3
    walk.take_all_back()
    assert state_hash(store) == before
