"""The trainer's copy of the embeddings: caught up, overwritten, cut short, thrown away."""

from __future__ import annotations

import numpy as np
import pytest

from personas.buckets import bucket_of
from personas.entities import LABELS, NewEvent
from personas.projection import IMAGES_ALLOWED
from personas.store import get_store
from tests.factories import (
    EMBEDDER,
    NOW,
    announce_erasure,
    command_id,
    embedding,
    extracted,
    image_id,
    key,
    new_face,
    save,
)
from training.matrix import MatrixFolder

pytestmark = pytest.mark.django_db


@pytest.fixture
def store():
    return get_store()


@pytest.fixture
def folder(tmp_path):
    return MatrixFolder(tmp_path, EMBEDDER)


def test_every_face_has_a_row_with_its_embedding(store, folder):
    save(store, extracted("a", faces=2), extracted("b"))
    matrix = folder.catch_up(store)
    rows = matrix.rows_of([key("a", 0), key("a", 1), key("b")])
    assert len(matrix) == len(rows) == 3
    for wanted, row in rows.items():
        assert matrix.face_keys([row])[0] == wanted
    assert np.array_equal(matrix.vectors[rows[key("a", 1)]], embedding("a/1"))


def test_a_second_look_reads_only_what_is_new(store, folder, monkeypatch):
    save(store, extracted("a"))
    first = folder.catch_up(store)
    save(store, extracted("b"))
    asked = []
    read = store.embedding_blocks

    def recording(**question):
        asked.append(question["after_seq"])
        return read(**question)

    monkeypatch.setattr(store, "embedding_blocks", recording)
    second = folder.catch_up(store)
    third = folder.catch_up(store)
    assert asked == [first.through_seq]
    assert len(second) == len(third) == 2


def test_rows_behind_the_count_are_leftovers_of_a_kill_and_are_overwritten(store, folder):
    save(store, extracted("a"))
    folder.catch_up(store)
    for name, garbage in (("keys.bin", 42), ("vectors.bin", 512)):
        with (folder.folder / name).open("ab") as file:
            file.write(b"x" * garbage)
    save(store, extracted("b"))
    matrix = folder.catch_up(store)
    assert set(matrix.face_keys(range(2))) == {key("a"), key("b")}
    assert np.array_equal(matrix.vectors[matrix.rows_of([key("b")])[key("b")]], embedding("b/0"))


def test_a_face_embedded_again_keeps_its_row(store, folder):
    save(store, extracted("a", faces=[new_face("first")]))
    old = folder.catch_up(store)
    save(store, extracted("a", faces=[new_face("second")], embedder="another"))
    save(store, extracted("a", faces=[new_face("third")], embedder=EMBEDDER, detector="yunet newer"))
    new = folder.catch_up(store)
    assert len(old) == len(new) == 1
    assert np.array_equal(new.vectors[0], embedding("third"))


def test_a_folder_of_another_store_is_started_again(store, folder):
    folder.folder.mkdir(parents=True)
    (folder.folder / "meta.json").write_text('{"format": 1, "n_rows": 7, "through_seq": 99}')
    save(store, extracted("a"))
    assert len(folder.catch_up(store)) == 1


def test_an_empty_store_gives_an_empty_matrix(store, folder):
    matrix = folder.catch_up(store)
    assert len(matrix) == 0
    assert matrix.rows_of([key("a")]) == {}


def test_a_face_that_comes_twice_keeps_what_the_latest_event_brought_whatever_the_order_of_blocks(
    store, folder, monkeypatch
):
    save(store, extracted("a", faces=[new_face("first")]), extracted("b", faces=2))
    save(store, extracted("a", faces=[new_face("second")], embedder="another"))
    save(store, extracted("c"), extracted("a", faces=[new_face("third")], detector="yunet newer"))
    save(store, extracted("d"))
    read = store.embedding_blocks
    monkeypatch.setattr(store, "embedding_blocks", lambda **question: reversed(list(read(**question))))
    matrix = folder.catch_up(store)
    rows = matrix.rows_of([key("a"), key("b", 0), key("b", 1), key("c"), key("d")])
    assert len(matrix) == len(rows) == 5
    assert np.array_equal(matrix.vectors[rows[key("a")]], embedding("third"))
    assert np.array_equal(matrix.vectors[rows[key("b", 1)]], embedding("b/1"))
    assert np.array_equal(matrix.vectors[rows[key("d")]], embedding("d/0"))
    assert matrix.keys["ingest_seq"][rows[key("a")]] == 3


