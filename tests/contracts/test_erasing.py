"""Pictures that are erased: nothing of them is left in the store but the fact, however often it is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from personas.entities import DELETED, INGEST, LABELS, FaceKey, ImageStatus, NewEvent, RankedFace, RankedKind, Truth
from personas.projection import IMAGES_ALLOWED, IMAGES_DELETED, IMAGES_ERASED, IMAGES_RESTORED
from personas.state_hash import state_hash
from personas.store.base import PICTURES_ERASED, Store
from personas.store.sql.adapter import SqlStore
from tests import factories as make
from tests.contracts.paging import everything

ERASING = make.command_id("erasing")
#: One of those that `faces` saves.
PICTURE = make.image_id("picture-0")


def event(kind: str, image_ids: Sequence[str], *, command: str | None = None) -> NewEvent:
    payload = {"images": list(image_ids)}
    command = command or make.command_id()
    return NewEvent(kind=kind, actor="tester", at=make.NOW, command_id=command, payload=payload)


def remove(store: Store, *image_ids: str, command: str = ERASING) -> None:
    store.erase_images(image_ids, actor="tester", at=make.NOW, command_id=command)


def erase(store: Store, *image_ids: str, command: str = ERASING) -> None:
    """All three steps, as the service does them."""
    make.announce_erasure(store, *image_ids, command=command)
    remove(store, *image_ids, command=command)
    store.record(LABELS, [event(IMAGES_ERASED, image_ids, command=command)])


def in_blocks(store: Store) -> dict[FaceKey, np.ndarray]:
    blocks = store.embedding_blocks(after_seq=0, through_seq=store.head(INGEST), embedder=make.EMBEDDER)
    return {key: vector for block in blocks for key, vector in zip(block.keys, block.vectors, strict=True)}


def another(store: Store) -> Store:
    """The same store as another process has it: what one has remembered the other has not."""
    if isinstance(store, SqlStore):
        return SqlStore(n_buckets=64, using=store._using)
    return type(store)(store._session, n_buckets=64)  # type: ignore[attr-defined,call-arg]


@pytest.fixture
def faces(store: Store) -> list[FaceKey]:
    """Two faces in each of three pictures, the first picture spoken of everywhere."""
    keys = make.save_pictures(store, 3, faces=2)
    make.add_personas(store, "Ann")
    make.label(store, "ann", keys[0], keys[2])
    store.put_truths([Truth(image_id=key.image_id, face_no=0, persona="Ann", category="x") for key in keys[::2]])
    version = store.add_model_version(make.model_version()).version
    store.add_fresh(version, {"ann": [RankedFace(key, 0.9) for key in keys]}, scored_through=1)
    return keys


def test_an_erased_picture_leaves_nothing_but_that_it_was_erased(store: Store, faces: list[FaceKey]) -> None:
    gone = faces[0].image_id
    kept = [key for key in faces if key.image_id != gone]
    before = in_blocks(store)
    erase(store, gone)
    assert gone not in store.images_by_id([gone]) and store.faces_of([gone]) == {}
    assert store.embeddings_of(faces[:2]) == {}
    assert sorted(in_blocks(store)) == kept
    assert all(np.array_equal(vector, before[key]) for key, vector in in_blocks(store).items())
    assert store.paths_of([gone]) == {}
    assert gone not in {path.image_id for path in store.known_paths("/photos").items}
    assert store.labels_of_images([gone]) == {}
    assert gone not in {label.image_id for label in store.all_labels()}
    assert gone not in {truth.image_id for truth in store.truths()}
    assert sorted(ranked.key for ranked in store.fresh(1, "ann")) == kept
    erased = store.erased_images().items
    assert [(one.image_id, one.erased_at, one.command_id) for one in erased] == [(gone, make.NOW, ERASING)]
    assert store.erased_among([gone, faces[2].image_id]).keys() == {gone}


def test_nobody_is_counted_who_was_erased(store: Store, faces: list[FaceKey]) -> None:
    make.save(store, make.extracted("empty", faces=0))
    erase(store, faces[0].image_id, make.image_id("empty"))
    counted = store.count_images()
    assert (counted["faces"], counted["no_face"], counted["faces_total"]) == (2, 0, 4)
    assert store.label_counts(["ann"]) == {"ann": (1, 0)}
    assert store.first_labelled(["ann"]) == {"ann": faces[2]}


def test_counts_follow_what_other_processes_write(store: Store, faces: list[FaceKey]) -> None:
    reader = another(store)
    picture = faces[0].image_id

    def counted() -> tuple[int, ...]:
        return tuple(reader.count_images().values())

    assert counted() == (3, 0, 0, 6)
    make.save(store, make.extracted("empty", faces=0))
    assert counted() == (3, 1, 0, 6)
    store.record(LABELS, [event(IMAGES_DELETED, [picture])])
    assert counted() == (3, 1, 1, 6)
    make.announce_erasure(store, picture, command=ERASING)
    remove(store, picture)
    assert counted() == (2, 1, 1, 4)
    store.record(LABELS, [event(IMAGES_ERASED, [picture], command=ERASING)])
    assert counted() == (2, 1, 0, 4)


def test_what_others_found_at_the_same_places_stays(store: Store) -> None:
    """A file that was overwritten: the path is another picture's by now."""
    make.save(store, make.extracted("old", paths=[make.image_path("old", path="a.jpg")]))
    make.save(store, make.extracted("new", paths=[make.image_path("new", path="a.jpg")]))
    erase(store, make.image_id("old"))
    assert [path.image_id for path in store.find_paths("a.jpg")] == [make.image_id("new")]


