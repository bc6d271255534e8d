"""Whoever trains or promotes at the same time, in processes of their own: one champion, and a log that explains it."""

from __future__ import annotations

from itertools import pairwise

import pytest

pytestmark = [pytest.mark.kill, pytest.mark.heavy]


def require_explained(installation):
    """One champion, ready; every switch counted, and the audit log a chain that leads to it."""
    progress = installation.ask("progress")
    status = {version["version"]: version["status"] for version in installation.ask("versions")}
    switches = [entry for entry in installation.ask("audits") if entry["action"] == "champion_switched"]
    assert status[progress["champion"]] == "ready", status
    assert progress["revision"] == len(switches)
    assert switches[-1]["target"] == f"version {progress['champion']}"
    assert switches[0]["detail"]["from"] is None
    for before, after in pairwise(switches):
        assert f"version {after['detail']['from']}" == before["target"], switches
    return progress


def two_versions(installation, racers, new_labels):
    """Numbers of the champion and of another version that may be promoted."""
    new_labels()
    racers[0].do("train")
    champion = installation.ask("progress")["champion"]
    other = next(each["version"] for each in installation.ask("versions") if each["version"] != champion)
    return champion, other


def test_of_two_trainings_at_once_one_learns_and_the_other_finds_nothing_new(installation, racers, new_labels, at_once):
    new_labels()
    before, known = installation.ask("progress"), len(installation.ask("versions"))
    outcomes = [heard["answer"] for heard in at_once(("train", {}), ("train", {}))]
    assert len(installation.ask("versions")) == known + 1
    assert sorted(outcome["promoted"] for outcome in outcomes) == [False, True], outcomes
    assert require_explained(installation)["revision"] == before["revision"] + 1


def test_of_two_promotions_at_once_of_what_was_seen_one_is_refused(installation, racers, new_labels, at_once):
    new_labels()
    racers[0].do("train")
    champion, other = two_versions(installation, racers, new_labels)
    third = next(each["version"] for each in installation.ask("versions") if each["version"] not in (champion, other))
    before = installation.ask("progress")["revision"]
    heard = at_once(
        ("promote", {"version": other, "expected_version": champion}),
        ("promote", {"version": third, "expected_version": champion}),
    )
    done = [each["answer"]["version"] for each in heard if "answer" in each]
    refused = [each["message"] for each in heard if "refused" in each]
    assert len(done) == len(refused) == 1, heard
    assert f"Version {done[0]} has become champion" in refused[0]
    after = require_explained(installation)
    assert (after["champion"], after["revision"]) == (done[0], before + 1)


def test_a_promotion_and_a_training_at_once_both_happen_one_after_the_other(installation, racers, new_labels, at_once):
    _, other = two_versions(installation, racers, new_labels)
    before = installation.ask("progress")["revision"]
    new_labels()
    promoted, trained = at_once(("promote", {"version": other}), ("train", {}))
    assert promoted["answer"]["version"] == other
    after = require_explained(installation)
    assert after["revision"] == before + 1 + trained["answer"]["promoted"]
    assert after["champion"] in (other, trained["answer"]["version"])
    assert after["learnt"] == after["said"]


@pytest.mark.parametrize("said_meanwhile", [True, False], ids=["after new labels", "on the same labels"])
@pytest.mark.parametrize("method", ["add_model_version", "put_ranked", "update_model_version", "switch_champion"])
def test_a_trainer_that_stood_still_past_its_lease_undoes_nothing_of_the_next_one(
    installation, stoppable, racers, new_labels, method, said_meanwhile
):
    """It is stopped before a write of its attempt, another one trains, and then it goes on where it stood."""
    new_labels()
    stoppable.do("stop_before", method=method)
    stoppable.tell("train")
    stoppable.wait_until_stopped()
    if said_meanwhile:
        new_labels()
    outcome = racers[1].do("train")
    between = require_explained(installation)
    assert between["champion"] == outcome["version"]
    stoppable.go_on()
    stoppable.hear()  # that it lost its lease, or that another version was made champion, or that its own is in use
    assert require_explained(installation) == between
    new_labels()
    assert racers[1].do("train")["promoted"]
    assert "publishing" not in {each["status"] for each in installation.ask("versions")}
    require_explained(installation)
