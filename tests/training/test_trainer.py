"""From labels to predictions: fit, gate, publish, switch, score what comes later, roll back."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from personas.entities import LABELS, JobStatus, Verdict, VersionStatus
from personas.errors import NotFoundError
from personas.lease import Lease, LeaseBusyError, LeaseLostError, held_lease
from personas.media import MediaMissingError
from personas.selectors.counts import predicted_counts
from personas.selectors.faces import view_image
from personas.selectors.gallery import persona_grid, persona_predicted
from personas.selectors.learning import TRAINER_CURSOR, TRAINER_JOB
from personas.store import get_store
from personas.version_metrics import metrics_of
from tests.factories import EMBEDDER, embedding, extracted, new_face, save
from tests.training.world import World, appearance
from training.artefact import ArtefactCorrupt
from training.champion import artefacts, recogniser_of
from training.collect import collect_training_set
from training.matrix import EmbeddingMatrix
from training.promotion import UnableToPromoteError
from training.trainer import Trainer

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(tmp_path, settings):
    settings.MEDIA_ROOT = str(tmp_path / "media")
    settings.CACHE_ROOT = str(tmp_path / "cache")
    return World(get_store(), tmp_path)


@pytest.fixture
def known(world):
    """Ada and Bo with 30 pictures each, 6 of them labelled, in a crowd of 60; version 1 is champion."""
    world.ada, world.bo, world.strangers = world.photograph("Ada", 30), world.photograph("Bo", 30), world.crowd(60)
    world.introduce("Ada", world.ada[:6])
    world.introduce("Bo", world.bo[:6])
    assert world.train().promoted
    return world


def test_without_faces_training_says_what_to_do(world):
    with pytest.raises(NotFoundError, match="ingest"):
        world.train()


def test_without_labels_there_is_nothing_to_learn_and_no_version(world):
    world.crowd(3)
    outcome = world.train()
    assert "Nothing to learn" in outcome.sentence
    assert world.store.model_versions().items == ()


def test_the_first_version_names_the_unlabelled_faces_of_its_personas_and_no_stranger(known):
    ada, bo = known.predicted("Ada"), known.predicted("Bo")
    assert set(ada) >= set(known.ada[6:28])
    assert not set(ada) & {*known.bo, *known.strangers, *known.ada[:6]}
    assert not set(bo) & {*known.ada, *known.strangers, *known.bo[:6]}


def test_predictions_are_listed_in_descending_order(known):
    probabilities = list(known.predicted("Ada").values())
    assert probabilities == sorted(probabilities, reverse=True)


def test_counts_equal_what_the_pages_list(known):
    known.say("Ada", known.ada[10])
    known.say("Ada", known.ada[11], verdict=Verdict.REJECTED)
    assert predicted_counts(known.store)["ada"] == len(known.predicted("Ada"))


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


def test_swapped_labels_are_refused_and_both_personas_are_named(world):
    ada, bo = world.photograph("Ada", 40), world.photograph("Bo", 40)
    world.crowd(30)
    world.introduce("Ada", ada[:30])
    world.introduce("Bo", bo[:30])
    world.train()
    world.say("Ada", *bo[:9])
    world.say("Bo", *ada[:9])
    outcome = world.train()
    refused = world.store.model_version(outcome.version)
    assert not outcome.promoted
    assert refused.status is VersionStatus.REFUSED
    assert "ada" in " ".join(outcome.reasons)
    assert "bo" in " ".join(outcome.reasons)
    assert {"ada", "bo"} <= set(metrics_of(refused)["flagged"]["personas"])
    assert world.store.champion().version == 1
    assert "Nothing new since version 2" in world.train().sentence


def test_a_refused_version_may_be_promoted_by_hand(world):
    test_swapped_labels_are_refused_and_both_personas_are_named(world)
    assert world.trainer.promote(2, actor="tester").version == 2
    assert world.store.model_version(2).status is VersionStatus.READY


def test_rollback_restores_the_earlier_predictions_exactly(known):
    before = known.predicted("Ada"), known.predicted("Bo")
    known.say("Ada", *known.ada[6:12])
    known.train()
    known.say("Ada", *known.ada[6:12], verdict=Verdict.CLEARED)
    assert known.trainer.rollback(actor="tester").version == 1
    assert (known.predicted("Ada"), known.predicted("Bo")) == before


def test_rollback_leaves_out_what_was_labelled_since_and_scores_later_faces(known):
    before = known.predicted("Ada")
    known.say("Ada", known.ada[6])
    known.train()
    later = known.photograph("Ada", 3, first=100)
    known.trainer.rollback(actor="tester")
    after = known.predicted("Ada")
    assert {key: p for key, p in before.items() if key != known.ada[6]} == {
        key: p for key, p in after.items() if key not in later
    }
    assert set(later) <= set(after)


def test_there_is_nothing_to_roll_back_to_from_the_first_version(known):
    with pytest.raises(UnableToPromoteError, match="no version before 1"):
        known.trainer.rollback(actor="tester")


def test_promoting_an_unknown_version_says_how_to_list_them(known):
    with pytest.raises(NotFoundError, match="models"):
        known.trainer.promote(99, actor="tester")


def test_after_a_rollback_the_next_label_makes_a_new_version(known):
    known.say("Ada", known.ada[6])
    known.train()
    known.trainer.rollback(actor="tester")
    assert "Nothing new" in known.train(only_new_labels=True).sentence
    known.say("Ada", known.ada[7])
    assert known.train(only_new_labels=True).version == 3
    assert known.store.champion().version == 3


def test_a_switch_that_lost_a_race_changes_nothing_and_is_in_the_audit_log(known):
    known.say("Ada", known.ada[6])
    known.train()
    before = dataclasses.replace(known.store.champion(), version=1, revision=1)
    lost = known.trainer.switch(1, champion=before, actor="slow trainer", why="passed the gate")
    assert lost is None
    assert known.store.champion().version == 2
    entry = known.store.audits(limit=1).items[0]
    assert (entry.action, entry.actor) == ("champion_switch_lost", "slow trainer")


def killed(*arguments, **named):
    raise KeyboardInterrupt


def test_two_trainers_do_not_fit_at_once(known):
    with held_lease(known.store, "trainer", clock=known.trainer.clock), pytest.raises(LeaseBusyError):
        known.train()


def test_a_version_interrupted_while_publishing_is_finished_by_the_next_attempt(known, monkeypatch):
    known.say("Ada", known.ada[6])
    seq = known.store.head(LABELS)

    with monkeypatch.context() as patched:
        patched.setattr("training.promotion.write_pages", killed)
        with pytest.raises(KeyboardInterrupt):
            known.train()
    assert known.store.model_version(2).status is VersionStatus.PUBLISHING
    assert known.store.champion().version == 1
    outcome = known.train(only_new_labels=True)
    assert (outcome.version, outcome.promoted) == (2, True)
    assert known.store.cursor(TRAINER_CURSOR) == seq
    assert len(known.store.model_versions().items) == 2


def test_labels_made_after_an_interruption_make_a_version_of_their_own(known, monkeypatch):
    known.say("Ada", known.ada[6])
    with monkeypatch.context() as patched:
        patched.setattr("training.promotion.write_pages", killed)
        with pytest.raises(KeyboardInterrupt):
            known.train()
    known.say("Ada", known.ada[7])
    assert known.train().version == 3
    assert known.store.model_version(2).status is VersionStatus.REFUSED


def test_a_failing_attempt_is_shown_with_its_error_and_tried_again(known, monkeypatch):
    known.say("Ada", known.ada[6])
    with monkeypatch.context() as patched:
        patched.setattr("training.promotion.write_pages", lambda *arguments, **named: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            known.train()
    job = known.store.job(TRAINER_JOB)
    assert job.status is JobStatus.FAILED
    assert "ZeroDivisionError" in job.message
    assert known.train(only_new_labels=True).promoted
    assert known.store.job(TRAINER_JOB).status is JobStatus.DONE


def test_the_training_set_does_not_depend_on_the_order_in_which_faces_and_labels_came(known):
    matrix = known.trainer.open_matrix(EMBEDDER)
    said = list(known.store.all_labels())
    backwards = EmbeddingMatrix(matrix.keys[::-1], matrix.vectors[::-1], matrix.through_seq, matrix.embedder)
    one, other = collect_training_set(said, matrix), collect_training_set(said[::-1], backwards)
    assert (one.keys, one.background_keys) == (other.keys, other.background_keys)
    assert np.array_equal(one.X, other.X)
    assert np.array_equal(one.y, other.y)
    assert np.array_equal(one.background, other.background)


def test_a_lost_training_table_is_named_with_what_to_do(known, tmp_path):
    for table in (tmp_path / "media" / "training_tables").rglob("*"):
        if table.is_file():
            table.unlink()
    known.say("Ada", known.ada[6])
    with pytest.raises(MediaMissingError, match="MEDIA_ROOT"):
        known.train()


def test_an_altered_artefact_is_refused_with_what_to_do(known, tmp_path):
    version = known.store.model_version(1)
    path = artefacts(tmp_path / "media").path(version.artefact)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    fresh_number = dataclasses.replace(version, version=77)
    with pytest.raises(ArtefactCorrupt, match="train"):
        recogniser_of(fresh_number, tmp_path / "media")


def test_faces_that_arrive_while_a_version_is_published_end_with_one_prediction(known, monkeypatch):
    """Pictures come in after the candidate's matrix was read and before the pointer moves."""
    from training import promotion

    write_pages = promotion.write_pages
    during: list = []

    def write_pages_while_pictures_arrive(*arguments, **named):
        write_pages(*arguments, **named)
        during.extend(known.photograph("Ada", 4, first=200))

    known.say("Ada", known.ada[6])
    monkeypatch.setattr(promotion, "write_pages", write_pages_while_pictures_arrive)
    known.train()
    known.trainer.score_new_faces()
    listed = known.predicted("Ada")
    assert set(during) <= set(listed)
    for key in [*during, *known.ada[7:]]:
        said = view_image(known.store, key.image_id).faces[0].prediction
        assert (said.persona_id == "ada") == (key in listed)