def test_many_faces_embedded_again_are_replaced_in_place_and_new_ones_appended(store, folder, monkeypatch):
    monkeypatch.setattr("training.matrix.ROWS_AT_ONCE", 3)
    save(store, *[extracted(n) for n in range(20)])
    old = folder.catch_up(store)
    places = old.rows_of([key(n) for n in range(20)])
    again = [extracted(n, faces=[new_face(f"again {n}")], embedder="another") for n in range(0, 20, 2)]
    save(store, *again)
    back = [extracted(n, faces=[new_face(f"back {n}")], detector="yunet newer") for n in range(0, 20, 2)]
    save(store, *back, *[extracted(n) for n in range(20, 27)])
    new = folder.catch_up(store)
    assert len(new) == 27
    assert new.rows_of([key(n) for n in range(20)]) == places
    for n in range(27):
        expected = f"back {n}" if n < 20 and n % 2 == 0 else f"{n}/0"
        assert np.array_equal(new.vectors[new.rows_of([key(n)])[key(n)]], embedding(expected)), n


def test_rows_know_their_bucket(store, folder):
    save(store, *[extracted(n, faces=2) for n in range(30)])
    matrix = folder.catch_up(store)
    for n_buckets in (1, 64, 4096):
        expected = [bucket_of(one.image_id, n_buckets) for one in matrix.face_keys(range(60))]
        assert matrix.buckets(n_buckets).tolist() == expected


def test_rows_are_found_among_some_rows_only(store, folder):
    save(store, *[extracted(n, faces=2) for n in range(10)])
    matrix = folder.catch_up(store)
    wanted = matrix.face_keys([2, 5, 11])
    assert matrix.rows_of(wanted, among=np.array([0, 5, 11])) == {wanted[1]: 5, wanted[2]: 11}
    assert matrix.rows_of(wanted, among=np.array([3])) == {}


def erase(store, *names):
    erased = [image_id(name) for name in names]
    begun = {"actor": "tester", "at": NOW, "command_id": command_id()}
    announce_erasure(store, *erased, command=begun["command_id"])
    store.erase_images(erased, **begun)
    return begun


def test_copies_of_other_embedders_keep_nothing_of_what_was_erased(store, folder, tmp_path):
    save(store, *[extracted(n, embedder="another") for n in range(3)], *[extracted(n) for n in range(3, 6)])
    other = MatrixFolder(tmp_path, "another")
    assert len(other.catch_up(store)) == 3
    folder.catch_up(store)
    erase(store, 1)
    folder.catch_up(store)
    assert [path.name for path in other.folder.iterdir()] == ["lock"]
    assert len(other.catch_up(store)) == 2
    assert len(folder.catch_up(store)) == 3


def test_rows_of_erased_pictures_go_and_others_stay(store, folder, monkeypatch):
    monkeypatch.setattr("training.matrix.ROWS_AT_ONCE", 3)
    save(store, *[extracted(n, faces=2) for n in range(10)])
    before = folder.catch_up(store)
    erase(store, 3, 7)
    save(store, extracted(10))
    after = folder.catch_up(store)
    kept = [key(n, face_no) for n in range(10) for face_no in (0, 1) if n not in (3, 7)]
    rows = after.rows_of([*kept, key(3), key(7), key(10)])
    assert rows.keys() == {*kept, key(10)} and len(after) == 17
    assert all(np.array_equal(after.vectors[rows[one]], embedding(_seed(one))) for one in kept)
    assert before.rows_of([key(3)]).keys() == {key(3)}  # whoever reads the old files goes on undisturbed
    assert np.array_equal(before.vectors[before.rows_of([key(9)])[key(9)]], embedding("9/0"))


def _seed(one):
    number = next(n for n in range(10) if image_id(n) == one.image_id)
    return f"{number}/{one.face_no}"


def test_nothing_of_an_erased_face_is_left_on_the_disk(store, folder):
    save(store, extracted("a"), extracted("b"))
    folder.catch_up(store)
    assert embedding("a/0").tobytes() in (folder.folder / "vectors.bin").read_bytes()
    erase(store, "a")
    folder.catch_up(store)
    files = [path.read_bytes() for path in folder.folder.iterdir()]
    assert not any(embedding("a/0").tobytes() in content for content in files)
    assert any(embedding("b/0").tobytes() in content for content in files)


def test_a_picture_that_came_back_after_it_was_erased_has_a_row(store, folder):
    save(store, extracted("a"), extracted("b"))
    folder.catch_up(store)
    begun = erase(store, "a")
    allowed = {"images": [image_id("a")]}
    store.record(LABELS, [NewEvent(kind=IMAGES_ALLOWED, index=2, payload=allowed, **begun)])
    save(store, extracted("a", faces=[new_face("back")]))
    matrix = folder.catch_up(store)
    assert len(matrix) == 2
    assert np.array_equal(matrix.vectors[matrix.rows_of([key("a")])[key("a")]], embedding("back"))


def test_a_kill_while_rows_are_dropped_leaves_what_is_built_anew(store, folder, monkeypatch):
    save(store, extracted("a"), extracted("b"), extracted("c"))
    folder.catch_up(store)
    erase(store, "b")

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("training.matrix.write_atomically", killed)
        with pytest.raises(KeyboardInterrupt):
            folder.catch_up(store)
    matrix = folder.catch_up(store)
    assert matrix.rows_of([key("a"), key("b"), key("c")]).keys() == {key("a"), key("c")}
    assert len(matrix) == 2
