"""Who is taken for whom, counted by hand."""

from __future__ import annotations

import numpy as np

from training.confusion import confusion

TRUTH = np.array(["ann", "ann", "ann", "bo", "bo", "cy", "", ""])
NAMED = np.array(["ann", "bo", "bo", "bo", "", "ann", "bo", ""])
IF_UNKNOWN = np.array(["bo", "bo", "", "ann", "", "", "", ""])


def test_pairs_are_counted_and_the_most_confused_come_first() -> None:
    found = confusion(truth=TRUTH, named=NAMED, if_unknown=IF_UNKNOWN)
    assert found["pairs"] == [
        {"truth": "ann", "named": "bo", "n": 2, "if_unknown": 2},
        {"truth": "", "named": "bo", "n": 1, "if_unknown": 0},
        {"truth": "cy", "named": "ann", "n": 1, "if_unknown": 0},
        {"truth": "bo", "named": "ann", "n": 0, "if_unknown": 1},
    ]
    assert (found["n_pairs"], found["n_faces"]) == (3, 4)


def test_the_matrix_has_a_row_for_strangers_and_columns_for_others_and_nobody() -> None:
    found = confusion(truth=TRUTH, named=NAMED, if_unknown=IF_UNKNOWN)
    assert found["personas"] == ["ann", "bo", "cy"]
    assert found["counts"] == [
        [1, 2, 0, 0, 0],  # ann
        [0, 1, 0, 0, 1],  # bo
        [1, 0, 0, 0, 0],  # cy
        [0, 1, 0, 0, 1],  # strangers
    ]


def test_personas_beyond_the_matrix_are_counted_as_others() -> None:
    found = confusion(truth=TRUTH, named=NAMED, if_unknown=IF_UNKNOWN, max_personas=1)
    assert found["personas"] == ["ann"]
    assert found["counts"] == [[1, 2, 0], [0, 1, 1]]


def test_a_gallery_without_a_mistake_shows_those_with_most_faces() -> None:
    truth = np.array(["ann", "bo", "bo"])
    found = confusion(truth=truth, named=truth, if_unknown=np.array(["", "", ""]))
    assert found["pairs"] == []
    assert found["personas"] == ["bo", "ann"]
    assert found["counts"] == [[2, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]


def test_what_is_remembered_does_not_grow_with_the_gallery() -> None:
    names = np.array([f"persona-{number}" for number in range(500)])
    found = confusion(truth=names, named=np.roll(names, 1), if_unknown=np.roll(names, 2))
    assert len(found["pairs"]) == 20
    assert (found["n_pairs"], found["n_faces"]) == (500, 500)
    assert len(found["personas"]) == 10
    assert sum(map(sum, found["counts"])) == 10
