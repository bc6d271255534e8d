"""Erasing as the product does it: in steps that a kill may cut short anywhere, with files, covers and undo."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Any

import pytest

from personas.entities import (
    DELETED,
    INGEST,
    LABELS,
    STRANGER,
    DeletedImage,
    ErasedImage,
    FaceKey,
    ImageStatus,
    NewEvent,
    Slice,
    Verdict,
)
from personas.errors import NotFoundError, TransientError
from personas.selectors.erasing import deleted_picture, deleted_pictures, erasing_is_due_at, unfinished
from personas.services import curation, erasing, labelling, undo
from personas.services import personas as people
from personas.services.commands import CommandUsedError
from personas.state_hash import state_hash
from personas.store.base import Store
from personas.store.paging import every
from tests import factories as make

KEPT = timedelta(days=30)


def by(name: str | int | None = None, *, at: float = 0.0) -> dict[str, Any]:
    return {"actor": "tester", "at": make.at(at), "command_id": make.command_id(name)}


def delete(store: Store, *image_ids: str, **command: Any) -> str:
    command = command or by()
    curation.delete_images(store=store, image_ids=image_ids, **command)
    return str(command["command_id"])


def finish(store: Store, dropped: list[str] | None = None) -> int:
    gone: list[str] = [] if dropped is None else dropped
    return erasing.finish_erasing(store=store, drop_files=gone.extend, clock=lambda: make.NOW, wait_seconds=0)


def erase(store: Store, *image_ids: str, **command: Any) -> None:
    erasing.begin_erasing(store=store, image_ids=image_ids, **(command or by()))
    finish(store)


def take_back(store: Store, command_id: str) -> undo.Undone:
    return undo.undo_command(store=store, command_id=command_id, actor="tester", at=make.NOW)


@pytest.fixture
def faces(store: Store) -> list[FaceKey]:
    """Faces of four pictures; Ann has the first two, and the first is her cover."""
    make.add_personas(store, "Ann")
    keys = make.save_pictures(store, 4)
    labelling.label_faces(store=store, persona_id="ann", faces=keys[:2], verdict=Verdict.BELONGS, **by("named"))
    people.choose_cover(store=store, persona_id="ann", cover=keys[0], **by("cover"))
    return keys


def test_only_what_was_deleted_can_be_erased(store: Store, faces: list[FaceKey]) -> None:
    with pytest.raises(erasing.UnableToEraseError, match="Delete it first"):
        erase(store, faces[0].image_id)
    assert faces[0].image_id in store.images_by_id([faces[0].image_id])


def test_an_erased_picture_takes_its_files_along(store: Store, faces: list[FaceKey]) -> None:
    delete(store, faces[0].image_id)
    dropped: list[str] = []
    erasing.begin_erasing(store=store, image_ids=[faces[0].image_id], **by())
    assert finish(store, dropped) == 1
    assert dropped == [faces[0].image_id]
    assert finish(store, dropped) == 0
    assert dropped == [faces[0].image_id]
    assert erasing_is_due_at(store, now=make.NOW, kept=KEPT) is None


def test_a_cover_goes_with_its_picture(store: Store, faces: list[FaceKey]) -> None:
    """Whoever chose it may have done so while the picture was being deleted."""
    delete(store, faces[2].image_id)
    people.choose_cover(store=store, persona_id="ann", cover=faces[1], **by())
    event = {"persona_id": "ann", "cover": list(faces[2])}
    store.record(LABELS, [NewEvent(kind="cover_chosen", payload=event, **by())])
    erase(store, faces[2].image_id)
    assert store.personas_by_id(["ann"])["ann"].cover is None


def test_a_command_sent_twice_erases_once(store: Store, faces: list[FaceKey]) -> None:
    delete(store, *(key.image_id for key in faces[:2]))
    command = by("once")
    assert erasing.begin_erasing(store=store, image_ids=[faces[0].image_id], **command) == 1
    finish(store)
    head = store.head(LABELS)
    assert erasing.begin_erasing(store=store, image_ids=[faces[0].image_id], **command) == 1
    assert store.head(LABELS) == head
    with pytest.raises(CommandUsedError):
        erasing.begin_erasing(store=store, image_ids=[faces[1].image_id], **command)


def test_what_is_erased_already_is_said_to_be(store: Store, faces: list[FaceKey]) -> None:
    delete(store, faces[0].image_id)
    erase(store, faces[0].image_id)
    with pytest.raises(NotFoundError, match="This picture was erased for good on 2 January 2026"):
        erase(store, faces[0].image_id)
    with pytest.raises(NotFoundError, match="erased for good on 2 January 2026"):
        deleted_picture(store, faces[0].image_id, kept=KEPT)


def test_what_is_restored_at_the_same_moment_is_not_erased(store: Store, faces: list[FaceKey]) -> None:
    deletion = delete(store, faces[3].image_id)
    before = state_hash(store)
    with pytest.MonkeyPatch.context() as patched:
        record = store.record

        def too_late(stream: str, events: Any) -> Any:
            patched.undo()
            take_back(store, deletion)
            return record(stream, events)

        patched.setattr(store, "record", too_late)
        with pytest.raises(erasing.UnableToEraseError, match="restored this at the same moment"):
            erasing.begin_erasing(store=store, image_ids=[faces[3].image_id], **by())
    finish(store)
    assert store.images_by_id([faces[3].image_id])[faces[3].image_id].status is ImageStatus.FACES
    assert store.erased_among([faces[3].image_id]) == {}
    delete(store, faces[3].image_id)
    assert state_hash(store) == before


def test_of_two_who_erase_one_picture_the_first_does(store: Store, faces: list[FaceKey]) -> None:
    picture = faces[3].image_id
    delete(store, picture)
    with pytest.MonkeyPatch.context() as patched:
        record = store.record

        def second(stream: str, events: Any) -> Any:
            patched.undo()
            erasing.begin_erasing(store=store, image_ids=[picture], **by("first"))
            return record(stream, events)

        patched.setattr(store, "record", second)
        with pytest.raises(NotFoundError, match="erased for good"):
            erasing.begin_erasing(store=store, image_ids=[picture], **by("second"))
    assert unfinished(store) == {picture: make.command_id("first")}
    assert finish(store) == 1


def test_a_deletion_behind_an_erasure_leaves_nothing_to_finish(store: Store, faces: list[FaceKey]) -> None:
    picture = faces[3].image_id
    delete(store, picture)
    erase(store, picture)
    store.record(LABELS, [NewEvent(kind="images_deleted", payload={"images": [picture]}, **by())])
    assert store.deleted_images().items == ()
    assert erasing_is_due_at(store, now=make.NOW, kept=KEPT) is None


def test_of_several_those_that_were_restored_stay(store: Store, faces: list[FaceKey]) -> None:
    restored, gone = faces[2].image_id, faces[3].image_id
    deletion = delete(store, restored)
    delete(store, gone)
    take_back(store, deletion)
    store.record(LABELS, [NewEvent(kind="images_erasing", index=1, payload={"images": [restored, gone]}, **by())])
    dropped: list[str] = []
    assert finish(store, dropped) == 1
    assert dropped == [gone]
    assert store.images_by_id([restored, gone]).keys() == {restored}
    assert store.erased_among([restored, gone]).keys() == {gone}


# ---- kills -----------------------------------------------------------------------------------------------------------


class Killed(Exception):  # noqa: N818 - what happens to the process
    """The process ends here."""


class KilledStore:
    """The store, in a process that is killed before, or right after, its n-th write."""

    WRITES = ("record", "erase_images", "advance_cursor")

    def __init__(self, store: Store, *, at: int, after: bool) -> None:
        self._store = store
        self._left = at
        self._after = after

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        return self._dying(method) if name in self.WRITES else method

    def drop_files(self, image_ids: Collection[str]) -> None:
        self._dying(lambda _: None)(image_ids)

    def _dying(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self._left -= 1
            if self._left == 0 and not self._after:
                raise Killed
            done = method(*args, **kwargs)
            if self._left == 0:
                raise Killed
            return done

        return call


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", [1, 2, 3, 4, 5])
def test_killed_anywhere_and_gone_on_the_end_is_the_same(
    store: Store, faces: list[FaceKey], step: int, after: bool
) -> None:
    """Record what goes, remove it, drop the files, record that it is gone, move the cursor."""
    gone = [key.image_id for key in faces[1:3]]
    delete(store, *gone)
    dying: Any = KilledStore(store, at=step, after=after)
    command = by("killed")
    with pytest.raises(Killed):
        erasing.begin_erasing(store=dying, image_ids=gone, **command)
        erasing.finish_erasing(store=dying, drop_files=dying.drop_files, clock=lambda: make.NOW)
    erasing.begin_erasing(store=store, image_ids=gone, **command)  # the button is pressed again
    dropped: list[str] = []
    finish(store, dropped)
    closed_before = step == 5 or (step == 4 and after)
    assert dropped == ([] if closed_before else sorted(gone))
    assert {image.image_id for image in every(lambda cursor: store.images(cursor=cursor))} == {
        faces[0].image_id,
        faces[3].image_id,
    }
    assert {label.image_id for label in store.all_labels()} == {faces[0].image_id}
    assert store.deleted_images().items == ()
    assert sorted(store.erased_among(gone)) == sorted(gone)
    assert [event.kind for event in store.events(INGEST, after=0)].count("pictures_erased") == 1
    assert [event.kind for event in store.events(LABELS, after=0)].count("images_erased") == 1
    counted = store.count_images()
    assert (counted["faces"], counted["faces_total"], counted["deleted"]) == (2, 2, 0)


# ---- what a look reads -----------------------------------------------------------------------------------------------


class CountingStore:
    """The store, with the marks that were read from it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.read: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def deleted_images(self, **options: Any) -> Slice[DeletedImage]:
        page = self._store.deleted_images(**options)
        self.read += [mark.image_id for mark in page.items]
        return page

    def erased_images(self, **options: Any) -> Slice[ErasedImage]:
        raise AssertionError("what was erased is read by key alone: there is ever more of it")


