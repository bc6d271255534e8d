"""A picture that is deleted: what is said of its faces meanwhile, and how it comes back."""

from __future__ import annotations

import pytest

from personas.entities import DELETED, LABELS, FaceKey, ImageStatus, Verdict
from personas.errors import NotFoundError
from personas.selectors.gallery import persona_labelled
from personas.services import curation
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
