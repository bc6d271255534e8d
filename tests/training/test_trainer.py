"""From labels to predictions: fit, gate, publish, switch, score what comes later."""

from __future__ import annotations

import numpy as np
import pytest

from personas.entities import LABELS, Verdict, VersionStatus
from personas.errors import NotFoundError
from personas.selectors.counts import predicted_counts
from personas.selectors.faces import view_image
from personas.selectors.gallery import persona_grid
from personas.selectors.learning import TRAINER_CURSOR
from personas.version_metrics import metrics_of
from tests.factories import EMBEDDER
from training.collect import collect_training_set
from training.matrix import EmbeddingMatrix

pytestmark = pytest.mark.django_db


def test_without_faces_training_says_what_to_do(fresh_world):
    with pytest.raises(NotFoundError, match="ingest"):
        fresh_world.train()


def test_without_labels_there_is_nothing_to_learn_and_no_version(fresh_world):
    fresh_world.crowd(3)
    outcome = fresh_world.train()
    assert "Nothing to learn" in outcome.sentence
    assert fresh_world.store.model_versions().items == ()


def test_the_first_version_names_the_unlabelled_faces_of_its_personas_and_no_stranger(known):
    ada, bo = known.predicted("Ada"), known.predicted("Bo")
    assert set(ada) >= set(known.ada[6:28])
    assert not set(ada) & {*known.bo, *known.strangers, *known.ada[:6]}
    assert not set(bo) & {*known.ada, *known.strangers, *known.bo[:6]}


def test_predictions_are_listed_in_descending_order(known):
    probabilities = list(known.predicted("Ada").values())
    assert probabilities == sorted(probabilities, reverse=True)


def test_a_single_face_is_predicted_as_the_ranked_pages_say(known):
    listed = known.predicted("Ada")
    for key in known.ada[6:]:
        said = view_image(known.store, key.image_id).faces[0].prediction
        assert (said.persona_id == "ada") == (key in listed)
        if key in listed:
            assert said.probability == pytest.approx(listed[key], abs=1e-4)


def test_nothing_new_means_no_fit_and_says_so(known):
    outcome = known.train()
    assert outcome.sentence == "Nothing new since version 1; no fit."
    assert len(known.store.model_versions().items) == 1


def test_new_pictures_alone_start_no_fit_by_themselves_but_count_when_asked(known):
    known.crowd(3, first=100)
    assert "Nothing new" in known.train(only_new_labels=True).sentence
    assert known.train().version == 2


def test_many_events_make_one_version(known):
    for key in known.ada[6:12]:
        known.say("Ada", key)
    assert known.train(only_new_labels=True).version == 2
    assert "Nothing new" in known.train(only_new_labels=True).sentence
    assert known.store.cursor(TRAINER_CURSOR) == known.store.head(LABELS)


def test_a_label_leaves_the_predicted_list_before_any_new_version(known):
    known.say("Ada", known.ada[7])
    assert known.ada[7] not in known.predicted("Ada")


def test_new_pictures_are_scored_without_a_fit(known):
    later = known.photograph("Ada", 5, first=100)
    assert not set(known.predicted("Ada")) & set(later)
    assert known.trainer.score_new_faces() == 5
    assert set(known.predicted("Ada")) >= set(later)
    assert len(known.store.model_versions().items) == 1
    assert known.trainer.score_new_faces() == 0


def test_scoring_new_faces_twice_lists_them_once(known):
    known.photograph("Ada", 5, first=100)
    known.trainer.score_new_faces()
    before = known.predicted("Ada")
    known.store.add_fresh(1, {}, scored_through=0)
    known.trainer.score_new_faces()
    assert known.predicted("Ada") == before


def test_a_rejected_face_never_comes_back_over_twenty_further_versions(known):
    rejected = max(known.predicted("Ada"), key=known.predicted("Ada").__getitem__)
    known.say("Ada", rejected, verdict=Verdict.REJECTED)
    unlabelled = [key for key in known.ada[6:] if key != rejected]
    for number, key in enumerate(unlabelled[:20], start=2):
        known.say("Ada", key)
        assert known.train(only_new_labels=True).version == number
        assert rejected not in known.predicted("Ada")
        assert view_image(known.store, rejected.image_id).faces[0].prediction.persona_id != "ada"
    assert known.store.champion().version == 21


