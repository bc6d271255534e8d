"""How what was begun is waited for: restarts of long ago, answers that get lost, roll-outs that are put back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestration.azure.deployment import ApplyError
from tests.azure.conftest import Deploying
from tests.azure.said_to_run import BAD_IMAGE, FAILING_IMAGE, SaidToRun
from tests.azure_double.double import AzureDouble
from tests.azure_double.faults import Fault

#: As often as the SDK asks before it gives up.
ATTEMPTS = 4
NEXT_IMAGE = "registry.example.org/faceproject:2"
DISPATCHER = "/containerGroups/faces-dispatcher"


def sent(azure: AzureDouble, method: str, path: str, since: int = 0) -> int:
    return sum(r.method == method and r.path.endswith(path) for r in azure.requests[since:])


def in_flight(tmp_path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((tmp_path / "home" / "deployments" / "faces.json").read_text())["in_flight"]
    return found


# ---- restarts --------------------------------------------------------------------------------------------------------
def test_what_runs_may_have_been_started_again_long_ago(
    azure: AzureDouble, deploying: Deploying, runtime: SaidToRun
) -> None:
    deploying().apply()
    runtime.restarts.update({"trainer": 5, "web": 40, "init": 4})
    since = len(azure.requests)
    deploying().apply()
    assert sent(azure, "PUT", "", since) == 0


def test_a_container_that_keeps_ending_is_told(azure: AzureDouble, deploying: Deploying, runtime: SaidToRun) -> None:
    runtime.restarts["init"] = 20
    with pytest.raises(ApplyError, match=r"init ended 3 times.*\n.*init says hello"):
        deploying(image=FAILING_IMAGE).apply()
    assert runtime.restarts["init"] < 30


# ---- what gets lost --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", [Fault.DROPPED_BEFORE, Fault.SERVER_ERROR])
def test_an_operation_whose_end_nobody_saw_is_gone_on_with(
    azure: AzureDouble, deploying: Deploying, tmp_path: Path, kind: Fault
) -> None:
    deploying().apply()
    since = len(azure.requests)
    more = {"sku": {"cassandra_throughput": 4000}}
    lost = azure.faults.add("GET", "*/operation*", kind=kind, times=100)
    with pytest.raises(ApplyError):
        deploying(**more).apply()
    assert lost.met >= ATTEMPTS
    assert list(in_flight(tmp_path)) == ["throughput"]
    azure.faults.scripted.clear()
    deploying(**more).apply()
    assert sent(azure, "PUT", "/throughputSettings/default", since) == 1
    assert in_flight(tmp_path) == {}
    assert deploying(**more).plan().changes == ()


def test_an_operation_that_failed_is_not_gone_on_with(azure: AzureDouble, deploying: Deploying, tmp_path: Path) -> None:
    deploying().apply()
    more = {"sku": {"cassandra_throughput": 4000}}
    azure.faults.add("PUT", "*/throughputSettings/default", kind=Fault.FAILS_LATER)
    with pytest.raises(ApplyError):
        deploying(**more).apply()
    assert in_flight(tmp_path) == {}


@pytest.mark.parametrize("kind", [Fault.DROPPED_BEFORE, Fault.SERVER_ERROR])
def test_an_answer_that_gets_lost_puts_no_roll_out_back(
    azure: AzureDouble, deploying: Deploying, runtime: SaidToRun, kind: Fault
) -> None:
    deploying().apply()
    since = len(azure.requests)
    deploying(image=NEXT_IMAGE).deploy()
    looks = sent(azure, "GET", DISPATCHER, since)
    before = runtime.started["faces-dispatcher"]
    lost = azure.faults.add("GET", f"*{DISPATCHER}", kind=kind, times=ATTEMPTS, after=looks - 1)
    deploying().deploy()
    assert lost.met == ATTEMPTS
    assert runtime.started["faces-dispatcher"] == before + 1
    assert deploying().plan().changes == ()


# ---- back ------------------------------------------------------------------------------------------------------------
def test_a_role_that_cannot_be_put_back_tells_first_why_it_should_have_been(
    azure: AzureDouble, deploying: Deploying
) -> None:
    deploying().apply()
    azure.faults.add("PUT", "*/containerGroups/faces-init", kind=Fault.QUOTA, after=1)
    with pytest.raises(ApplyError, match=r"ImagePullBackOff.* could not be put back.*QuotaExceeded"):
        deploying(image=BAD_IMAGE).deploy()