def test_erasing_again_changes_nothing(store: Store, faces: list[FaceKey]) -> None:
    erase(store, faces[0].image_id)
    before, heads = state_hash(store), (store.head(INGEST), store.head(LABELS))
    erase(store, faces[0].image_id)
    assert state_hash(store) == before
    assert (store.head(INGEST), store.head(LABELS)) == heads
    assert store.count_images()["faces_total"] == 4


def test_the_ingest_log_tells_whose_embeddings_are_gone(store: Store, faces: list[FaceKey]) -> None:
    head = store.head(INGEST)
    gone = sorted({key.image_id for key in faces[:4]})
    erase(store, *gone)
    (told,) = store.events(INGEST, after=head)
    assert (told.kind, told.payload["images"]) == (PICTURES_ERASED, gone)


def test_a_picture_that_was_never_here_can_be_erased(store: Store) -> None:
    erase(store, make.image_id("nowhere"))
    assert store.head(INGEST) == 0
    assert make.save(store, make.extracted("nowhere")).new_images == ()


def test_an_erased_picture_is_not_saved_again(store: Store, faces: list[FaceKey]) -> None:
    make.announce_erasure(store, PICTURE, command=ERASING)
    remove(store, PICTURE)
    again = make.save(store, make.extracted("picture-0", faces=2), make.extracted("other"))
    assert again.new_images == (make.image_id("other"),)
    assert PICTURE not in again.faces
    assert PICTURE not in store.images_by_id([PICTURE])
    assert store.find_paths("picture-0.jpg") == ()


def test_a_new_extractor_does_not_save_an_erased_picture_either(store: Store, faces: list[FaceKey]) -> None:
    make.announce_erasure(store, PICTURE, command=ERASING)
    again = make.save(store, make.extracted("picture-0", faces=2, detector="another", embedder="another"))
    assert again.ingest_seq is None
    remove(store, PICTURE)
    assert store.faces_of([PICTURE]) == {}


