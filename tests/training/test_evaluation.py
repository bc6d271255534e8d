"""Held-out evaluation: fixed folds, honest numbers, strangers without labelled strangers."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.training.embeddings import People, key, training_set
from training.dataset import fold_of
from training.evaluation import calibration_error, evaluate, fit_folds, score_folds
from training.metrics import f1, histogram, names_by_threshold, reliability, wilson, worse_by_chance


@pytest.fixture
def people() -> People:
    return People(seed=11)


def test_the_fold_of_a_face_does_not_depend_on_the_others() -> None:
    keys = [key("ann", number) for number in range(200)]
    folds = fold_of(keys, 5)
    assert fold_of(keys[50:60], 5).tolist() == folds[50:60].tolist()
    assert np.bincount(folds, minlength=5).min() >= 20


def test_a_fold_is_left_out_with_everything_people_said_of_its_faces(people: People) -> None:
    rejected = (people.strangers(20), np.repeat("ann", 20))
    given = training_set(
        {"ann": people.strangers(20)},
        strangers=people.strangers(20),
        stranger_keys=tuple(key("stranger", number) for number in range(20)),
        rejected=rejected,
        rejected_keys=tuple(key("rejected", number) for number in range(20)),
    )
    rest = given.without_fold(2, 5)
    for keys, rows in (
        (rest.keys, rest.X),
        (rest.stranger_keys, rest.strangers),
        (rest.rejected_keys, rest.rejected[0]),
    ):
        assert len(keys) == len(rows) < 20
        assert 2 not in fold_of(keys, 5)


def test_good_labels_give_good_numbers(people: People) -> None:
    labels = {name: people.faces(people.person(), 12) for name in ("ann", "bo", "cy")}
    evaluation = evaluate(training_set(labels, background=people.strangers(300)))
    metrics = evaluation.metrics()
    assert metrics["n"] == 36
    assert metrics["macro_f1"] >= 0.95
    assert metrics["strangers_named"] <= 0.03
    assert metrics["calibration_error"] <= 0.05
    assert set(metrics["per_persona"]) == {"ann", "bo", "cy"}
    assert metrics["per_persona"]["ann"]["n"] == 12
    assert not metrics["contradictions"]


def test_metrics_can_be_written_as_json(people: People) -> None:
    evaluation = evaluate(training_set({"ann": people.faces(people.person(), 6)}, background=people.strangers(50)))
    assert json.loads(json.dumps(evaluation.metrics(), allow_nan=False)) == evaluation.metrics()


def test_a_label_that_belongs_to_somebody_else_is_listed(people: People) -> None:
    ann, bo = people.person(), people.person()
    faces = np.concatenate([people.faces(ann, 11), people.faces(bo, 1)])
    evaluation = evaluate(training_set({"ann": faces, "bo": people.faces(bo, 12)}, background=people.strangers(300)))
    assert [(row["face"], row["looks_like"]) for row in evaluation.contradictions()] == [(str(key("ann", 11)), "bo")]


def test_a_persona_with_one_label_counts_as_a_stranger_and_not_as_missed(people: People) -> None:
    labels = {"ann": people.faces(people.person(), 10), "bo": people.faces(people.person(), 1)}
    evaluation = evaluate(training_set(labels, background=people.strangers(200)))
    assert evaluation.known.tolist() == [True] * 10 + [False]
    assert "bo" not in evaluation.metrics()["per_persona"]


def test_one_label_in_all_can_be_evaluated(people: People) -> None:
    metrics = evaluate(training_set({"ann": people.faces(people.person(), 1)})).metrics()
    assert metrics["n"] == 1
    assert metrics["macro_f1"] is None


def test_labelled_strangers_are_scored_without_being_learnt(people: People) -> None:
    labels = {name: people.faces(people.person(), 8) for name in ("ann", "bo")}
    evaluation = evaluate(
        training_set(
            labels,
            strangers=people.strangers(30),
            stranger_keys=tuple(key("stranger", number) for number in range(30)),
            background=people.strangers(200),
        )
    )
    assert evaluation.strangers()[1] == 46
    assert evaluation.stranger_named.mean() <= 0.05


def test_one_person_under_two_names_shows_as_strangers_named(people: People) -> None:
    twice = people.person()
    labels = {"ann": people.faces(twice, 10), "anna": people.faces(twice, 10), "bo": people.faces(people.person(), 10)}
    evaluation = evaluate(training_set(labels, background=people.strangers(200)))
    named, tried = evaluation.strangers()
    assert named / tried >= 0.4


def test_faces_can_be_judged_by_models_that_never_saw_them(people: People) -> None:
    ann, bo = people.person(), people.person()
    few = training_set({"ann": people.faces(ann, 8), "bo": people.faces(bo, 8)}, background=people.strangers(200))
    more = training_set({"ann": people.faces(ann, 30), "bo": people.faces(bo, 30), "cy": people.strangers(3)})
    evaluation = score_folds(fit_folds(few), more)
    assert evaluation.right.sum() >= 55
    assert not evaluation.known[-3:].any()


def test_calibration_error_of_honest_probabilities_is_small_and_of_boasts_large() -> None:
    rng = np.random.default_rng(0)
    probability = rng.random(20_000)
    correct = rng.random(20_000) < probability
    assert calibration_error(probability, correct) < 0.02
    assert calibration_error(np.full(1000, 0.99), np.zeros(1000, dtype=bool)) == pytest.approx(0.99)
    assert calibration_error(np.zeros(0), np.zeros(0, dtype=bool)) == 0


def test_reliability_bins_hold_the_same_number_of_faces() -> None:
    bins = reliability(np.linspace(0, 1, 150), np.ones(150, dtype=bool))
    assert [row["n"] for row in bins] == [10] * 15


def test_intervals_and_tests_agree_with_the_tables() -> None:
    assert wilson(0, 0) == (0, 1)
    assert wilson(5, 10, confidence=0.95) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert worse_by_chance(8, 0) == pytest.approx(1 / 256)
    assert worse_by_chance(0, 5) == 1
    assert f1(8, 2, 0) == pytest.approx(16 / 18)


def test_names_are_counted_by_the_probability_they_need() -> None:
    rows = names_by_threshold(
        right=np.array([0.99, 0.95, 0.4]), wrong=np.array([0.5]), strangers=np.array([0.3, 0.9995])
    )
    by_threshold = {row[0]: row[1:] for row in rows}
    assert by_threshold[0.0] == [3, 1, 2]
    assert by_threshold[0.5] == [2, 1, 1]
    assert by_threshold[0.95] == [2, 0, 1]
    assert by_threshold[0.999] == [0, 0, 1]
    assert [row[0] for row in rows] == sorted(by_threshold)


def test_a_histogram_has_bins_of_one_width_and_counts_one_in_the_last() -> None:
    assert histogram(np.array([0.0, 0.1, 0.26, 0.5, 0.99, 1.0]), n_bins=4) == [2, 1, 1, 2]
    assert len(histogram(np.zeros(0))) == 40


def test_nothing_that_a_name_needs_on_top_leaves_the_headline_numbers(people: People) -> None:
    twice = people.person()
    labels = {"ann": people.faces(twice, 10), "anna": people.faces(twice, 10), "bo": people.faces(people.person(), 10)}
    metrics = evaluate(training_set(labels, background=people.strangers(200))).metrics()
    thresholds = metrics["thresholds"]
    cut, right, wrong, strangers = thresholds["rows"][0]
    assert cut == 0
    assert right / thresholds["n"] == pytest.approx(metrics["recall"], abs=1e-4)
    assert strangers / thresholds["n_strangers"] == pytest.approx(metrics["strangers_named"], abs=1e-4)
    assert wrong == metrics["confusion"]["n_faces"]
    assert sum(metrics["histograms"]["known"]) == thresholds["n"] == 30
    assert sum(metrics["histograms"]["unknown"]) == thresholds["n_strangers"] == 30
