"""Contract: events, and the personas and labels projected from them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from personas.entities import INGEST, LABELS, STRANGER, FaceKey, NewEvent, Truth, Verdict
from personas.errors import NotFoundError
from personas.projection import COVER_CHOSEN, PERSONA_RENAMED
from personas.store.base import Store
from tests import factories as make
from tests.contracts.paging import everything


def said(store: Store, key: FaceKey) -> dict[str, bool]:
    labels = store.labels_of_images([key.image_id]).get(key, ())
    return {label.persona_id: label.belongs for label in labels}


def named(store: Store, persona_id: str, *, belongs: bool = True) -> list[FaceKey]:
    read = everything(lambda cursor: store.labels_of_persona(persona_id, belongs=belongs, cursor=cursor, limit=3))
    return [label.key for label in read]


# ---- the log ---------------------------------------------------------------------------------------------------------


def test_an_empty_log_has_no_head(store: Store) -> None:
    assert store.head(LABELS) == 0
    assert store.events(LABELS, after=0) == ()
    assert store.record(LABELS, []) == ()


def test_events_are_numbered_from_one_and_read_back_as_recorded(store: Store) -> None:
    recorded = make.add_personas(store, "Ann", "Bob") + make.label(store, "ann", make.key("a"))
    assert [event.seq for event in recorded] == [1, 2, 3]
    assert store.events(LABELS, after=0) == recorded
    assert store.events(LABELS, after=1, limit=1) == recorded[1:2]
    assert store.events(LABELS, after=3) == ()
    assert store.head(LABELS) == 3
    assert recorded[0].at == make.NOW
    assert recorded[2].payload["faces"] == [[make.image_id("a"), 0]]


def test_streams_are_numbered_apart(store: Store) -> None:
    make.add_personas(store, "Ann")
    make.save(store, make.extracted("a"))
    assert (store.head(LABELS), store.head(INGEST)) == (1, 1)


def test_an_event_id_is_recorded_once(store: Store) -> None:
    event = make.persona_added("ann", command=make.command_id("once"))
    other = make.persona_added("bob")
    first = store.record(LABELS, [event])
    assert store.record(LABELS, [event, other])[0] == first[0]
    assert store.record(LABELS, [event]) == first
    assert store.head(LABELS) == 2


def test_an_event_twice_in_one_call_is_recorded_once(store: Store) -> None:
    event = make.persona_added("ann", command=make.command_id("twice"))
    assert len({recorded.seq for recorded in store.record(LABELS, [event, event])}) == 1
    assert store.head(LABELS) == 1


def test_an_event_in_the_log_is_not_projected_again(store: Store) -> None:
    make.add_personas(store, "Ann")
    event = make.labelled("ann", [make.key("a")], command=make.command_id("label"))
    store.record(LABELS, [event])
    make.label(store, "ann", make.key("a"), verdict=Verdict.CLEARED)
    store.record(LABELS, [event])
    assert said(store, make.key("a")) == {}


def test_an_event_of_a_kind_nobody_knows_is_kept(store: Store) -> None:
    event = NewEvent(kind="from_the_future", actor="x", at=make.NOW, command_id=make.command_id(), payload={"é": [1]})
    assert store.record(LABELS, [event])[0].payload == {"é": [1]}


def test_four_writers_leave_a_log_without_gaps(shared_store: Store, together: Callable[..., list[object]]) -> None:
    store = shared_store

    def write(writer: int) -> Callable[[], object]:
        def run() -> None:
            for n in range(10):
                store.record(LABELS, [make.persona_added(f"p{writer}-{n}"), make.persona_added(f"q{writer}-{n}")])

        return run

    together([write(writer) for writer in range(4)])
    events = store.events(LABELS, after=0)
    assert [event.seq for event in events] == list(range(1, 81))
    assert store.head(LABELS) == 80
    assert len({event.event_id for event in events}) == 80
    assert len(everything(lambda cursor: store.personas(cursor=cursor, limit=7))) == 80
    for writer in range(4):  # each writer's own order is kept
        own = [e.payload["persona_id"] for e in events if e.payload["persona_id"].startswith(f"p{writer}-")]
        assert own == [f"p{writer}-{n}" for n in range(10)]


def test_the_same_event_from_four_writers_is_recorded_once(
    shared_store: Store, together: Callable[..., list[object]]
) -> None:
    event = make.persona_added("ann", command=make.command_id("race"))
    results = together([lambda: shared_store.record(LABELS, [event])] * 4)
    assert results == [results[0]] * 4
    assert shared_store.head(LABELS) == 1


def test_repair_of_a_healthy_store_changes_nothing(store: Store) -> None:
    make.add_personas(store, "Ann")
    make.label(store, "ann", make.key("a"))
    before = list(store.all_labels())
    assert store.repair() == 0
    assert list(store.all_labels()) == before


# ---- personas --------------------------------------------------------------------------------------------------------


def test_personas_page_by_id(store: Store) -> None:
    make.add_personas(store, "Eve", "Ann", "Dan", "Bob", "Cid")
    found = everything(lambda cursor: store.personas(cursor=cursor, limit=2))
    assert [persona.persona_id for persona in found] == ["ann", "bob", "cid", "dan", "eve"]
    assert found[0] == make.persona("ann", "Ann")


def test_two_personas_may_share_a_name(store: Store) -> None:
    store.record(LABELS, [make.persona_added("ann-1", "Ann"), make.persona_added("ann-2", "Ann")])
    assert [persona.persona_id for persona in store.personas_named("Ann")] == ["ann-1", "ann-2"]
    assert store.personas_named("ann") == ()
    assert store.personas_named("Nobody") == ()


def test_a_persona_added_again_keeps_its_name(store: Store) -> None:
    make.add_personas(store, "Ann")
    store.record(LABELS, [make.persona_added("ann", "Other")])
    assert store.personas_by_id(["ann"])["ann"].name == "Ann"


def test_renaming_and_covers_are_projected(store: Store) -> None:
    make.add_personas(store, "Ann")

    def tell(kind: str, **payload: object) -> None:
        event = NewEvent(kind=kind, actor="x", at=make.NOW, command_id=make.command_id(), payload=payload)
        store.record(LABELS, [event])

    tell(PERSONA_RENAMED, persona_id="ann", name="Anna")
    tell(COVER_CHOSEN, persona_id="ann", cover=[make.image_id("a"), 3])
    ann = store.personas_by_id(["ann"])["ann"]
    assert (ann.name, ann.cover) == ("Anna", make.key("a", 3))
    tell(COVER_CHOSEN, persona_id="ann", cover=None)
    assert store.personas_by_id(["ann"])["ann"].cover is None


def test_unknown_personas_are_left_out(store: Store) -> None:
    assert store.personas_by_id(["nobody"]) == {}
    assert store.labels_of_persona("nobody", belongs=True).items == ()
    assert store.label_counts(["nobody"]) == {"nobody": (0, 0)}
    assert store.first_labelled(["nobody"]) == {}


# ---- verdicts --------------------------------------------------------------------------------------------------------


def test_a_label_says_who_when_and_by_which_event(store: Store) -> None:
    make.add_personas(store, "Ann")
    event = make.labelled("ann", [make.key("a")], actor="zoe", when=make.at(5))
    store.record(LABELS, [event])
    (label,) = store.labels_of_images([make.image_id("a")])[make.key("a")]
    assert (label.persona_id, label.key, label.belongs) == ("ann", make.key("a"), True)
    assert (label.actor, label.at, label.seq) == ("zoe", make.at(5), 2)


def test_belongs_moves_a_face_from_another_persona(store: Store) -> None:
    make.add_personas(store, "Ann", "Bob")
    make.label(store, "ann", make.key("a"), make.key("b"))
    make.label(store, "bob", make.key("a"))
    assert said(store, make.key("a")) == {"bob": True}
    assert said(store, make.key("b")) == {"ann": True}


def test_belongs_keeps_rejections_by_other_personas(store: Store) -> None:
    make.label(store, "ann", make.key("a"), verdict=Verdict.REJECTED)
    make.label(store, "bob", make.key("a"))
    assert said(store, make.key("a")) == {"ann": False, "bob": True}


def test_belongs_replaces_a_rejection_of_the_same_persona(store: Store) -> None:
    make.label(store, "ann", make.key("a"), verdict=Verdict.REJECTED)
    make.label(store, "ann", make.key("a"))
    assert said(store, make.key("a")) == {"ann": True}


def test_rejected_removes_the_label_of_this_persona_only(store: Store) -> None:
    make.label(store, "ann", make.key("a"))
    make.label(store, "bob", make.key("b"))
    make.label(store, "ann", make.key("a"), make.key("b"), verdict=Verdict.REJECTED)
    assert said(store, make.key("a")) == {"ann": False}
    assert said(store, make.key("b")) == {"ann": False, "bob": True}


def test_a_face_may_be_rejected_by_many(store: Store) -> None:
    for persona_id in ("ann", "bob", "cid"):
        make.label(store, persona_id, make.key("a"), verdict=Verdict.REJECTED)
    assert said(store, make.key("a")) == {"ann": False, "bob": False, "cid": False}


def test_cleared_takes_back_what_was_said_of_this_persona_only(store: Store) -> None:
    make.label(store, "ann", make.key("a"))
    make.label(store, "bob", make.key("a"), make.key("b"), verdict=Verdict.REJECTED)
    make.label(store, "ann", make.key("a"), verdict=Verdict.CLEARED)
    assert said(store, make.key("a")) == {"bob": False}
    make.label(store, "bob", make.key("a"), verdict=Verdict.CLEARED)
    assert said(store, make.key("a")) == {}
    assert said(store, make.key("b")) == {"bob": False}
    make.label(store, "bob", make.key("never said"), verdict=Verdict.CLEARED)


def test_faces_of_one_picture_are_labelled_apart(store: Store) -> None:
    make.label(store, "ann", make.key("a", 0))
    make.label(store, "bob", make.key("a", 1), make.key("a", 11))
    make.label(store, "cid", make.key("a", 1))
    assert {
        key.face_no: [label.persona_id for label in labels]
        for key, labels in store.labels_of_images([make.image_id("a")]).items()
    } == {0: ["ann"], 1: ["cid"], 11: ["bob"]}


def test_strangers_have_labels_and_no_persona(store: Store) -> None:
    make.label(store, "ann", make.key("a"))
    make.label(store, STRANGER, make.key("a"), make.key("b"))
    assert named(store, STRANGER) == sorted([make.key("a"), make.key("b")])
    assert named(store, "ann") == []
    assert store.personas_by_id([STRANGER]) == {}


def test_a_command_of_thousands_of_faces_is_projected_whole(store: Store) -> None:
    keys = [make.key(n // 2, n % 2) for n in range(2400)]
    make.label(store, "ann", *keys)
    make.label(store, "bob", *keys[:1300])
    make.label(store, "bob", *keys[:50], verdict=Verdict.CLEARED)
    assert store.label_counts(["ann", "bob"]) == {"ann": (1100, 0), "bob": (1250, 0)}


def test_labels_of_a_persona_page_by_face(store: Store) -> None:
    keys = [make.key(n, face_no) for n in range(4) for face_no in (0, 2, 10)]
    make.label(store, "ann", *keys)
    rejected = [make.key(n, 5) for n in range(4)]
    make.label(store, "ann", *rejected, verdict=Verdict.REJECTED)
    assert named(store, "ann") == sorted(keys)
    assert named(store, "ann", belongs=False) == sorted(rejected)


def test_counts_and_first_faces_of_many_personas(store: Store) -> None:
    make.label(store, "ann", make.key("b", 2), make.key("b", 1), make.key("a", 7))
    make.label(store, "bob", make.key("b", 3))
    make.label(store, "ann", make.key("c"), verdict=Verdict.REJECTED)
    make.label(store, "cid", make.key("0"), verdict=Verdict.REJECTED)
    assert store.label_counts(["ann", "bob", "cid"]) == {"ann": (3, 1), "bob": (1, 0), "cid": (0, 1)}
    lowest = min(make.key("b", 1), make.key("a", 7))
    assert store.first_labelled(["ann", "bob", "cid"]) == {"ann": lowest, "bob": make.key("b", 3)}


def test_all_labels_streams_labels_and_rejections(store: Store) -> None:
    make.label(store, "ann", *[make.key(n) for n in range(20)])
    make.label(store, "bob", *[make.key(n) for n in range(20)], verdict=Verdict.REJECTED)
    labels = list(store.all_labels())
    assert sorted((label.persona_id, label.belongs, label.key) for label in labels) == sorted(
        (persona_id, belongs, make.key(n)) for persona_id, belongs in (("ann", True), ("bob", False)) for n in range(20)
    )


def test_a_labels_cursor_that_no_page_gave_is_refused(store: Store) -> None:
    with pytest.raises(NotFoundError):
        store.labels_of_persona("ann", belongs=True, cursor="rubbish")


def test_writers_who_fight_over_faces_leave_each_with_one_persona(
    shared_store: Store, together: Callable[..., list[object]]
) -> None:
    keys = [make.key(n) for n in range(30)]

    def claim(persona_id: str) -> Callable[[], object]:
        return lambda: [make.label(shared_store, persona_id, *keys) for _ in range(5)]

    together([claim(name) for name in ("ann", "bob", "cid", "dan")])
    (last,) = shared_store.events(LABELS, after=19)
    labels = list(shared_store.all_labels())
    assert len(labels) == 30
    assert {label.persona_id for label in labels} == {last.payload["persona_id"]}
    assert all(before.seq + 1 == after.seq for before, after in pairwise(shared_store.events(LABELS, after=0)))


# ---- ground truth ----------------------------------------------------------------------------------------------------


def test_ground_truth_is_kept_by_face_and_replaced(store: Store) -> None:
    first = Truth(image_id=make.image_id("a"), face_no=0, persona="Ann", category="clear")
    nobody = Truth(image_id=make.image_id("b"), face_no=1, persona=None, category="")
    store.put_truths([first, nobody])
    changed = Truth(image_id=make.image_id("a"), face_no=0, persona="Bob", category="covered")
    store.put_truths([changed])
    assert sorted(store.truths(), key=lambda truth: truth.category) == [nobody, changed]
    assert list(store.all_labels()) == []