def test_a_reader_who_began_in_the_old_version_reads_on_in_it(known):
    first = persona_predicted(known.store, "ada", limit=5)
    known.say("Bo", known.bo[6])
    known.train()
    second = persona_predicted(known.store, "ada", cursor=first.next_cursor, limit=5)
    assert {item.version for item in second.items} == {1}
    assert not {item.face.key for item in first.items} & {item.face.key for item in second.items}


def test_the_cover_is_a_typical_labelled_face_and_moves_on_when_that_label_is_taken_back(known):
    covers = {summary.persona.name: summary.cover for summary in persona_grid(known.store).items}
    assert covers["Ada"] in known.ada[:6]
    assert str(covers["Ada"]) == metrics_of(known.store.model_version(1))["covers"]["ada"]
    known.say("Ada", covers["Ada"], verdict=Verdict.CLEARED)
    after = {summary.persona.name: summary.cover for summary in persona_grid(known.store).items}
    assert after["Ada"] in set(known.ada[:6]) - {covers["Ada"]}


# ---- what went wrong once --------------------------------------------------------------------------------------------


def train_with(world, *keys):
    """One more version from one more label of Ada."""
    world.say("Ada", *keys)
    outcome = world.train()
    assert outcome.promoted, outcome.sentence
    return outcome.version


