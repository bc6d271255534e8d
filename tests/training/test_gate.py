"""The gate: poisoned labels stay out, honest ones come in, and the sentences say what to do."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.training.embeddings import Float32, People, key, training_set
from training.dataset import TrainingSet
from training.gate import judge

Labels = dict[str, Float32]


@pytest.fixture
def people() -> People:
    return People(seed=5)


@pytest.fixture
def persons(people: People) -> dict[str, Float32]:
    return {name: people.person() for name in ("ann", "bo", "cy")}


@pytest.fixture
def background(people: People, persons: dict[str, Float32]) -> Float32:
    own = [people.faces(person, 20) for person in persons.values()]
    return np.concatenate([*own, people.strangers(200), people.strangers(40, covered=True)])


def _labels(people: People, persons: dict[str, Float32], n: int) -> Labels:
    return {name: people.faces(person, n) for name, person in persons.items()}


def _swapped(given: TrainingSet, a: str, b: str, share: float) -> TrainingSet:
    """The same faces; a share of the labels of two personas exchanged."""
    y = given.y.copy()
    for one, other in ((a, b), (b, a)):
        rows = np.flatnonzero(given.y == one)
        y[rows[: max(1, round(share * len(rows)))]] = other
    return dataclasses.replace(given, y=y)


def test_a_first_version_of_good_labels_passes(
    people: People, persons: dict[str, Float32], background: Float32
) -> None:
    decision = judge(training_set(_labels(people, persons, 8), background=background), champion=None)
    assert decision.promote
    assert not decision.reasons
    assert decision.metrics["macro_f1"] >= 0.9


@pytest.mark.parametrize("n_labels", [1, 2])
def test_a_first_version_of_hardly_any_labels_passes(people: People, n_labels: int) -> None:
    assert judge(training_set({"ann": people.faces(people.person(), n_labels)}), champion=None).promote


def test_the_same_labels_again_pass(people: People, persons: dict[str, Float32], background: Float32) -> None:
    given = training_set(_labels(people, persons, 8), background=background)
    decision = judge(given, champion=given)
    assert decision.promote
    assert decision.metrics["compared"] == 24


@pytest.mark.parametrize("n_labels", [8, 30])
def test_labels_swapped_between_two_personas_are_refused_naming_both(
    people: People, persons: dict[str, Float32], background: Float32, n_labels: int
) -> None:
    given = training_set(_labels(people, persons, n_labels), background=background)
    decision = judge(_swapped(given, "ann", "bo", 0.3), champion=given, names={"ann": "Ann Lee", "bo": "Bo Ek"})
    assert not decision.promote
    assert {"ann", "bo"} <= set(decision.personas)
    assert any("Ann Lee and Bo Ek" in reason and "correct them" in reason for reason in decision.reasons)


def test_the_swapped_faces_are_among_those_to_look_at_first(
    people: People, persons: dict[str, Float32], background: Float32
) -> None:
    given = training_set(_labels(people, persons, 30), background=background)
    decision = judge(_swapped(given, "ann", "bo", 0.3), champion=given)
    wrong = {key(name, number) for name in ("ann", "bo") for number in range(9)}
    assert len(wrong & set(decision.faces)) >= 14
    assert len(set(decision.faces) - wrong) <= 4


def test_new_labels_that_are_swapped_are_refused(
    people: People, persons: dict[str, Float32], background: Float32
) -> None:
    few = _labels(people, persons, 8)
    more = {name: np.concatenate([few[name], people.faces(person, 5)]) for name, person in persons.items()}
    champion = training_set(few, background=background)
    more["ann"][8:12], more["bo"][8:12] = more["bo"][8:12].copy(), more["ann"][8:12].copy()
    decision = judge(training_set(more, background=background), champion=champion)
    assert not decision.promote
    assert {"ann", "bo"} <= set(decision.personas)


def test_honest_labels_of_a_hard_look_pass(people: People, persons: dict[str, Float32], background: Float32) -> None:
    clean = _labels(people, persons, 8)
    hard = {
        name: np.concatenate([clean[name], people.faces(person, 3, covered=True)]) for name, person in persons.items()
    }
    decision = judge(training_set(hard, background=background), champion=training_set(clean, background=background))
    assert decision.promote, decision.reasons


def test_correcting_swapped_labels_passes(people: People, persons: dict[str, Float32], background: Float32) -> None:
    given = training_set(_labels(people, persons, 8), background=background)
    assert judge(given, champion=_swapped(given, "ann", "bo", 0.3)).promote


def test_a_new_persona_cannot_fail_the_gate_even_if_it_is_hardly_found(
    people: People, persons: dict[str, Float32], background: Float32
) -> None:
    labels = _labels(people, persons, 8)
    champion = training_set(labels, background=background)
    hard_to_find = people.faces(people.person(), 4, covered=True)
    assert judge(training_set({**labels, "dee": hard_to_find}, background=background), champion=champion).promote


def test_a_new_persona_made_of_other_personas_faces_is_refused(
    people: People, persons: dict[str, Float32], background: Float32
) -> None:
    labels = _labels(people, persons, 12)
    champion = training_set(labels, background=background)
    mixture = np.concatenate([people.faces(person, 4) for person in persons.values()])
    decision = judge(training_set({**labels, "dee": mixture}, background=background), champion=champion)
    assert not decision.promote


def test_relatives_that_always_were_mixed_up_do_not_block_new_labels(people: People, background: Float32) -> None:
    ann = people.person()
    sister = ann + 0.8 * people.person()
    sister /= np.linalg.norm(sister)
    other = people.person()
    few = {"ann": people.faces(ann, 8), "sis": people.faces(sister, 8), "bo": people.faces(other, 8)}
    more = {
        name: np.concatenate([few[name], people.faces(person, 4)])
        for name, person in (("ann", ann), ("sis", sister), ("bo", other))
    }
    decision = judge(training_set(more, background=background), champion=training_set(few, background=background))
    assert decision.promote, decision.reasons


def test_the_gate_says_the_same_thing_twice(people: People, persons: dict[str, Float32], background: Float32) -> None:
    given = training_set(_labels(people, persons, 8), background=background)
    poisoned = _swapped(given, "bo", "cy", 0.3)
    assert judge(poisoned, champion=given) == judge(poisoned, champion=given)
