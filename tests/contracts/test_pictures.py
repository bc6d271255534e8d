"""Contract: pictures, paths, faces and embeddings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from personas.entities import HUMAN, INGEST, LABELS, Box, ExtractedImage, FaceKey, ImageStatus
from personas.errors import NotFoundError
from personas.store.base import PICTURES_INGESTED, Store
from tests import factories as make
from tests.contracts.paging import everything, pages


def block_keys(store: Store, *, after: int = 0, through: int = 10**6, embedder: str = make.EMBEDDER) -> list[FaceKey]:
    blocks = store.embedding_blocks(after_seq=after, through_seq=through, embedder=embedder)
    return [key for block in blocks for key in block.keys]


def test_the_layout_says_the_number_of_buckets(store: Store) -> None:
    assert store.layout().n_buckets == 64


def test_a_saved_picture_reads_back_as_it_was_given(store: Store) -> None:
    picture = make.extracted("a", faces=2)
    saved = make.save(store, picture)

    assert saved.ingest_seq == 1
    assert saved.new_images == (make.image_id("a"),)
    assert store.images_by_id([make.image_id("a")]) == {make.image_id("a"): picture.image}
    faces = store.faces_of([make.image_id("a")])[make.image_id("a")]
    assert faces == saved.faces[make.image_id("a")]
    assert [face.face_no for face in faces] == [0, 1]
    assert [(face.box, face.landmarks, face.score, face.quality) for face in faces] == [
        (face.box, face.landmarks, face.score, face.quality) for face in picture.faces
    ]
    assert {(face.detector, face.embedder) for face in faces} == {(make.DETECTOR, make.EMBEDDER)}
    assert store.paths_of([make.image_id("a")]) == {make.image_id("a"): picture.paths}


def test_times_come_back_in_utc(store: Store) -> None:
    make.save(store, make.extracted("a"))
    ingested_at = store.images_by_id([make.image_id("a")])[make.image_id("a")].ingested_at
    assert ingested_at == make.NOW
    assert ingested_at.utcoffset() == make.NOW.utcoffset()


def test_a_picture_without_a_face_is_kept_and_marked(store: Store) -> None:
    saved = make.save(store, make.extracted("empty", faces=0))
    assert saved.ingest_seq == 1
    assert store.images().items[0].status is ImageStatus.NO_FACE
    assert store.faces_of([make.image_id("empty")]) == {}
    assert saved.faces[make.image_id("empty")] == ()


def test_saving_again_adds_nothing(store: Store) -> None:
    command = make.command_id()
    make.save(store, make.extracted("a", faces=2), command=command)
    for repeated in (command, make.command_id()):
        again = make.save(store, make.extracted("a", faces=2), command=repeated)
        assert again.ingest_seq is None
        assert again.new_images == ()
        assert len(again.faces[make.image_id("a")]) == 2
    assert store.head(INGEST) == 1
    assert sorted(block_keys(store)) == [make.key("a", 0), make.key("a", 1)]


def test_batches_of_one_command_get_an_event_each(store: Store) -> None:
    command = make.command_id()
    assert make.save(store, make.extracted("a"), command=command).ingest_seq == 1
    assert make.save(store, make.extracted("b"), command=command).ingest_seq == 2
    events = store.events(INGEST, after=0)
    assert [event.kind for event in events] == [PICTURES_INGESTED] * 2
    assert events[1].payload == {"images": [make.image_id("b")], "n_faces": 1, "embedder": make.EMBEDDER}
    assert store.head(LABELS) == 0


def test_a_picture_twice_in_a_batch_is_one_picture_with_two_paths(store: Store) -> None:
    one = make.extracted("a", paths=[make.image_path("a", path="one.jpg")])
    two = make.extracted("a", paths=[make.image_path("a", path="two.jpg")])
    saved = make.save(store, one, two)
    assert saved.new_images == (make.image_id("a"),)
    assert len(store.faces().items) == 1
    assert [path.path for path in store.paths_of([make.image_id("a")])[make.image_id("a")]] == ["one.jpg", "two.jpg"]


def test_a_known_picture_gains_paths_without_an_event(store: Store) -> None:
    make.save(store, make.extracted("a"))
    copy = make.extracted("a", paths=[make.image_path("a", path="copy.jpg")])
    assert make.save(store, copy).ingest_seq is None
    assert len(store.paths_of([make.image_id("a")])[make.image_id("a")]) == 2


def test_another_detector_keeps_numbers_and_moves_no_label(store: Store) -> None:
    left, right, third = (Box(20, 20, 60, 60), Box(200, 20, 60, 60), Box(400, 20, 60, 60))
    found = [make.new_face("left", at_box=left), make.new_face("right", at_box=right)]
    make.save(store, make.extracted("a", faces=found))
    make.add_personas(store, "Ann", "Bob")
    make.label(store, "ann", make.key("a", 0))
    make.label(store, "bob", make.key("a", 1))

    shifted = Box(205, 24, 62, 58)  # the same face as `right`, as another detector draws it
    again = [make.new_face("third", at_box=third), make.new_face("right'", at_box=shifted)]
    saved = make.save(store, make.extracted("a", faces=again, detector="other 1"))

    faces = store.faces_of([make.image_id("a")])[make.image_id("a")]
    assert [(face.face_no, face.box) for face in faces] == [(0, left), (1, right), (2, third)]
    assert [face.detector for face in faces] == [make.DETECTOR, make.DETECTOR, "other 1"]
    assert saved.faces[make.image_id("a")] == faces
    assert saved.ingest_seq == 2
    assert saved.new_images == ()
    assert block_keys(store, after=1) == [make.key("a", 2)]
    image = store.images_by_id([make.image_id("a")])[make.image_id("a")]
    assert (image.detector, image.n_faces) == ("other 1", 3)
    labels = store.labels_of_images([make.image_id("a")])
    assert {key: said[0].persona_id for key, said in labels.items()} == {
        make.key("a", 0): "ann",
        make.key("a", 1): "bob",
    }


def test_another_detector_that_finds_the_same_faces_makes_no_event(store: Store) -> None:
    make.save(store, make.extracted("a", faces=2))
    assert make.save(store, make.extracted("a", faces=2, detector="other 1")).ingest_seq is None
    assert store.images_by_id([make.image_id("a")])[make.image_id("a")].detector == "other 1"


def test_a_picture_where_a_second_detector_finds_a_face_is_no_longer_without(store: Store) -> None:
    make.save(store, make.extracted("a", faces=0))
    make.save(store, make.extracted("a", faces=1, detector="other 1"))
    assert store.images_by_id([make.image_id("a")])[make.image_id("a")].status is ImageStatus.FACES
    assert store.count_images() == {"faces": 1, "no_face": 0, "deleted": 0, "faces_total": 1}


def test_another_embedder_brings_its_embedding_beside_the_old_one(store: Store) -> None:
    make.save(store, make.extracted("a", faces=[make.new_face("old")]))
    make.save(store, make.extracted("a", faces=[make.new_face("new")], embedder="arc 1"))

    key = make.key("a", 0)
    assert [face.embedder for face in store.faces().items] == ["arc 1"]
    np.testing.assert_array_equal(store.embeddings_of([key])[key], make.embedding("new"))
    np.testing.assert_array_equal(store.embeddings_of([key], embedder=make.EMBEDDER)[key], make.embedding("old"))
    assert block_keys(store) == [key]
    assert block_keys(store, embedder="arc 1") == [key]
    assert store.embeddings_of([key], embedder="never used") == {}


def test_embeddings_come_back_bit_for_bit(store: Store) -> None:
    keys = make.save_pictures(store, 3, faces=2)
    wanted = keys[1:4]
    found = store.embeddings_of([*wanted, make.key("unknown"), FaceKey(keys[0].image_id, 77)])
    assert sorted(found) == sorted(wanted)
    expected = {make.key(f"picture-{n}", m): make.embedding(f"picture-{n}/{m}") for n in range(3) for m in range(2)}
    for key in wanted:
        assert found[key].dtype == np.float32
        np.testing.assert_array_equal(found[key], expected[key])


def test_blocks_hold_every_face_between_two_marks(store: Store) -> None:
    for n in range(5):
        make.save(store, make.extracted(f"a{n}", faces=2), make.extracted(f"b{n}", faces=1))
    assert sorted(block_keys(store)) == sorted(face.key for face in store.faces().items)
    between = {key.image_id for key in block_keys(store, after=1, through=3)}
    assert between == {make.image_id(name) for name in ("a1", "b1", "a2", "b2")}
    for block in store.embedding_blocks(after_seq=0, through_seq=5, embedder=make.EMBEDDER):
        assert block.vectors.shape == (len(block.keys), 128)
        assert block.vectors.dtype == np.float32
        assert 1 <= block.ingest_seq <= 5
        expected = store.embeddings_of(block.keys)
        for key, vector in zip(block.keys, block.vectors, strict=True):
            np.testing.assert_array_equal(vector, expected[key])


def test_many_small_batches_are_read_whole(store: Store) -> None:
    for n in range(50):
        make.save(store, make.extracted(n, faces=n % 3))
    assert sorted(block_keys(store)) == [face.key for face in store.faces().items]
    for block in store.embedding_blocks(after_seq=10, through_seq=40, embedder=make.EMBEDDER):
        assert {key.image_id for key in block.keys} == {make.image_id(block.ingest_seq - 1)}
        np.testing.assert_array_equal(
            block.vectors[0], make.embedding(f"{block.ingest_seq - 1}/{block.keys[0].face_no}")
        )


def test_a_crowd_larger_than_a_block_is_read_whole(store: Store) -> None:
    crowd = [make.new_face(n % 7, at_box=Box(n * 10.0, 0, 8, 8)) for n in range(2100)]
    make.save(store, make.extracted("crowd", faces=crowd))
    assert sorted(block_keys(store)) == [make.key("crowd", n) for n in range(2100)]
    assert len(store.faces_of([make.image_id("crowd")])[make.image_id("crowd")]) == 2100


def test_pictures_and_faces_page_in_key_order(store: Store) -> None:
    keys = make.save_pictures(store, 7, faces=3)
    faces = pages(lambda cursor: store.faces(cursor=cursor, limit=4))
    assert [face.key for page in faces for face in page] == keys
    assert [len(page) for page in faces] == [4, 4, 4, 4, 4, 1]
    images = everything(lambda cursor: store.images(cursor=cursor, limit=3))
    assert [image.image_id for image in images] == sorted({key.image_id for key in keys})


def test_a_list_that_ends_with_a_full_page_has_no_further_page(store: Store) -> None:
    make.save_pictures(store, 4)
    assert store.images(limit=4).next_cursor is None
    assert store.images(limit=3).next_cursor is not None


def test_paths_page_by_path_within_their_source(store: Store) -> None:
    names = ["B.jpg", "a b.jpg", "a-b.jpg", "a.jpg", "a/b.jpg", "ä.jpg", "z.jpg"]
    make.save(store, make.extracted("x", paths=[make.image_path("x", path=name) for name in names]))
    make.save(store, make.extracted("y", paths=[make.image_path("y", source="/other")]))
    found = everything(lambda cursor: store.known_paths("/photos", cursor=cursor, limit=2))
    assert [path.path for path in found] == sorted(names)
    behind = store.known_paths("/photos", cursor="a.jp", limit=10).items  # a walk may begin anywhere
    assert [path.path for path in behind] == [name for name in sorted(names) if name > "a.jp"]


def test_a_path_that_now_holds_another_picture_points_there(store: Store) -> None:
    make.save(store, make.extracted("a"), make.extracted("b", paths=[]))
    store.add_paths([make.image_path("b", path="a.jpg")])
    assert store.paths_of([make.image_id("a"), make.image_id("b")]) == {
        make.image_id("b"): (make.image_path("b", path="a.jpg"),)
    }


def test_find_paths_prefers_the_whole_path_over_the_last_part(store: Store) -> None:
    paths = [
        make.image_path("a", path="x.jpg"),
        make.image_path("a", path="sub/x.jpg"),
        make.image_path("a", source="/other", path="deep/er/x.jpg"),
        make.image_path("a", source="/other", path="only/y.jpg"),
    ]
    make.save(store, make.extracted("a", paths=paths))
    assert [path.path for path in store.find_paths("x.jpg")] == ["x.jpg"]
    assert [path.path for path in store.find_paths("sub/x.jpg")] == ["sub/x.jpg"]
    assert [path.path for path in store.find_paths("y.jpg")] == ["only/y.jpg"]
    assert store.find_paths("er/x.jpg") == ()
    assert store.find_paths("nothing.jpg") == ()


def test_find_paths_returns_every_candidate_up_to_twenty(store: Store) -> None:
    make.save(store, make.extracted("a", paths=[make.image_path("a", path=f"{n:02}/x.jpg") for n in range(25)]))
    assert [path.path for path in store.find_paths("x.jpg")] == [f"{n:02}/x.jpg" for n in range(20)]


def test_many_names_are_found_as_each_alone(store: Store) -> None:
    paths = [make.image_path("a", path=f"{n:02}/x.jpg") for n in range(25)]
    paths += [make.image_path("a", path=path) for path in ("y.jpg", "sub/y.jpg", "sub/z.jpg", "other/z.jpg")]
    make.save(store, make.extracted("a", paths=paths))
    names = ["x.jpg", "03/x.jpg", "y.jpg", "sub/y.jpg", "z.jpg", "b/y.jpg", "nothing.jpg", "y.jpg"]
    found = store.find_paths_many(names)
    assert found == {name: store.find_paths(name) for name in names if store.find_paths(name)}
    assert {name: [path.path for path in paths] for name, paths in found.items() if name != "x.jpg"} == {
        "03/x.jpg": ["03/x.jpg"],
        "y.jpg": ["y.jpg"],
        "sub/y.jpg": ["sub/y.jpg"],
        "z.jpg": ["other/z.jpg", "sub/z.jpg"],
    }
    assert [path.path for path in found["x.jpg"]] == [f"{n:02}/x.jpg" for n in range(20)]
    assert store.find_paths_many([]) == {}
    many = store.find_paths_many([f"{n}.jpg" for n in range(1200)] + ["z.jpg"])
    assert list(many) == ["z.jpg"]


def test_pictures_are_counted_by_status(store: Store) -> None:
    assert store.count_images() == {"faces": 0, "no_face": 0, "deleted": 0, "faces_total": 0}
    make.save(store, make.extracted("a", faces=2), make.extracted("b", faces=3), make.extracted("c", faces=0))
    assert store.count_images() == {"faces": 2, "no_face": 1, "deleted": 0, "faces_total": 5}


def test_unknown_ids_are_left_out(store: Store) -> None:
    unknown = [make.image_id("unknown")]
    assert store.images_by_id(unknown) == {}
    assert store.faces_of(unknown) == {}
    assert store.paths_of(unknown) == {}
    assert store.images_by_id([]) == {}
    assert store.embeddings_of([]) == {}


def test_more_ids_than_a_statement_takes_are_read_all_the_same(store: Store) -> None:
    keys = make.save_pictures(store, 1200)
    ids = [key.image_id for key in keys]
    assert len(store.images_by_id(ids)) == 1200
    assert len(store.faces_of(ids)) == 1200
    assert len(store.paths_of(ids)) == 1200
    assert len(store.embeddings_of(keys)) == 1200


def test_a_cursor_that_no_page_gave_is_refused(store: Store) -> None:
    with pytest.raises(NotFoundError):
        store.faces(cursor="rubbish")


def test_two_workers_saving_the_same_pictures_double_nothing(
    shared_store: Store, together: Callable[..., list[object]]
) -> None:
    store = shared_store

    def save(worker: int) -> Callable[[], object]:
        def run() -> list[tuple[str, ...]]:
            new = []
            for n in range(8):
                paths = [make.image_path(n, source=f"/worker{worker}")]
                new.append(make.save(store, make.extracted(n, faces=2, paths=paths)).new_images)
            return new

        return run

    first, second = together([save(0), save(1)])
    assert isinstance(first, list) and isinstance(second, list)
    assert sorted([*sum(first, ()), *sum(second, ())]) == sorted(make.image_id(n) for n in range(8))
    assert store.head(INGEST) == 8
    assert len(store.faces().items) == 16
    assert sorted(block_keys(store)) == [face.key for face in store.faces().items]
    assert all(len(paths) == 2 for paths in store.paths_of([make.image_id(n) for n in range(8)]).values())


# ---- faces that people draw ------------------------------------------------------------------------------------------
def _drawn(*places: int) -> ExtractedImage:
    faces = [make.new_face(f"drawn {place}", place=place) for place in places]
    return make.extracted("a", faces=faces, paths=(), detector=HUMAN)


def test_drawn_faces_are_added_one_by_one_and_the_picture_keeps_its_detector(store: Store) -> None:
    make.save(store, make.extracted("a", faces=1))
    for place in (1, 2):
        saved = make.save(store, _drawn(place))
        assert saved.ingest_seq == store.head(INGEST)
    faces = store.faces_of([make.image_id("a")])[make.image_id("a")]
    assert [face.detector for face in faces] == [make.DETECTOR, HUMAN, HUMAN]
    image = store.images_by_id([make.image_id("a")])[make.image_id("a")]
    assert (image.detector, image.n_faces, image.status) == (make.DETECTOR, 3, ImageStatus.FACES)
    assert store.embeddings_of([face.key for face in faces]).keys() == {face.key for face in faces}


def test_drawing_a_known_face_adds_nothing(store: Store) -> None:
    make.save(store, make.extracted("a", faces=2))
    head = store.head(INGEST)
    assert make.save(store, _drawn(1)).ingest_seq is None
    assert (store.head(INGEST), len(store.faces_of([make.image_id("a")])[make.image_id("a")])) == (head, 2)


def test_a_drawn_face_makes_a_picture_without_faces_one_with_a_face(store: Store) -> None:
    make.save(store, make.extracted("a", faces=0))
    make.save(store, _drawn(0))
    assert store.images_by_id([make.image_id("a")])[make.image_id("a")].status is ImageStatus.FACES
    counts = store.count_images()
    assert (counts["faces"], counts.get("no_face", 0), counts["faces_total"]) == (1, 0, 1)


def test_a_newer_detector_that_sees_a_drawn_face_leaves_it_where_it_is(store: Store) -> None:
    make.save(store, make.extracted("a", faces=1))
    make.save(store, _drawn(1))
    make.save(store, make.extracted("a", faces=2, detector="yunet newer"))
    faces = store.faces_of([make.image_id("a")])[make.image_id("a")]
    assert [face.detector for face in faces] == [make.DETECTOR, HUMAN]