def test_a_rejection_does_not_cost_the_other_faces_of_that_persona(known):
    before = set(known.predicted("Ada"))
    wrong = known.bo[20]
    known.say("Ada", wrong, verdict=Verdict.REJECTED)
    known.train()
    assert len(set(known.predicted("Ada")) & before) >= len(before) - 1


def test_swapped_labels_are_refused_and_both_personas_are_named(swapped):
    refused = swapped.store.model_version(2)
    assert refused.status is VersionStatus.REFUSED
    assert "ada" in " ".join(refused.reasons)
    assert "bo" in " ".join(refused.reasons)
    assert {"ada", "bo"} <= set(metrics_of(refused)["flagged"]["personas"])
    assert swapped.store.champion().version == 1
    assert "Nothing new since version 2" in swapped.train().sentence


def test_the_training_set_does_not_depend_on_the_order_in_which_faces_and_labels_came(known):
    matrix = known.trainer.open_matrix(EMBEDDER)
    said = list(known.store.all_labels())
    backwards = EmbeddingMatrix(matrix.keys[::-1], matrix.vectors[::-1], matrix.through_seq, matrix.embedder)
    one, other = collect_training_set(said, matrix), collect_training_set(said[::-1], backwards)
    assert (one.keys, one.background_keys) == (other.keys, other.background_keys)
    assert np.array_equal(one.X, other.X)
    assert np.array_equal(one.y, other.y)
    assert np.array_equal(one.background, other.background)


def test_the_cover_is_a_typical_labelled_face_and_moves_on_when_that_label_is_taken_back(known):
    covers = {summary.persona.name: summary.cover for summary in persona_grid(known.store).items}
    assert covers["Ada"] in known.ada[:6]
    assert str(covers["Ada"]) == metrics_of(known.store.model_version(1))["covers"]["ada"]
    known.say("Ada", covers["Ada"], verdict=Verdict.CLEARED)
    after = {summary.persona.name: summary.cover for summary in persona_grid(known.store).items}
    assert after["Ada"] in set(known.ada[:6]) - {covers["Ada"]}


def test_labels_before_any_picture_leave_nothing_behind(fresh_world):
    fresh_world.introduce("Ada", [])
    with pytest.raises(NotFoundError):
        fresh_world.train(only_new_labels=True)
    assert fresh_world.store.cursor(TRAINER_CURSOR) == fresh_world.store.head(LABELS)


def listed_and_counted(world, person="Ada"):
    return len(world.predicted(person)), predicted_counts(world.store).get(person.lower(), 0)


def test_counts_equal_what_the_pages_list(known):
    known.say("Ada", known.ada[10])
    known.say("Ada", known.ada[11], verdict=Verdict.REJECTED)
    assert predicted_counts(known.store)["ada"] == len(known.predicted("Ada"))


def test_counts_stay_those_of_the_list_after_a_rollback(known):
    known.train_with(known.ada[6])
    known.trainer.rollback(actor="tester")
    known.say("Ada", known.ada[8])
    known.say("Ada", known.ada[9], verdict=Verdict.REJECTED)
    listed, counted = listed_and_counted(known)
    assert listed == counted


def test_counts_stay_those_of_the_list_when_labelled_pictures_come_in(known):
    later = known.photograph("Ada", 5, first=100)
    known.say("Ada", *later[:3])
    known.trainer.score_new_faces()
    listed, counted = listed_and_counted(known)
    assert listed == counted


def test_counts_follow_a_label_and_its_taking_back(known):
    listed, _ = listed_and_counted(known)
    known.say("Ada", known.ada[10])
    assert listed_and_counted(known) == (listed - 1, listed - 1)
    known.say("Ada", known.ada[10], verdict=Verdict.CLEARED)
    assert listed_and_counted(known) == (listed, listed)
