"""The file of groups: what was written is what is read, or it says so."""

from __future__ import annotations

import pytest

from personas.face_arrays import FaceKeys
from personas.face_groups import FaceGroups, GroupsCorruptError
from tests import factories as make


@pytest.fixture
def groups() -> FaceGroups:
    return FaceGroups.of(
        ["a" * 16, "b" * 16],
        [FaceKeys.of([make.key(3), make.key(1), make.key(2)]), FaceKeys.of([make.key(4), make.key(5, 2)])],
    )


def test_groups_survive_the_way_to_the_file_and_back(groups):
    again = FaceGroups.from_bytes(groups.to_bytes())
    assert again.ids == groups.ids
    assert [list(again[place]) for place in range(len(again))] == [
        [make.key(3), make.key(1), make.key(2)],
        [make.key(4), make.key(5, 2)],
    ]
    assert again.to_bytes() == groups.to_bytes()


def test_no_groups_survive_it_too():
    again = FaceGroups.from_bytes(FaceGroups.of([], []).to_bytes())
    assert len(again) == 0
    assert not again.hold([make.key(1)]).any()


def test_a_group_is_found_by_its_id(groups):
    assert groups.place_of("b" * 16) == 1
    assert groups.place_of("c" * 16) is None


def test_it_knows_which_faces_are_in_a_group(groups):
    assert groups.hold([make.key(1), make.key(9), make.key(5), make.key(5, 2)]).tolist() == [True, False, False, True]


@pytest.mark.parametrize("damage", [b"", b"not a file", b"half"])
def test_a_damaged_file_is_named_as_such(groups, damage):
    content = groups.to_bytes()
    with pytest.raises(GroupsCorruptError, match="Group them again"):
        FaceGroups.from_bytes(content[: len(content) // 2] if damage == b"half" else damage)