def listed_and_counted(world, person="Ada"):
    return len(world.predicted(person)), predicted_counts(world.store).get(person.lower(), 0)


def test_counts_stay_those_of_the_list_after_a_rollback(known):
    train_with(known, known.ada[6])
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


def test_rolling_back_twice_walks_back_and_skips_what_was_rolled_away_from(known):
    for key in known.ada[6:9]:
        train_with(known, key)
    assert known.trainer.rollback(actor="tester").version == 3
    assert known.trainer.rollback(actor="tester").version == 2
    train_with(known, known.ada[9])
    assert known.store.champion().version == 5
    assert known.trainer.rollback(actor="tester").version == 2


def test_a_rollback_asked_for_on_an_old_page_is_refused(known):
    train_with(known, known.ada[6])
    known.trainer.rollback(actor="tester", expected_version=2)
    with pytest.raises(UnableToPromoteError, match="Look again"):
        known.trainer.rollback(actor="tester", expected_version=2)
    assert known.store.champion().version == 1


def test_a_rollback_while_a_candidate_is_judged_is_not_overridden(known, monkeypatch):
    """The lease keeps people waiting; should it be lost, the compare-and-set still holds."""
    from training import trainer

    train_with(known, known.ada[6])
    judge = trainer.judge

    def judge_while_somebody_switches(*arguments, **named):
        now = known.store.champion()
        known.store.switch_champion(1, expected_revision=now.revision, actor="somebody", at=now.at)
        return judge(*arguments, **named)

    monkeypatch.setattr(trainer, "judge", judge_while_somebody_switches)
    known.say("Ada", known.ada[7])
    outcome = known.train()
    assert not outcome.promoted
    assert known.store.champion().version == 1
    assert known.store.audits(limit=1).items[0].action == "champion_switch_lost"