@pytest.mark.parametrize("killed", [False, True])
def test_a_look_reads_the_marks_of_what_awaits_erasing_however_much_was_erased(store: Store, killed: bool) -> None:
    keys = make.save_pictures(store, 12)
    ids = [key.image_id for key in keys]
    for number in range(0, 9, 3):
        delete(store, *ids[number : number + 3])
        if killed:
            dying: Any = KilledStore(store, at=3, after=False)  # all is removed, but for the marks
            with pytest.raises(Killed):
                erasing.begin_erasing(store=dying, image_ids=ids[number : number + 3], **by(number))
                erasing.finish_erasing(store=dying, drop_files=lambda _: None, clock=lambda: make.NOW)
        erase(store, *ids[number : number + 3], **by(number))
    counting: Any = CountingStore(store)
    assert erasing_is_due_at(counting, now=make.NOW, kept=KEPT) is None
    assert unfinished(counting) == {}
    assert counting.read == []

    delete(store, ids[9], **by(at=5))
    delete(store, ids[10], **by(at=7))
    assert erasing_is_due_at(counting, now=make.NOW, kept=KEPT) == make.at(5) + KEPT
    assert sorted(counting.read) == sorted(ids[9:11])


# ---- due in time -----------------------------------------------------------------------------------------------------


