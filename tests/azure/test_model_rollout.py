"""A version in use is rolled out to the endpoint, step by step, and goes back when it does not do well."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestration.azure.errors import RefusedError
from orchestration.model_rollout import (
    DEPLOYED,
    FIRST_WAIT,
    KEEP_BEFORE,
    LEASE,
    LONGEST,
    MAX_ATTEMPTS,
    NOT_DEPLOYED,
)
from personas.entities import JobStatus
from personas.services.jobs import retry_failed
from personas.store import get_store
from tests.azure.rollouts import ENDPOINT, MANY, WORKSPACE, KilledError, World, make_world
from tests.azure_double.double import AzureDouble
from tests.azure_double.endpoint_plane import Misbehaviour
from training.deployment import DEPLOYMENT_JOB, DeploymentState

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world(azure_specs: Path, tmp_path: Path) -> Iterator[World]:
    """An installation with a workspace; every body that was sent was valid, at its end."""
    with AzureDouble(tmp_path) as double:
        yield make_world(get_store(), double)
        assert double.violations == []


@pytest.fixture
def serving(world: World) -> World:
    """Version 1 serves."""
    world.promote(1)
    world.follow()
    assert world.record(1).state is DeploymentState.SERVING
    return world


def test_the_first_version_is_registered_and_gets_all_traffic_once_it_answers(world: World) -> None:
    world.promote(1)
    world.follow()
    assert world.plane.routings == [({}, {}), ({"blue": 100}, {})]
    model = world.double.resources[f"{WORKSPACE}/models/faceproject/versions/1"]
    assert model.properties["modelUri"].endswith(f"/datastores/faceproject/paths/media/{world.exported[0].folder}/")
    assert model.properties["properties"]["metric.macro_f1"] == "0.9"
    record = world.record(1)
    assert (record.state, record.name, record.traffic) == (DeploymentState.SERVING, "blue", 100)
    assert record.sentence == f"Azure ML: endpoint {ENDPOINT}, deployment blue, 100 % since 2026-03-01 12:00 UTC."


def test_a_promotion_moves_traffic_from_0_over_mirrored_and_10_to_100_percent(serving: World) -> None:
    serving.n_watch = 20  # enough for the double to send some of each hundred each way
    serving.promote(2)
    serving.follow()
    assert serving.plane.routings[1:] == [
        ({"blue": 100}, {}),
        ({"blue": 100}, {"green": 10}),
        ({"blue": 90, "green": 10}, {}),
        ({"green": 100}, {}),
    ]
    assert serving.plane.answered[2, "direct"] > 0
    assert serving.plane.answered[2, "mirrored"] > 0
    assert serving.plane.answered[2, "live"] > 0
    assert (serving.record(2).state, serving.record(1).state) == (DeploymentState.SERVING, DeploymentState.STANDING_BY)
    job = serving.store.job(DEPLOYMENT_JOB)
    assert job is not None
    assert (job.status, job.done) == (JobStatus.DONE, job.total)
    assert [entry.action for entry in serving.store.audits().items] == [DEPLOYED, DEPLOYED]


def test_what_a_version_took_over_from_is_deleted_after_a_while(serving: World) -> None:
    serving.promote(2)
    serving.follow()
    serving.follow()
    assert serving.deployment_of(1) is not None
    serving.later(seconds=KEEP_BEFORE.total_seconds() + 1)
    serving.follow()
    assert serving.deployment_of(1) is None
    assert serving.record(1).state is DeploymentState.RETIRED


def test_a_third_version_takes_the_place_of_the_first(serving: World) -> None:
    for version in (2, 3):
        serving.promote(version)
        serving.follow()
    assert serving.record(3).name == "blue"
    assert serving.routing() == {"3": 100, "2": 0}


def test_a_rollback_goes_to_what_stands_by_without_starting_it_anew(serving: World) -> None:
    serving.promote(2)
    serving.follow()
    before = serving.double.creations.copy()
    serving.promote(1)
    serving.follow()
    assert serving.routing() == {"1": 100, "2": 0}
    assert serving.double.creations == before


def test_nothing_is_asked_of_azure_while_all_is_as_it_should_be(serving: World) -> None:
    process = serving.process()
    process.run()
    assert not process.is_due()


@pytest.mark.parametrize("kind", ["500", "slow", "version"])
@pytest.mark.parametrize("stage", ["direct", "mirrored", "partial", "full"])
def test_a_version_that_misbehaves_at_any_stage_goes_back_to_the_one_before(
    serving: World, stage: str, kind: str
) -> None:
    if (stage, kind) == ("direct", "slow"):
        serving.plane.slow_seconds = 0.4
    serving.plane.misbehaves[2] = Misbehaviour(stage=stage, kind=kind)
    serving.promote(2)
    serving.follow()
    assert serving.routing() == {"1": 100}
    assert serving.plane.routings[-1] == ({"blue": 100}, {})
    record = serving.record(2)
    assert record.state is DeploymentState.FAILED
    words = {"500": "HTTP 500", "slow": "took longer than", "version": "version 1 answered in place of 2"}
    assert words[kind] in record.reason
    assert record.reason in record.sentence
    job = serving.store.job(DEPLOYMENT_JOB)
    assert job is not None
    assert job.status is JobStatus.FAILED
    assert serving.store.audits().items[0].action == NOT_DEPLOYED


def test_a_deployment_that_does_not_start_is_taken_away_and_the_reason_kept(serving: World) -> None:
    serving.plane.does_not_start[2] = "The container ended with exit code 1."
    serving.promote(2)
    serving.follow()
    assert serving.routing() == {"1": 100}
    assert "ended as failed" in serving.record(2).reason


def test_a_quota_that_is_too_small_is_the_reason_in_azures_words(serving: World) -> None:
    serving.double.faults.add("PUT", "*/deployments/green", kind="quota")
    serving.promote(2)
    serving.follow()
    assert "QuotaExceeded" in serving.record(2).reason
    assert serving.routing() == {"1": 100}


def test_a_version_that_failed_is_tried_again_ever_later_and_then_no_more(serving: World) -> None:
    serving.plane.misbehaves[2] = Misbehaviour(stage="direct", kind="500")
    serving.promote(2)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        serving.follow()
        serving.follow()  # at once: nothing is due
        assert serving.record(2).attempts == attempt
        serving.later(seconds=FIRST_WAIT.total_seconds() * 2 ** (attempt - 1))
    serving.later(days=30)
    serving.follow()
    assert serving.record(2).attempts == MAX_ATTEMPTS


def test_a_new_promotion_tries_a_version_that_failed_again(serving: World) -> None:
    serving.plane.misbehaves[2] = Misbehaviour(stage="partial", kind="500")
    serving.promote(2)
    serving.follow()
    serving.plane.misbehaves.clear()
    serving.promote(1)
    serving.follow()
    serving.promote(2)
    serving.follow()
    assert serving.routing() == {"1": 0, "2": 100}


def test_somebody_who_asks_for_it_has_a_failed_version_tried_again_at_once(serving: World) -> None:
    serving.plane.misbehaves[2] = Misbehaviour(stage="mirrored", kind="500")
    serving.promote(2)
    serving.follow()
    serving.plane.misbehaves.clear()
    retry_failed(store=serving.store, job_id=DEPLOYMENT_JOB, actor="ada", at=serving.now)
    serving.follow()
    assert serving.record(2).state is DeploymentState.SERVING


def test_a_promotion_in_the_middle_of_another_takes_its_place(serving: World) -> None:
    serving.promote(2)
    _killed_after(serving, until=lambda: serving.routing().get("2") == 10)
    serving.promote(3)
    serving.follow()
    assert serving.routing() == {"1": 0, "3": 100}


@pytest.mark.parametrize("share", [0, 10])
def test_a_version_whose_roll_out_another_one_ended_is_rolled_out_anew_when_it_is_put_in_use_again(
    serving: World, share: int
) -> None:
    serving.promote(2)
    _killed_after(serving, until=lambda: serving.routing().get("2") == share)
    assert serving.record(2).state is DeploymentState.ROLLING_OUT
    serving.promote(3)
    serving.follow()
    assert serving.record(2).state is DeploymentState.RETIRED
    serving.later(seconds=LONGEST.total_seconds() + 1)
    serving.promote(2)
    serving.follow()
    assert serving.record(2).state is DeploymentState.SERVING
    assert serving.routing() == {"2": 100, "3": 0}


def test_a_promotion_back_in_the_middle_of_another_gives_all_traffic_back(serving: World) -> None:
    serving.promote(2)
    _killed_after(serving, until=lambda: serving.routing().get("2") == 10)
    serving.promote(1)
    serving.follow()
    assert serving.routing() == {"1": 100, "2": 0}
    assert serving.record(1).state is DeploymentState.SERVING


@pytest.mark.parametrize("misbehaves", [False, True])
def test_a_kill_between_any_two_steps_is_followed_by_whoever_comes_next(serving: World, misbehaves: bool) -> None:
    if misbehaves:
        serving.plane.misbehaves[2] = Misbehaviour(stage="full", kind="500")
    serving.promote(2)
    kills = 0
    while _killed_after(serving, until=lambda: True):
        kills += 1
        assert kills < MANY
    assert kills > 5
    assert serving.routing() == ({"1": 100} if misbehaves else {"1": 0, "2": 100})
    assert serving.record(2).state is (DeploymentState.FAILED if misbehaves else DeploymentState.SERVING)
    creations = {count for each, count in serving.double.creations.items() if "machinelearning" in each}
    assert creations == {1}


@pytest.mark.parametrize("kind", ["dropped_before", "dropped_after", "throttled", "server_error", "conflict"])
def test_a_network_that_fails_or_an_azure_that_is_busy_is_no_fault_of_the_version(serving: World, kind: str) -> None:
    serving.double.faults.add("PUT", "*/onlineEndpoints/*", kind=kind, times=2)
    serving.promote(2)
    serving.follow()
    assert serving.record(2).state is DeploymentState.SERVING
    assert serving.record(2).attempts == 0


def test_two_processes_never_roll_out_at_once(serving: World) -> None:
    serving.promote(2)
    assert serving.store.acquire_lease(LEASE, owner="another", seconds=60, now=serving.now)
    before = len(serving.double.requests)
    serving.follow()
    assert len(serving.double.requests) == before


def test_no_request_names_a_persona(serving: World) -> None:
    serving.promote(2)
    serving.follow()
    sent = [each.body for each in serving.double.resources.values()]
    assert "Ada Lovelace" not in f"{sent} {serving.plane.bodies}"


def test_an_endpoint_with_deployments_of_others_is_left_alone(serving: World) -> None:
    endpoint = serving.double.resources[serving.target.endpoint_id]
    endpoint.properties["traffic"] = {"theirs": 100}
    with pytest.raises(RefusedError, match="not this product's"):
        serving.azure.look()
    serving.promote(2)
    serving.follow()
    assert endpoint.properties["traffic"] == {"theirs": 100}
    job = serving.store.job(DEPLOYMENT_JOB)
    assert job is not None
    assert job.status is JobStatus.FAILED
    assert "not this product's" in job.message
    before = len(serving.double.requests)
    serving.follow()  # the way back is refused, too: it is not asked for again and again
    assert len(serving.double.requests) == before
    endpoint.properties["traffic"] = {"blue": 100}
    serving.later(seconds=FIRST_WAIT.total_seconds() + 1)
    serving.follow()
    assert serving.record(2).state is DeploymentState.SERVING


def test_a_model_of_another_installation_is_not_taken_for_ours(world: World) -> None:
    world.promote(1)
    world.follow()
    model = world.double.resources[f"{WORKSPACE}/models/faceproject/versions/1"]
    model.properties["properties"]["artefact"] = "another"
    with pytest.raises(RefusedError, match="another installation"):
        world.azure.register(world.exported[0], lambda: None)


def test_a_datastore_that_is_missing_is_told_with_what_to_do(world: World) -> None:
    del world.double.resources[f"{WORKSPACE}/datastores/faceproject"]
    world.promote(1)
    world.follow()
    assert "provision --apply" in world.record(1).reason


def test_in_government_no_request_goes_to_the_public_cloud(azure_specs: Path, tmp_path: Path) -> None:
    with AzureDouble(tmp_path, government=True) as double:
        world = make_world(get_store(), double, government=True)
        for version in (1, 2):
            world.promote(version)
            world.follow()
        assert world.routing() == {"1": 0, "2": 100}
        assert double.violations == []


def _killed_after(world: World, *, until: Callable[[], bool]) -> bool:
    """Run, and end between two steps as soon as that is so, with nothing done after. False: there was no time to."""

    def pause(seconds: float) -> bool:
        if until():
            raise KilledError
        return False

    try:
        world.process(pause).run()
    except KilledError:
        return True
    return False
