"""Ids of groups last from run to run."""

from __future__ import annotations

import hashlib

from hypothesis import given, settings
from hypothesis import strategies as st

from personas.entities import FaceKey
from personas.face_arrays import FaceKeys
from personas.face_groups import FaceGroups
from training.group_ids import group_ids

NONE = FaceGroups.of([], [])


def group(*numbers: int) -> FaceKeys:
    return FaceKeys.of([FaceKey(hashlib.sha256(str(number).encode()).hexdigest(), 0) for number in numbers])


def test_a_new_group_is_named_after_its_most_central_face():
    (one,) = group_ids([group(1, 2, 3)], NONE)
    (same,) = group_ids([group(1, 4)], NONE)
    (other,) = group_ids([group(2, 1, 3)], NONE)
    assert one == same != other


def test_a_group_keeps_its_id_when_its_centre_moves_and_faces_come_and_go():
    earlier = FaceGroups.of(["a" * 16], [group(1, 2, 3, 4)])
    assert group_ids([group(3, 4, 2, 7, 8)], earlier) == ["a" * 16]


def test_of_a_group_that_fell_apart_the_larger_part_keeps_the_id():
    earlier = FaceGroups.of(["a" * 16], [group(1, 2, 3, 4, 5)])
    smaller, larger = group_ids([group(1, 2), group(3, 4, 5)], earlier)
    assert larger == "a" * 16 != smaller


def test_groups_that_became_one_have_the_id_of_the_larger():
    earlier = FaceGroups.of(["a" * 16, "b" * 16], [group(1, 2, 3), group(4, 5)])
    assert group_ids([group(5, 4, 3, 2, 1)], earlier) == ["a" * 16]


def test_a_crowd_that_took_in_one_face_of_a_group_is_another_group():
    earlier = FaceGroups.of(["a" * 16], [group(1, 2, 3)])
    assert group_ids([group(1, 11, 12, 13, 14)], earlier) != ["a" * 16]


def test_an_id_that_is_taken_is_not_given_again():
    (first,) = group_ids([group(1, 2, 3)], NONE)
    earlier = FaceGroups.of([first], [group(1, 2, 3)])
    ids = group_ids([group(2, 3), group(1, 9)], earlier)
    assert ids[0] == first
    assert len(set(ids)) == 2


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=30, max_size=30), st.lists(st.integers(0, 5), min_size=30, max_size=30))
def test_ids_are_unique_and_the_same_groups_keep_theirs(before, after):
    def groups(places: list[int]) -> list[FaceKeys]:
        return [group(*(n for n, at in enumerate(places) if at == place)) for place in sorted(set(places))]

    first = group_ids(groups(before), NONE)
    earlier = FaceGroups.of(first, groups(before))
    assert group_ids(groups(before), earlier) == first
    second = group_ids(groups(after), earlier)
    assert len(set(second)) == len(second)
