"""What the description asks for no more goes, what holds data is left alone, and what others made is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from orchestration.azure.deployment import Plan
from orchestration.azure.nodes import Change
from tests.azure.conftest import Deploying
from tests.azure_double.double import AzureDouble
from tests.azure_double.resources import Resource

LEAST: dict[str, Any] = {"detector": "embedded", "users": "bootstrap"}


def deletions(plan: Plan) -> set[str]:
    return {step.key for step in plan.changes if step.finding.change is Change.DELETE}


def kinds(azure: AzureDouble) -> set[str]:
    return {each.type.rpartition("/")[2] for each in azure.resources.all()}


def test_a_service_that_is_asked_for_no_more_is_deleted_and_purged(azure: AzureDouble, deploying: Deploying) -> None:
    deploying().apply()
    assert deletions(deploying(detector="embedded").plan()) == {"face"}
    deploying(detector="embedded").deploy()  # brings roles to their image, and nothing else
    assert "face" in deletions(deploying(detector="embedded").plan())
    deploying(detector="embedded").apply()
    assert [each for each in azure.resources.all() if each.type.startswith("Microsoft.CognitiveServices")] == []
    assert azure.deleted.all() == []
    assert deploying(detector="embedded").plan().changes == ()


def test_a_network_that_is_private_no_more_loses_its_endpoints_zones_and_gateway(
    azure: AzureDouble, deploying: Deploying
) -> None:
    deploying(private=True).apply()
    going = deletions(deploying().plan())
    assert {"nat", "nat-address", "endpoint:cassandra", "zone:cassandra", "zone-link:cassandra"} <= going
    deploying().apply()
    assert deploying().plan().changes == ()
    assert not kinds(azure) & {"privateEndpoints", "privateDnsZones", "natGateways", "publicIPAddresses"}
    assert azure.violations == []


def test_what_holds_data_is_left_alone_until_all_is_destroyed(azure: AzureDouble, deploying: Deploying) -> None:
    deploying().apply()
    plan = deploying(**LEAST).plan()
    assert "postgresql" not in deletions(plan)
    assert [title.partition(" faces")[0] for title in plan.left] == ["PostgreSQL server"]
    deploying(**LEAST).apply()
    assert "flexibleServers" in kinds(azure)
    renamed = deploying(**LEAST, names={"storage": "another"}).plan()
    assert {title.partition(" ")[0] for title in renamed.left} == {"PostgreSQL", "storageAccounts"}
    deploying(**LEAST).destroy(keep_data=True)
    assert "flexibleServers" in kinds(azure)
    deploying(**LEAST).destroy()
    assert azure.resources.all() == []


def test_everything_that_an_earlier_description_had_is_destroyed(azure: AzureDouble, deploying: Deploying) -> None:
    deploying(private=True, image="", machine_learning={"enabled": True}).apply()
    deploying(**LEAST).destroy()
    assert azure.resources.all() == []
    assert azure.deleted.all() == []


@pytest.mark.parametrize("tags", [{}, {"faceproject": "faces"}])
def test_what_others_made_in_the_group_is_named_before_it_goes_with_it(
    azure: AzureDouble, deploying: Deploying, config: Path, capsys: pytest.CaptureFixture[str], tags: dict[str, str]
) -> None:
    deploying().apply()
    kind = "Microsoft.Network/networkSecurityGroups" if tags else "Microsoft.Storage/storageAccounts"
    id_ = f"/subscriptions/{azure.subscription}/resourceGroups/faces/providers/{kind}/shop"
    azure.resources[id_] = Resource(
        id=id_, type=kind, name="shop", body={"location": "westeurope", "tags": tags}, state="Succeeded"
    )
    assert deletions(deploying().plan()) == set()
    with pytest.raises(Exception, match="Say --yes"):
        call_command("destroy", "--config", str(config))
    assert f"- {kind} shop, which this deployment did not make" in capsys.readouterr().out
    with pytest.raises(Exception, match="Say --yes"):
        call_command("destroy", "--keep-data", "--config", str(config))
    assert "shop" not in capsys.readouterr().out
