"""Which faces are asked about first, and which together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from personas.asking import Pending, questions
from tests.training.embeddings import People


def pending(
    vectors: np.ndarray, probability: Sequence[float], *, named: Sequence[bool] | None = None, best: int = 0
) -> Pending:
    """Faces of which a version says all the same person, with these probabilities."""
    chances = np.array(probability)
    return Pending(
        vectors=vectors,
        best=np.full(len(vectors), best),
        probability=chances,
        named=chances >= 0.5 if named is None else np.array(named),
    )


@pytest.fixture
def people() -> People:
    return People()


def test_faces_that_nobody_resembles_come_most_uncertain_first(people: People) -> None:
    faces = people.strangers(5)
    assert questions(pending(faces, [0.9, 0.5, 0.7, 0.99, 0.2]), limit=9) == [(1,), (2,), (4,), (0,)]


def test_a_sure_candidate_who_is_not_named_is_asked_about(people: People) -> None:
    faces = people.strangers(2)
    asked = questions(pending(faces, [0.99, 0.99], named=[True, False]), limit=9)
    assert asked == [(1,)]


def test_an_unknown_face_alone_is_a_strangers_and_many_alike_are_somebody(people: People) -> None:
    passers_by, somebody = people.strangers(4), people.faces(people.person(), 4)
    faces = np.concatenate([passers_by, somebody])
    (asked,) = questions(pending(faces, [0.01] * 8, best=-1), limit=9)
    assert set(asked) == {4, 5, 6, 7}


def test_an_answer_that_settles_many_comes_before_the_most_uncertain_one(people: People) -> None:
    lonely, alike = people.strangers(1), people.faces(people.person(), 5)
    asked = questions(pending(np.concatenate([lonely, alike]), [0.5, *[0.3] * 5]), limit=9)
    assert set(asked[0]) == {1, 2, 3, 4, 5}
    assert asked[1] == (0,)


def test_one_person_is_not_asked_about_ten_times_in_a_row(people: People) -> None:
    crowd, other = people.faces(people.person(), 40), people.faces(people.person(), 3)
    asked = questions(pending(np.concatenate([crowd, other]), [0.01] * 43, best=-1), limit=2)
    assert max(asked[0]) < 40 <= min(asked[1])


def test_faces_are_asked_about_together_only_where_the_same_is_said_of_them(people: People) -> None:
    faces = people.faces(people.person(), 4)
    said = pending(faces, [0.4] * 4)
    both = Pending(vectors=faces, best=np.array([0, 1, 0, 1]), probability=said.probability, named=said.named)
    assert set(questions(both, limit=1)[0]) in ({0, 2}, {1, 3})


def test_no_face_is_asked_about_twice_and_a_question_has_six_at_most(people: People) -> None:
    faces = np.concatenate([people.faces(people.person(), 20) for _ in range(5)])
    asked = questions(pending(faces, [0.4] * 100), limit=1000)
    rows = [row for together in asked for row in together]
    assert len(rows) == len(set(rows))
    assert {row // 20 for row in rows} == set(range(5)), "a person was left out"
    assert max(map(len, asked)) == 6


def test_there_may_be_nothing_to_ask() -> None:
    assert questions(pending(np.zeros((0, 128), np.float32), []), limit=9) == []
