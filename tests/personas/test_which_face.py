"""Which face a sidecar or a line of a label file speaks of."""

from __future__ import annotations

import pytest

from personas.entities import Box
from personas.errors import AmbiguousError, NotFoundError
from personas.which_face import face_meant
from tests.factories import face, key

WIDTH, HEIGHT = 400, 400


def centred(x: float, y: float, size: float) -> Box:
    return Box(x - size / 2, y - size / 2, size, size)


def test_the_face_nearest_the_centre_is_meant() -> None:
    faces = [face(at_box=centred(40, 40, 60)), face(face_no=1, at_box=centred(210, 200, 60))]
    assert face_meant(faces, WIDTH, HEIGHT) == key(0, 1)


def test_two_people_side_by_side_are_ambiguous_and_both_are_named() -> None:
    faces = [face(at_box=centred(130, 200, 80)), face(face_no=1, at_box=centred(275, 200, 80))]
    with pytest.raises(AmbiguousError) as caught:
        face_meant(faces, WIDTH, HEIGHT)
    assert set(caught.value.candidates) == {str(key(0, 0)), str(key(0, 1))}


def test_a_small_face_in_the_background_is_no_rival() -> None:
    faces = [face(at_box=centred(200, 200, 120)), face(face_no=1, at_box=centred(230, 60, 40))]
    assert face_meant(faces, WIDTH, HEIGHT) == key(0, 0)


def test_a_speck_at_the_centre_does_not_beat_the_large_face_around_it() -> None:
    faces = [face(at_box=centred(200, 200, 10)), face(face_no=1, at_box=centred(240, 200, 150))]
    with pytest.raises(AmbiguousError):
        face_meant(faces, WIDTH, HEIGHT)


def test_a_number_settles_it() -> None:
    faces = [face(at_box=centred(130, 200, 80)), face(face_no=1, at_box=centred(275, 200, 80))]
    assert face_meant(faces, WIDTH, HEIGHT, face=1) == key(0, 1)
    with pytest.raises(NotFoundError, match="its faces are 0, 1"):
        face_meant(faces, WIDTH, HEIGHT, face=7)


def test_a_box_settles_it_even_when_drawn_loosely() -> None:
    faces = [face(at_box=centred(130, 200, 80)), face(face_no=1, at_box=centred(275, 200, 80))]
    assert face_meant(faces, WIDTH, HEIGHT, box=centred(272, 205, 84)) == key(0, 1)
    assert face_meant(faces, WIDTH, HEIGHT, box=centred(280, 190, 125)) == key(0, 1)
    with pytest.raises(NotFoundError):
        face_meant(faces, WIDTH, HEIGHT, box=centred(30, 30, 20))


def test_a_picture_without_a_face_means_nobody() -> None:
    with pytest.raises(NotFoundError):
        face_meant([], WIDTH, HEIGHT)
