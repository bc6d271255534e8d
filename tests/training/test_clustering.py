"""Groups of faces from embeddings alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.clustering import bcubed, numbered, pairwise, read_faces
from ingest.vision import ExtractorConfig, build_extractor
from personas.entities import FaceKey
from personas.face_arrays import FaceKeys
from tests.training.embeddings import Float32, People
from training.clustering import NEIGHBOURS, cluster, neighbours, on_grid, threshold_among


def keys(pictures: list[str], face_no: list[int] | None = None) -> FaceKeys:
    ids = [hashlib.sha256(picture.encode()).hexdigest() for picture in pictures]
    return FaceKeys.of([FaceKey(image_id, no) for image_id, no in zip(ids, face_no or [0] * len(ids), strict=True)])


def one_each(n: int) -> FaceKeys:
    return keys([f"picture {number}" for number in range(n)])


def world(seed: int, sizes: list[int]) -> tuple[Float32, np.ndarray]:
    """Faces of people with so many faces each, and whose each is."""
    people = People(seed=seed)
    faces = np.concatenate([people.faces(people.person(), size) for size in sizes])
    return faces, np.repeat(np.arange(len(sizes)), sizes)


def as_sets(groups: list[np.ndarray]) -> set[frozenset[int]]:
    return {frozenset(group.tolist()) for group in groups}


def test_faces_of_a_person_are_one_group_and_strangers_are_in_none():
    faces, person = world(1, [12, 7, 3, *[1] * 200])
    groups = cluster(one_each(len(faces)), faces)
    assert [len(group) for group in groups] == [12, 7, 3]
    assert all(len(set(person[group])) == 1 for group in groups)


def test_nothing_is_grouped_where_there_is_nothing():
    assert cluster(FaceKeys.of([]), np.zeros((0, 128), np.float32)) == []
    assert cluster(one_each(1), People().strangers(1)) == []


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=25),
    order=st.integers(0, 2**31),
)
def test_the_order_in_which_faces_come_changes_nothing(seed, sizes, order):
    faces, _ = world(seed, sizes)
    known = one_each(len(faces))
    shuffled = np.random.default_rng(order).permutation(len(faces))
    plain = cluster(known, faces)
    mixed = cluster(FaceKeys(known.packed[shuffled]), faces[shuffled])
    assert [shuffled[group].tolist() for group in mixed] == [group.tolist() for group in plain]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), sizes=st.lists(st.integers(1, 9), max_size=25))
def test_groups_have_two_faces_at_least_and_share_none_and_come_largest_first(seed, sizes):
    faces, _ = world(seed, sizes) if sizes else (np.zeros((0, 128), np.float32), None)
    groups = cluster(one_each(len(faces)), faces)
    assert all(len(group) >= 2 for group in groups)
    members = [row for group in groups for row in group.tolist()]
    assert len(members) == len(set(members))
    assert [len(group) for group in groups] == sorted((len(group) for group in groups), reverse=True)


def test_how_the_work_is_divided_changes_nothing(monkeypatch):
    faces, _ = world(5, [90, 30, 8, 2, *[1] * 300])
    whole = cluster(one_each(len(faces)), faces)
    monkeypatch.setattr("training.clustering.BLOCK", 17)
    monkeypatch.setattr("training.clustering.COLUMNS", 29)
    assert [group.tolist() for group in cluster(one_each(len(faces)), faces)] == [group.tolist() for group in whole]


def test_a_person_with_far_more_faces_than_neighbours_is_one_group():
    faces, _ = world(3, [NEIGHBOURS * 6, *[1] * 50])
    assert [len(group) for group in cluster(one_each(len(faces)), faces)] == [NEIGHBOURS * 6]


def test_a_chain_of_look_alikes_does_not_run_two_people_together():
    people = People(seed=4)
    one, other = people.person(), people.person()
    between = [(1 - share) * one + share * other for share in np.linspace(0.1, 0.9, 9)]
    faces = np.concatenate([people.faces(one, 15), people.faces(other, 15), *between])
    faces = np.asarray(faces / np.linalg.norm(faces, axis=1, keepdims=True), np.float32)
    groups = cluster(one_each(len(faces)), faces)
    assert not any({0, 15} <= set(group.tolist()) for group in groups)
    assert {frozenset(range(15)), frozenset(range(15, 30))} == {
        frozenset(row for row in group.tolist() if row < 30) for group in groups if len(group) > 9
    }


def test_two_faces_of_one_picture_are_two_people_unless_they_are_all_but_the_same():
    people = People(seed=6)
    alike = people.faces(people.person(), 2)
    assert 0.5 < alike[0] @ alike[1] < 0.7
    assert len(cluster(keys(["one", "another"]), alike)) == 1
    assert cluster(keys(["the same", "the same"], [0, 1]), alike) == []
    mirrored = np.repeat(alike[:1], 2, axis=0)
    assert len(cluster(keys(["the same", "the same"], [0, 1]), mirrored)) == 1


def test_the_most_central_face_comes_first():
    people = People(seed=7)
    faces = people.faces(people.person(), 20)
    (group,) = cluster(one_each(20), faces)
    nearness = faces[group] @ faces.mean(axis=0)
    assert nearness[0] == nearness.max()
    assert nearness[-1] == nearness.min()


def test_the_threshold_rises_with_the_collection_and_never_falls():
    thresholds = [threshold_among(10**decade) for decade in range(8)]
    assert thresholds == sorted(thresholds)
    assert threshold_among(100) == threshold_among(5000) < threshold_among(70_000) < threshold_among(700_000)
    assert threshold_among(10**9) == threshold_among(10**10)


def test_cosines_are_exact_whatever_the_order_of_summation():
    points = on_grid(People(seed=8).strangers(300))
    exact = (points.astype(np.float64) @ points.T.astype(np.float64)).astype(np.float32)
    turned = np.ascontiguousarray(points[:, ::-1])
    assert np.array_equal(points @ points.T, exact)
    assert np.array_equal(turned @ turned.T, exact)


def test_neighbours_have_found_each_other_and_the_most_alike_come_first():
    faces, _ = world(9, [NEIGHBOURS * 3])
    pairs = neighbours(on_grid(faces), floor=0.3)
    assert (pairs.first < pairs.second).all()
    assert (np.diff(pairs.cosine) <= 0).all()
    assert np.bincount(np.concatenate([pairs.first, pairs.second])).max() <= NEIGHBOURS


def test_what_progress_raises_ends_the_work():
    class EnoughError(Exception):
        pass

    def enough(done: int) -> None:
        raise EnoughError(done)

    with pytest.raises(EnoughError):
        cluster(one_each(50), People().strangers(50), on_progress=enough)


# ---- how good groups are ---------------------------------------------------------------------------------------------
def test_measures_of_groups_on_a_small_example():
    # a a b | b | c c, and one more of c alone
    groups, people = np.array([0, 0, 0, 1, 2, 2, 3]), np.array(list("aabbccc"))
    precision, recall = pairwise(groups, people)
    assert precision == pytest.approx(2 / 4)  # pairs in a group: 3 + 1; of one person: aa, cc
    assert recall == pytest.approx(2 / 5)  # pairs of a person: aa, bb, 3 of cc
    assert bcubed(np.arange(3), np.array(list("abc"))) == (1, 1)
    precision, recall = bcubed(groups, people)
    assert precision == pytest.approx((2 / 3 + 2 / 3 + 1 / 3 + 1 + 1 + 1 + 1) / 7)
    assert recall == pytest.approx((1 + 1 + 1 / 2 + 1 / 2 + 2 / 3 + 2 / 3 + 1 / 3) / 7)


@pytest.mark.seed_data
def test_a_group_of_real_faces_is_one_person_and_most_of_a_person_is_together(
    seed_data: Callable[[str], Path], tmp_path: Path
) -> None:
    extractor = build_extractor(ExtractorConfig(cache_dir=tmp_path))
    folders = sorted(path for path in seed_data("lfw-dev").iterdir() if path.is_dir())
    faces = read_faces(folders[::5], lambda paths: [extractor.extract(path.read_bytes()).faces for path in paths])
    groups = numbered(cluster(faces.keys, faces.vectors), len(faces.keys))
    known = faces.people != ""
    precision, recall = pairwise(groups[known], faces.people[known])
    assert precision >= 0.99
    assert recall >= 0.93
    assert np.mean(bcubed(groups[known], faces.people[known])) >= 0.97