def test_a_sweep_erases_what_was_deleted_long_enough_ago(store: Store, faces: list[FaceKey]) -> None:
    delete(store, faces[0].image_id, **by())
    delete(store, faces[1].image_id, **by(at=10))
    now = make.at(0) + KEPT
    assert erasing_is_due_at(store, now=make.NOW, kept=KEPT) == now
    assert erasing_is_due_at(store, now=now - timedelta(seconds=1), kept=KEPT) == now
    later = now + timedelta(seconds=1)
    assert erasing_is_due_at(store, now=later, kept=KEPT) == later
    n_gone = erasing.erase_due(store=store, kept=KEPT, actor="erasing", clock=lambda: now, drop_files=lambda _: None)
    assert n_gone == 1
    assert [one.image_id for one in store.deleted_images().items] == [faces[1].image_id]


def test_a_sweep_finishes_what_was_begun(store: Store, faces: list[FaceKey]) -> None:
    delete(store, faces[0].image_id)
    erasing.begin_erasing(store=store, image_ids=[faces[0].image_id], **by())
    assert unfinished(store).keys() == {faces[0].image_id}
    assert erasing_is_due_at(store, now=make.NOW, kept=KEPT) == make.NOW
    assert deleted_pictures(store, kept=KEPT).items == ()
    erasing.erase_due(store=store, kept=KEPT, actor="erasing", clock=lambda: make.NOW, drop_files=lambda _: None)
    assert unfinished(store) == {}


