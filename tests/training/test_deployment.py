"""Where a version is deployed is read back as it was recorded, and told in a sentence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests import factories
from training.deployment import (
    FOLLOWED_BY_SCORER,
    MAX_KEPT,
    Deployment,
    DeploymentState,
    recorded_in,
    to_detail,
    told,
)

GREEN = Deployment(
    version=2,
    endpoint="faces",
    state=DeploymentState.ROLLING_OUT,
    since=factories.NOW,
    name="green",
    traffic=10,
    attempts=1,
    revision=3,
)


def test_what_is_recorded_is_read_back_as_it_was() -> None:
    job = factories.job(detail=to_detail({2: GREEN}))
    assert recorded_in(job) == {2: GREEN}


def test_the_record_keeps_the_newest_versions() -> None:
    known = {number: replace(GREEN, version=number) for number in range(1, MAX_KEPT + 6)}
    kept = recorded_in(factories.job(detail=to_detail(known)))
    assert sorted(kept) == list(range(6, MAX_KEPT + 6))


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (DeploymentState.ROLLING_OUT, "deployment green, 10 %, being rolled out since"),
        (DeploymentState.SERVING, "deployment green, 10 % since"),
        (DeploymentState.STANDING_BY, "0 % since"),
        (DeploymentState.RETIRED, "no more, since"),
        (DeploymentState.FAILED, "not deployed at faces"),
    ],
)
def test_each_state_is_told_in_words(state: DeploymentState, words: str) -> None:
    assert words in replace(GREEN, state=state, reason="It broke.").sentence


def test_where_nothing_was_ever_rolled_out_the_scorer_follows_the_version_in_use() -> None:
    assert told(2, {}, is_champion=True) == FOLLOWED_BY_SCORER
    assert told(1, {}, is_champion=False) == ""


def test_a_version_that_was_never_deployed_beside_others_says_nothing() -> None:
    assert told(1, {2: GREEN}, is_champion=False) == ""