def test_a_version_killed_right_after_the_switch_is_ready_even_when_labels_came_since(known, monkeypatch):
    known.say("Ada", known.ada[6])
    with monkeypatch.context() as patched:
        patched.setattr(type(known.trainer), "mark_ready", lambda *arguments, **named: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            known.train()
    assert known.store.champion().version == 2
    train_with(known, known.ada[7])
    assert known.store.model_version(2).status is VersionStatus.READY
    assert known.trainer.rollback(actor="tester").version == 2


def test_one_picture_of_another_embedder_does_not_replace_the_champion(known):
    before = known.predicted("Ada")
    face = dataclasses.replace(new_face("Ada-6"), embedding=embedding("of another network"))
    save(known.store, extracted("Ada-6", faces=[face], embedder="another"))
    known.say("Ada", known.ada[6])
    outcome = known.train()
    assert outcome.promoted
    assert known.store.model_version(outcome.version).embedder == EMBEDDER
    assert len(known.predicted("Ada")) >= len(before) - 2


def test_a_label_of_a_face_that_only_another_embedder_saw_is_said_to_wait(known):
    save(known.store, extracted("new", faces=[new_face("new")], embedder="another"))
    known.say("Ada", known.ada[6], *[face.key for face in known.store.faces_of([_id("new")])[_id("new")]])
    outcome = known.train()
    assert outcome.promoted
    assert "1 labelled faces wait" in outcome.sentence


def test_a_new_embedder_takes_over_once_every_labelled_face_has_its_vector(known):
    for person, keys in (("Ada", known.ada), ("Bo", known.bo)):
        for n in range(len(keys)):
            name = f"{person}-{n}"
            vector = appearance(f"{person} anew", name)
            save(
                known.store,
                extracted(name, faces=[dataclasses.replace(new_face(name), embedding=vector)], embedder="another"),
            )
    outcome = known.train()
    assert outcome.promoted
    assert known.store.model_version(outcome.version).embedder == "another"
    assert set(known.predicted("Ada")) >= set(known.ada[8:28])


def test_labels_before_any_picture_leave_nothing_behind(world):
    world.introduce("Ada", [])
    with pytest.raises(NotFoundError):
        world.train(only_new_labels=True)
    assert world.store.cursor(TRAINER_CURSOR) == world.store.head(LABELS)


def test_predictions_of_old_versions_are_dropped_and_a_rollback_writes_them_again(known, monkeypatch):
    before = known.predicted("Ada")
    train_with(known, known.ada[6])
    train_with(known, known.ada[7])
    known.say("Ada", *known.ada[6:8], verdict=Verdict.CLEARED)
    from training import promotion

    monkeypatch.setattr(promotion, "KEEP_PAGES", timedelta(0))
    assert known.trainer.drop_old_pages(Lease("test")) == 1
    assert known.store.fresh_through(1) == 0
    assert known.store.fresh_through(2) > 0
    assert known.trainer.promote(1, actor="tester").version == 1
    assert known.predicted("Ada") == before


@pytest.fixture
def three_versions(known, monkeypatch):
    """The predictions of the first one may go."""
    from training import promotion

    train_with(known, known.ada[6])
    train_with(known, known.ada[7])
    monkeypatch.setattr(promotion, "KEEP_PAGES", timedelta(0))
    return known


def test_a_trainer_that_lost_its_lease_drops_no_predictions(three_versions):
    lease = Lease("test")
    lease.lost.set()
    with pytest.raises(LeaseLostError):
        three_versions.trainer.drop_old_pages(lease)
    assert three_versions.store.fresh_through(1) > 0


def test_predictions_of_a_version_that_became_champion_meanwhile_are_not_dropped(three_versions, monkeypatch):
    store = three_versions.store
    fresh_through = store.fresh_through

    def switched_meanwhile(version):
        standing = store.champion()
        if standing.version == 3:
            store.switch_champion(version, expected_revision=standing.revision, actor="another", at=timezone.now())
        return fresh_through(version)

    monkeypatch.setattr(store, "fresh_through", switched_meanwhile)
    assert three_versions.trainer.drop_old_pages(Lease("test")) == 0
    assert store.champion().version == 1
    assert fresh_through(1) > 0


def test_a_lease_lost_after_the_switch_does_not_spoil_the_outcome(three_versions, monkeypatch):
    world, dropped = three_versions, []
    drop_old_pages = Trainer.drop_old_pages

    def too_late(self, lease):
        lease.lost.set()
        dropped.append(lease)
        return drop_old_pages(self, lease)

    monkeypatch.setattr(Trainer, "drop_old_pages", too_late)
    world.say("Ada", world.ada[8])
    assert world.train().promoted
    assert dropped
    assert world.store.fresh_through(1) > 0


def _id(name):
    from tests.factories import image_id

    return image_id(name)