def test_a_mark_that_is_all_there_is_of_a_picture_goes_with_the_others(store: Store, faces: list[FaceKey]) -> None:
    """As in a store that was put together from parts of a backup."""
    absent = make.image_id("absent")
    store.record(LABELS, [NewEvent(kind="images_deleted", payload={"images": [absent]}, **by())])
    delete(store, faces[0].image_id)
    later = make.NOW + 2 * KEPT
    erasing.erase_due(store=store, kept=KEPT, actor="erasing", clock=lambda: later, drop_files=lambda _: None)
    assert store.deleted_images().items == ()
    assert faces[0].image_id not in store.images_by_id([faces[0].image_id])


def test_a_picture_that_cannot_go_now_keeps_no_other(store: Store, faces: list[FaceKey]) -> None:
    for number, key in enumerate(faces[:3]):
        delete(store, key.image_id)
        erasing.begin_erasing(store=store, image_ids=[key.image_id], **by(number))

    def busy(image_ids: Collection[str]) -> None:
        if faces[1].image_id in image_ids:
            raise TransientError("Somebody is saving it.")

    with pytest.raises(TransientError, match="saving"):
        erasing.finish_erasing(store=store, drop_files=busy, clock=lambda: make.NOW)
    assert unfinished(store).keys() == {faces[1].image_id}
    assert finish(store) == 1


def test_deleted_pictures_tell_until_when_they_come_back(store: Store, faces: list[FaceKey]) -> None:
    command = delete(store, faces[0].image_id)
    (found,) = deleted_pictures(store, kept=KEPT).items
    assert (found.image.image_id, found.deleted.command_id) == (faces[0].image_id, command)
    assert found.erased_from == make.NOW + KEPT
    assert deleted_picture(store, faces[0].image_id, kept=KEPT) == found
    with pytest.raises(NotFoundError, match="restored"):
        deleted_picture(store, faces[1].image_id, kept=KEPT)


# ---- allowing again --------------------------------------------------------------------------------------------------


def test_what_is_allowed_again_can_be_taken_in(store: Store, faces: list[FaceKey]) -> None:
    delete(store, make.image_id("picture-0"))
    erase(store, make.image_id("picture-0"))
    assert make.save(store, make.extracted("picture-0")).new_images == ()
    allowed = erasing.allow_images(store=store, image_ids=[make.image_id("picture-0")], **by())
    assert [one.image_id for one in allowed] == [make.image_id("picture-0")]
    assert make.save(store, make.extracted("picture-0")).new_images == (make.image_id("picture-0"),)
    assert store.images_by_id([make.image_id("picture-0")])[make.image_id("picture-0")].status is ImageStatus.FACES


