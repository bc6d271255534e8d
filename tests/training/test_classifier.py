"""The open-set classifier, on made-up embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import check_estimator

from tests.training.embeddings import Float32, People
from training.artefact import dump_classifier
from training.classifier import PersonaClassifier

OPEN_SET = (
    "an open-set classifier leaves a face without a name when no persona is sure; the check wants a name for each"
)


EXPECTED_FAILURES = {"check_classifiers_one_label": OPEN_SET, "check_classifiers_train": OPEN_SET}


def test_keeps_the_estimator_contract() -> None:
    # Checks that need pandas or an array API namespace say nothing about us and are left out silently (on_skip=None).
    results = check_estimator(PersonaClassifier(), expected_failed_checks=EXPECTED_FAILURES, on_skip=None)
    assert sum(result["status"] == "passed" for result in results) >= 45


@pytest.fixture
def people() -> People:
    return People(seed=7)


def _gallery(people: People, n_personas: int = 4, n_labels: int = 5) -> tuple[list[Float32], Float32, Any]:
    persons = [people.person() for _ in range(n_personas)]
    faces = np.concatenate([people.faces(person, n_labels) for person in persons])
    return persons, faces, np.repeat([f"persona-{i:04}" for i in range(n_personas)], n_labels)


def test_names_known_faces_and_leaves_strangers_unnamed(people: People) -> None:
    persons, faces, names = _gallery(people)
    model = PersonaClassifier().fit(faces, names, background=people.strangers(400))
    probes = np.concatenate([people.faces(person, 50) for person in persons])
    truth = np.repeat(model.classes_, 50)
    assert np.mean(model.predict(probes) == truth) >= 0.99
    assert np.mean(model.claims(people.strangers(2000)).accepted) <= 0.01


@pytest.mark.parametrize(("n_personas", "n_labels"), [(1, 1), (1, 5), (3, 8), (60, 1), (300, 2)])
def test_chooses_its_own_cut_off_for_any_size_of_gallery(people: People, n_personas: int, n_labels: int) -> None:
    persons, faces, names = _gallery(people, n_personas, n_labels)
    model = PersonaClassifier().fit(faces, names, background=people.strangers(300))
    probes = np.concatenate([people.faces(person, 2) for person in persons])
    assert np.mean(model.predict(probes) == np.repeat(model.classes_, 2)) >= 0.9
    assert np.mean(model.claims(people.strangers(1000)).accepted) <= 0.012


def test_works_without_background_and_without_strangers(people: People) -> None:
    persons, faces, names = _gallery(people)
    model = PersonaClassifier().fit(faces, names)
    probes = np.concatenate([people.faces(person, 20) for person in persons])
    assert np.mean(model.predict(probes) == np.repeat(model.classes_, 20)) >= 0.95
    assert np.mean(model.claims(people.strangers(1000)).accepted) <= 0.01


def test_a_background_full_of_the_personas_themselves_does_no_harm(people: People) -> None:
    persons, faces, names = _gallery(people)
    own = np.concatenate([people.faces(person, 100) for person in persons])
    model = PersonaClassifier().fit(faces, names, background=np.concatenate([own, people.strangers(200)]))
    assert np.mean(model.predict(own) == np.repeat(model.classes_, 100)) >= 0.99


def test_three_labels_of_a_hard_look_find_more_of_it_without_naming_covered_strangers(people: People) -> None:
    persons, faces, names = _gallery(people, 3, 8)
    hidden = [people.faces(person, 30, covered=True) for person in persons]
    background = np.concatenate(
        [*hidden, people.strangers(200), people.strangers(60, covered=True)]
        + [people.faces(person, 50) for person in persons]
    )
    before = PersonaClassifier().fit(faces, names, background=background)
    shown = np.concatenate([people.faces(person, 3, covered=True) for person in persons])
    after = PersonaClassifier().fit(
        np.concatenate([faces, shown]),
        np.concatenate([names, np.repeat(before.classes_, 3)]),
        background=background,
    )
    probes = np.concatenate(hidden)
    truth = np.repeat(before.classes_, 30)
    assert np.mean(after.predict(probes) == truth) >= np.mean(before.predict(probes) == truth) + 0.15
    assert np.mean(after.claims(people.strangers(1000, covered=True)).accepted) <= 0.02
    assert np.mean(after.claims(people.strangers(1000)).accepted) <= 0.01


def test_a_rejected_face_and_its_like_are_claimed_for_that_persona_no_more(people: People) -> None:
    persons, faces, names = _gallery(people)
    brother = persons[0] + 1.4 * people.person()
    brother /= np.linalg.norm(brother)
    album = people.faces(brother, 40)
    background = people.strangers(300)
    plain = PersonaClassifier().fit(faces, names, background=background)
    taken = plain.claims(album).accepted
    assert taken.sum() >= 5
    rejected = (album[:3], np.repeat(names[:1], 3))
    told = PersonaClassifier().fit(faces, names, background=background, rejected=rejected)
    assert not told.claims(album[:3]).accepted.any()
    assert told.claims(album[3:]).accepted.sum() < taken[3:].sum() / 2


def test_one_mistaken_rejection_does_not_cost_a_persona_its_faces(people: People) -> None:
    persons, faces, names = _gallery(people)
    rejected = (people.faces(persons[0], 1), names[:1])
    model = PersonaClassifier().fit(faces, names, background=people.strangers(300), rejected=rejected)
    assert np.mean(model.predict(people.faces(persons[0], 100)) == names[0]) >= 0.95


def test_a_labelled_stranger_keeps_other_pictures_of_them_unnamed(people: People) -> None:
    persons, faces, names = _gallery(people)
    double = persons[0] + 1.4 * people.person()
    double /= np.linalg.norm(double)
    album = people.faces(double, 40)
    model = PersonaClassifier().fit(faces, names, background=people.strangers(300), strangers=album[:3])
    plain = PersonaClassifier().fit(faces, names, background=people.strangers(300))
    assert model.claims(album[3:]).accepted.sum() < plain.claims(album[3:]).accepted.sum() / 2
    assert np.mean(model.predict(people.faces(persons[0], 100)) == names[0]) >= 0.95


def test_a_persona_with_rejections_only_makes_no_class(people: People) -> None:
    _, faces, names = _gallery(people)
    model = PersonaClassifier().fit(faces, names, rejected=(people.strangers(2), ["nobody", "nobody"]))
    assert "nobody" not in model.classes_


def test_look_alikes_are_told_apart(people: People) -> None:
    persons, faces, names = _gallery(people)
    sister = persons[0] + 0.9 * people.person()
    sister /= np.linalg.norm(sister)
    model = PersonaClassifier().fit(
        np.concatenate([faces, people.faces(sister, 5)]),
        np.concatenate([names, ["sister"] * 5]),
        background=people.strangers(300),
    )
    for person, name in ((persons[0], names[0]), (sister, "sister")):
        said = model.predict(people.faces(person, 100))
        assert np.mean(said == name) >= 0.85
        assert np.isin(said, [name, "unknown"]).mean() >= 0.98


def test_duplicates_change_nothing_and_contradictory_duplicates_count_for_neither(people: People) -> None:
    _, faces, names = _gallery(people)
    probes = people.strangers(50)
    once = PersonaClassifier().fit(faces, names)
    twice = PersonaClassifier().fit(np.concatenate([faces, faces]), np.concatenate([names, names]))
    assert np.array_equal(once.predict_proba(probes), twice.predict_proba(probes))
    both = PersonaClassifier().fit(np.concatenate([faces, faces[:1]]), np.append(names, names[-1]))
    without = PersonaClassifier().fit(faces[1:], names[1:])
    assert np.allclose(both.predict_proba(probes), without.predict_proba(probes))


def test_a_face_without_an_embedding_is_claimed_by_nobody(people: People) -> None:
    _, faces, names = _gallery(people)
    nothing = np.zeros((2, 128), dtype=np.float32)
    model = PersonaClassifier().fit(
        np.concatenate([faces, nothing[:1]]), np.append(names, names[:1]), background=nothing, strangers=nothing
    )
    claims = model.claims(nothing)
    assert not claims.accepted.any()
    assert (claims.probability == 0).all()


def test_a_persona_whose_only_label_has_no_embedding_claims_nobody(people: People) -> None:
    _, faces, names = _gallery(people)
    model = PersonaClassifier().fit(
        np.concatenate([faces, np.zeros((1, 128), dtype=np.float32)]),
        np.append(names, "ghost"),
        background=people.strangers(300),
    )
    assert "ghost" in model.classes_
    assert "ghost" not in model.predict(people.strangers(2000))


def test_embeddings_of_another_length_are_scored_without_overflow() -> None:
    rng = np.random.default_rng(0)
    persons = rng.normal(size=(3, 512))
    faces = np.repeat(persons, 4, axis=0) + 0.5 * rng.normal(size=(12, 512))
    model = PersonaClassifier().fit(faces, np.repeat(["a", "b", "c"], 4), background=rng.normal(size=(300, 512)))
    with np.errstate(all="raise", under="ignore"):
        assert model.predict(persons).tolist() == ["a", "b", "c"]


def test_uneven_numbers_of_labels_do_not_favour_the_persona_with_many(people: People) -> None:
    big, small = people.person(), people.person()
    faces = np.concatenate([people.faces(big, 300), people.faces(small, 1)])
    model = PersonaClassifier().fit(faces, ["big"] * 300 + ["small"], background=people.strangers(300))
    assert np.mean(model.predict(people.faces(small, 100)) == "small") >= 0.85
    assert np.mean(model.predict(people.faces(big, 100)) == "big") >= 0.98


def test_length_of_the_vectors_does_not_matter(people: People) -> None:
    persons, faces, names = _gallery(people)
    model = PersonaClassifier().fit(faces, names)
    scaled = PersonaClassifier().fit(faces * 4, names)
    probes = people.faces(persons[1], 10)
    assert np.allclose(model.predict_proba(probes), scaled.predict_proba(probes * 7), atol=1e-5)


def test_the_same_input_gives_the_same_bytes(people: People) -> None:
    _, faces, names = _gallery(people)
    background = people.strangers(400)
    first, second = (PersonaClassifier(max_background=100).fit(faces, names, background=background) for _ in range(2))
    assert dump_classifier(first) == dump_classifier(second)


def test_a_prediction_does_not_depend_on_its_company(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    persons, faces, names = _gallery(people)
    model = PersonaClassifier().fit(faces, names, background=people.strangers(200))
    probes = np.concatenate([people.faces(persons[0], 30), people.strangers(30)])
    together = model.claims(probes)
    monkeypatch.setattr("training.gallery.SCORES_AT_ONCE", 12)
    apart = model.claims(probes)
    assert np.allclose(together.probability, apart.probability, atol=1e-5)
    assert np.array_equal(together.accepted, apart.accepted)


def test_claims_list_candidates_in_descending_order(people: People) -> None:
    persons, faces, names = _gallery(people)
    model = PersonaClassifier().fit(faces, names, background=people.strangers(200))
    probes = people.faces(persons[2], 5)
    claims = model.claims(probes, n_candidates=9)
    assert claims.candidates.shape == (5, 4)
    assert (np.diff(claims.candidate_probability, axis=1) <= 0).all()
    assert np.array_equal(claims.candidates[:, 0], claims.class_index)
    assert np.allclose(claims.candidate_probability[:, 0], model.predict_proba(probes).max(axis=1))


def test_probabilities_of_a_face_leave_room_for_unknown(people: People) -> None:
    persons, faces, names = _gallery(people)
    model = PersonaClassifier().fit(faces, names, background=people.strangers(200))
    assert model.predict_proba(people.faces(persons[0], 20)).sum(axis=1).min() > 0.5
    assert model.predict_proba(people.strangers(200)).sum(axis=1).mean() < 0.05


def test_an_excluded_persona_is_not_claimed_and_the_next_one_may_be(people: People) -> None:
    persons, faces, names = _gallery(people)
    model = PersonaClassifier().fit(faces, names, background=people.strangers(200))
    probe = people.faces(persons[0], 1)
    assert model.claims(probe).class_index[0] == 0
    claims = model.claims(np.concatenate([probe, probe]), excluded=[(1, 0)], n_candidates=4)
    assert claims.accepted.tolist() == [True, False]
    assert claims.class_index[1] != 0
    assert claims.candidate_probability[1].tolist()[-1] == 0


def test_no_faces_are_no_claims(people: People) -> None:
    _, faces, names = _gallery(people)
    assert PersonaClassifier().fit(faces, names).claims(np.zeros((0, 128), dtype=np.float32)).accepted.shape == (0,)


def test_says_that_it_was_not_fitted(people: People) -> None:
    with pytest.raises(NotFittedError):
        PersonaClassifier().claims(people.strangers(1))