def test_what_is_allowed_again_is_a_new_picture(store: Store) -> None:
    make.save_pictures(store, 1, faces=2)
    gone = make.image_id("picture-0")
    erase(store, gone)
    store.record(LABELS, [event(IMAGES_ALLOWED, [gone])])
    assert store.erased_images().items == ()
    again = make.save(store, make.extracted("picture-0", faces=[make.new_face("someone else")]))
    assert again.new_images == (gone,)
    assert store.embeddings_of([FaceKey(gone, 0)])[FaceKey(gone, 0)] == pytest.approx(make.embedding("someone else"))
    assert list(in_blocks(store)) == [FaceKey(gone, 0)]
    assert store.count_images()["faces_total"] == 1
    erase(store, gone, command=make.command_id("a second time"))
    assert in_blocks(store) == {}
    assert store.count_images()["faces_total"] == 0


def test_pictures_of_two_embedders_are_erased_whole(store: Store) -> None:
    make.save_pictures(store, 2)
    make.save(store, make.extracted("picture-0", detector="another", embedder="another"))
    erase(store, make.image_id("picture-0"))
    blocks = store.embedding_blocks(after_seq=0, through_seq=store.head(INGEST), embedder="another")
    assert [key for block in blocks for key in block.keys] == []
    assert store.embeddings_of([make.key("picture-0")], embedder="another") == {}


def test_deleted_pictures_are_listed_with_when_and_by_what(store: Store) -> None:
    make.save_pictures(store, 5)
    ids = sorted(make.image_id(f"picture-{n}") for n in range(5))
    deletion = event(IMAGES_DELETED, ids)
    store.record(LABELS, [deletion])
    first = store.deleted_images(limit=3)
    rest = store.deleted_images(cursor=first.next_cursor, limit=3)
    assert [one.image_id for one in (*first.items, *rest.items)] == ids
    assert rest.next_cursor is None
    assert {(one.deleted_at, one.command_id) for one in first.items} == {(make.NOW, deletion.command_id)}


@pytest.mark.parametrize("limit", [1, 7, 50])
def test_marks_of_all_ids_there_can_be_are_paged_once_each_in_order(store: Store, limit: int) -> None:
    ids = sorted(
        {"0" * 64, "f" * 64, *(digit + "0" * 63 for digit in "0123456789abcdef"), *map(make.image_id, range(20))}
    )
    store.record(LABELS, [event(IMAGES_DELETED, ids)])
    found = everything(lambda cursor: store.deleted_images(cursor=cursor, limit=limit))
    assert [one.image_id for one in found] == ids
    assert store.count_images()["deleted"] == len(ids)
    store.record(LABELS, [event(IMAGES_RESTORED, ids[::2])])
    left = everything(lambda cursor: store.deleted_images(cursor=cursor, limit=limit))
    assert [one.image_id for one in left] == ids[1::2]


def test_a_picture_deleted_again_is_marked_anew(store: Store) -> None:
    make.save_pictures(store, 1)
    gone, later = make.image_id("picture-0"), make.at(60)
    store.record(LABELS, [event(IMAGES_DELETED, [gone])])
    store.record(LABELS, [replace(event(IMAGES_DELETED, [gone]), at=later)])
    assert [one.deleted_at for one in store.deleted_images().items] == [later]


def test_a_picture_stays_hidden_until_nothing_of_it_is_left(store: Store, faces: list[FaceKey]) -> None:
    gone = faces[0].image_id
    store.record(LABELS, [event(IMAGES_DELETED, [gone])])
    make.label(store, DELETED, *faces[:2])
    make.announce_erasure(store, gone, command=ERASING)
    assert store.images_by_id([gone])[gone].status is ImageStatus.DELETED
    assert [one.image_id for one in store.deleted_images().items] == [gone]
    remove(store, gone)
    store.record(LABELS, [event(IMAGES_ERASED, [gone], command=ERASING)])
    assert store.deleted_images().items == ()
    assert store.count_images()["deleted"] == 0
    assert store.ranked(1, "ann", RankedKind.PREDICTED) == ()
