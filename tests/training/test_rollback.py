"""The switch and its way back: promoted by hand, rolled back, raced; predictions of old versions."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest
from django.utils import timezone

from personas.entities import Verdict, VersionStatus
from personas.errors import NotFoundError
from personas.lease import Lease, LeaseLostError
from personas.selectors.gallery import persona_predicted
from training.promotion import UnableToPromoteError
from training.trainer import Trainer

pytestmark = pytest.mark.django_db


def test_a_refused_version_may_be_promoted_by_hand(swapped):
    assert swapped.trainer.promote(2, actor="tester").version == 2
    assert swapped.store.model_version(2).status is VersionStatus.READY


def test_promoting_an_unknown_version_says_how_to_list_them(known):
    with pytest.raises(NotFoundError, match="models"):
        known.trainer.promote(99, actor="tester")


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


def test_after_a_rollback_the_next_label_makes_a_new_version(known):
    known.say("Ada", known.ada[6])
    known.train()
    known.trainer.rollback(actor="tester")
    assert "Nothing new" in known.train(only_new_labels=True).sentence
    known.say("Ada", known.ada[7])
    assert known.train(only_new_labels=True).version == 3
    assert known.store.champion().version == 3


def test_rolling_back_twice_walks_back_and_skips_what_was_rolled_away_from(known):
    for key in known.ada[6:9]:
        known.train_with(key)
    assert known.trainer.rollback(actor="tester").version == 3
    assert known.trainer.rollback(actor="tester").version == 2
    known.train_with(known.ada[9])
    assert known.store.champion().version == 5
    assert known.trainer.rollback(actor="tester").version == 2


def test_a_rollback_asked_for_on_an_old_page_is_refused(known):
    known.train_with(known.ada[6])
    known.trainer.rollback(actor="tester", expected_version=2)
    with pytest.raises(UnableToPromoteError, match="Look again"):
        known.trainer.rollback(actor="tester", expected_version=2)
    assert known.store.champion().version == 1


def test_a_switch_that_lost_a_race_changes_nothing_and_is_in_the_audit_log(known):
    known.say("Ada", known.ada[6])
    known.train()
    before = dataclasses.replace(known.store.champion(), version=1, revision=1)
    lost = known.trainer.switch(1, champion=before, actor="slow trainer", why="passed the gate")
    assert lost is None
    assert known.store.champion().version == 2
    entry = known.store.audits(limit=1).items[0]
    assert (entry.action, entry.actor) == ("champion_switch_lost", "slow trainer")


def test_a_rollback_while_a_candidate_is_judged_is_not_overridden(known, monkeypatch):
    """The lease keeps people waiting; should it be lost, the compare-and-set still holds."""
    from training import trainer

    known.train_with(known.ada[6])
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


def test_a_reader_who_began_in_the_old_version_reads_on_in_it(known):
    first = persona_predicted(known.store, "ada", limit=5)
    known.say("Bo", known.bo[6])
    known.train()
    second = persona_predicted(known.store, "ada", cursor=first.next_cursor, limit=5)
    assert {item.version for item in second.items} == {1}
    assert not {item.face.key for item in first.items} & {item.face.key for item in second.items}


def test_predictions_of_old_versions_are_dropped_and_a_rollback_writes_them_again(known, monkeypatch):
    before = known.predicted("Ada")
    known.train_with(known.ada[6])
    known.train_with(known.ada[7])
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

    known.train_with(known.ada[6])
    known.train_with(known.ada[7])
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