def test_what_was_never_erased_needs_no_leave(store: Store, faces: list[FaceKey]) -> None:
    with pytest.raises(NotFoundError, match="was not erased"):
        erasing.allow_images(store=store, image_ids=[faces[0].image_id], **by())


def test_what_is_being_erased_is_not_allowed_again_yet(store: Store, faces: list[FaceKey]) -> None:
    delete(store, faces[0].image_id)
    erasing.begin_erasing(store=store, image_ids=[faces[0].image_id], **by())
    with pytest.raises(erasing.UnableToEraseError, match="right now"):
        erasing.allow_images(store=store, image_ids=[faces[0].image_id], **by())


# ---- undo ------------------------------------------------------------------------------------------------------------


def test_undoing_the_deletion_of_an_erased_picture_says_that_it_is_gone(store: Store, faces: list[FaceKey]) -> None:
    deletion = delete(store, faces[0].image_id)
    erase(store, faces[0].image_id)
    with pytest.raises(undo.UnableToUndoError, match="This picture was erased for good on 2 January 2026"):
        take_back(store, deletion)
    assert faces[0] not in {label.key for label in store.all_labels()}


def test_an_undo_gives_back_what_was_not_erased(store: Store, faces: list[FaceKey]) -> None:
    deletion = delete(store, faces[0].image_id, faces[1].image_id)
    erase(store, faces[0].image_id)
    undone = take_back(store, deletion)
    assert (undone.n_erased, undone.erased_on) == (1, "2 January 2026")
    assert take_back(store, deletion) == undone
    assert store.images_by_id([faces[1].image_id])[faces[1].image_id].status is ImageStatus.FACES
    assert {label.key: label.persona_id for label in store.all_labels()} == {faces[1]: "ann"}


def test_labels_of_erased_faces_are_not_given_back(store: Store, faces: list[FaceKey]) -> None:
    command = by()
    labelling.label_faces(store=store, persona_id=STRANGER, faces=faces[:2], verdict=Verdict.BELONGS, **command)
    delete(store, faces[0].image_id)
    erase(store, faces[0].image_id)
    assert take_back(store, command["command_id"]).n_erased == 1
    assert {label.key: label.persona_id for label in store.all_labels()} == {faces[1]: "ann"}


def test_a_person_comes_back_without_a_cover_that_was_erased(store: Store, faces: list[FaceKey]) -> None:
    command = by()
    curation.delete_persona(store=store, persona_id="ann", **command)
    delete(store, faces[0].image_id)
    erase(store, faces[0].image_id)
    take_back(store, command["command_id"])
    assert store.personas_by_id(["ann"])["ann"].cover is None
    assert {label.key for label in store.all_labels()} == {faces[1]}


def test_erasing_cannot_be_undone(store: Store, faces: list[FaceKey]) -> None:
    delete(store, faces[0].image_id)
    command = by()
    erase(store, faces[0].image_id, **command)
    with pytest.raises(undo.UnableToUndoError, match="cannot be brought back"):
        take_back(store, command["command_id"])


def test_a_picture_that_is_to_be_erased_is_not_restored_by_an_undo_that_was_on_its_way(
    store: Store, faces: list[FaceKey]
) -> None:
    delete(store, faces[3].image_id)
    erasing.begin_erasing(store=store, image_ids=[faces[3].image_id], **by())
    restored = {"images": [faces[3].image_id]}
    store.record(LABELS, [NewEvent(kind="images_restored", payload=restored, **by())])
    finish(store)
    assert faces[3].image_id not in store.images_by_id([faces[3].image_id])
    assert DELETED not in {label.persona_id for label in store.all_labels()}


def test_two_stores_of_other_erasures_differ(store: Store, faces: list[FaceKey]) -> None:
    delete(store, faces[0].image_id)
    erase(store, faces[0].image_id)
    before = state_hash(store).state_hash
    erasing.allow_images(store=store, image_ids=[faces[0].image_id], **by())
    assert state_hash(store).state_hash != before
