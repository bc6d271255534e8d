"""Two personas that are one: everything said goes to the heir, also what is said meanwhile, and comes apart again."""

from __future__ import annotations

import pytest

from personas.entities import FaceKey, Verdict
from personas.errors import NotFoundError
from personas.selectors.history import history, is_curated
from personas.services import curation
from personas.services import personas as people
from personas.state_hash import state_hash
from personas.store.base import Store
from personas.store.inheriting import NOBODY_INHERITS
from tests import factories as make
from tests.contracts.acts import by, cut_after, just_before_recording, label, merging, said, take_back


@pytest.fixture
def faces(store: Store) -> list[FaceKey]:
    make.add_personas(store, "Ann", "Bob")
    return make.save_pictures(store, 4)


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
