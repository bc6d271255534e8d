"""No secret leaves by a plan, a log, the state file or a list of processes."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from orchestration.azure.secret_book import GENERATED, LOG_KEY, STORAGE_KEY
from orchestration.deployment import workloads
from tests.azure.conftest import Deploying
from tests.azure_double.double import AzureDouble
from tests.azure_double.faults import Fault

DERIVED = (
    *(workloads.DATABASE_URL, workloads.REDIS_URL, workloads.CASSANDRA_PASSWORD, workloads.FACE_KEY),
    *(STORAGE_KEY, LOG_KEY),
)


def test_no_secret_is_said_anywhere(
    azure: AzureDouble, deploying: Deploying, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="azure")
    said: list[str] = []
    azure.faults.add("PUT", "*/containerGroups/faces-scorer", kind=Fault.REFUSED, code="BadRequest", message="no")
    with pytest.raises(Exception, match="no") as caught:
        deploying(said=said).apply()
    said.append(str(caught.value))
    deployment = deploying(said=said)
    said.append(str(deployment.apply()))
    said.append(str(deploying(sku={"share_gib": 200}, image="registry.example.org/faceproject:2").plan()))
    secrets = {name: deployment.run.secrets.value(name) for name in (*GENERATED, *DERIVED)}
    assert len(set(secrets.values())) == len(secrets)
    state = (tmp_path / "home" / "deployments" / "faces.json").read_text()
    for name, value in secrets.items():
        assert len(value) >= 16, name
        for place in (*said, caplog.text, state):
            assert value not in place, name
            assert value.split("://")[-1] not in place, name


def test_secrets_go_out_as_secure_values_alone(azure: AzureDouble, deploying: Deploying) -> None:
    deployment = deploying()
    deployment.apply()
    values = {deployment.run.secrets.value(name) for name in GENERATED}
    for group in azure.resources.of_type("Microsoft.ContainerInstance/containerGroups"):
        for container in group.properties["containers"]:
            for variable in container["properties"]["environmentVariables"]:
                assert variable.get("value") not in values
            assert not values.intersection(container["properties"]["command"])


def test_a_secret_that_changed_is_noticed_though_it_is_never_shown(azure: AzureDouble, deploying: Deploying) -> None:
    deployment = deploying()
    deployment.apply()
    deployment.run.secrets.make(workloads.SCORER_TOKEN)
    plan = deploying().plan()
    assert [(step.key, step.finding.reasons) for step in plan.changes] == [
        ("group:scorer", ("a secret of it changed",)),
    ]
