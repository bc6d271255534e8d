"""What Azure does wrong: ridden out, or told with what to do next; the state file stays right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from azure.keyvault.secrets import SecretClient

from orchestration.azure import clients, resource
from orchestration.azure.deployment import ApplyError
from orchestration.azure.errors import UnreachableError
from orchestration.azure.nodes import Change
from orchestration.azure.status import status
from orchestration.deployment.errors import DeploymentError
from tests.azure.conftest import Deploying
from tests.azure_double.double import AzureDouble
from tests.azure_double.faults import Fault

GROUP = "*/containerGroups/faces-dispatcher"
STORAGE = "*/storageAccounts/faces*"


def state(tmp_path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((tmp_path / "home" / "deployments" / "faces.json").read_text())
    return found


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (Fault.THROTTLED, {}),
        (Fault.CONFLICT, {"code": "AnotherOperationInProgress"}),
        (Fault.SERVER_ERROR, {"status": 503}),
        (Fault.DROPPED_BEFORE, {}),
        (Fault.DROPPED_AFTER, {}),
    ],
)
@pytest.mark.parametrize("path", [GROUP, STORAGE, "*/databaseAccounts/faces*"])
def test_what_passes_by_itself_is_ridden_out(
    azure: AzureDouble, deploying: Deploying, tmp_path: Path, path: str, kind: Fault, more: dict[str, Any]
) -> None:
    scripted = azure.faults.add("PUT", path, kind=kind, times=2, **more)
    deploying().apply()
    assert scripted.met == 2
    assert deploying().plan().changes == ()
    assert state(tmp_path)["in_flight"] == {}
    assert set(azure.creations.values()) == {1}


def test_an_identity_that_is_new_is_waited_for(azure: AzureDouble, deploying: Deploying) -> None:
    scripted = azure.faults.add("PUT", "*/roleAssignments/*", kind=Fault.PRINCIPAL_NOT_FOUND, times=3)
    deploying(image="").apply()
    assert scripted.met == 3


@pytest.mark.parametrize(
    ("method", "path", "fault", "told"),
    [
        ("PUT", "*/resourceGroups/faces", {"kind": Fault.FORBIDDEN}, "You need the role Owner"),
        ("PUT", "*/flexibleServers/*", {"kind": Fault.QUOTA}, "Ask for more quota"),
        (
            *("PUT", "*/databaseAccounts/*"),
            {"kind": Fault.FAILS_LATER, "code": "ServiceUnavailable", "message": "High demand in West Europe."},
            "High demand in West Europe (ServiceUnavailable)",
        ),
        (
            *("PUT", "*/accounts/*"),
            {"kind": Fault.REFUSED, "status": 403, "code": "SpecialFeatureOrQuotaIdRequired", "message": "No access."},
            'set detector = "embedded"',
        ),
    ],
)
def test_what_does_not_pass_is_told_with_what_to_do_and_a_later_run_goes_on(
    azure: AzureDouble, deploying: Deploying, tmp_path: Path, method: str, path: str, fault: dict[str, Any], told: str
) -> None:
    azure.faults.add(method, path, **fault)
    with pytest.raises(ApplyError) as caught:
        deploying().apply()
    assert told in str(caught.value)
    assert "Run the same command again" in str(caught.value)
    assert state(tmp_path)["in_flight"] == {} if (tmp_path / "home/deployments/faces.json").exists() else True
    deploying().apply()
    assert deploying().plan().changes == ()


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("Microsoft.Storage/storageAccounts", "storage"),
        ("Microsoft.DocumentDB/databaseAccounts", "cassandra"),
        ("Microsoft.KeyVault/vaults", "vault"),
        ("Microsoft.CognitiveServices/accounts", "face"),
        ("Microsoft.DBforPostgreSQL/flexibleServers", "postgresql"),
        ("Microsoft.ContainerRegistry/registries", "registry"),
    ],
)
def test_a_name_that_is_taken_is_told_before_anything_is_made(
    azure: AzureDouble, deploying: Deploying, kind: str, key: str
) -> None:
    name = {"storage": "faces8a7e54", "registry": "faces8a7e54"}.get(key, "faces-8a7e54")
    azure.take_name(kind, name)
    with pytest.raises(ApplyError, match=rf"The name {name} cannot be had .*\[names\], key {key}"):
        deploying(image="").apply()
    assert azure.resources.all() == []


def test_a_quota_that_is_too_small_is_told_before_anything_is_made(azure: AzureDouble, deploying: Deploying) -> None:
    azure.limit("StandardCores", 3)
    with pytest.raises(ApplyError, match=r"StandardCores left, and .* are needed"):
        deploying().apply()
    assert azure.resources.all() == []


CONTRIBUTOR = {"actions": ["*"], "notActions": ["Microsoft.Authorization/*/Write"]}
ADMINISTRATOR = {"actions": ["Microsoft.Authorization/roleAssignments/*"], "notActions": []}


def test_a_permission_that_is_lacking_is_told_before_anything_is_made(azure: AzureDouble, deploying: Deploying) -> None:
    azure.world.permissions = [CONTRIBUTOR]
    with pytest.raises(
        ApplyError, match=r"You lack permissions at .*: Microsoft\.Authorization/roleAssignments/write\. "
    ):
        deploying(image="").apply()
    assert azure.resources.all() == []
    azure.world.permissions = [CONTRIBUTOR, ADMINISTRATOR]
    deploying(image="").apply()


def test_permissions_are_asked_for_where_the_resources_will_lie(azure: AzureDouble, deploying: Deploying) -> None:
    deploying().apply()
    azure.world.permissions = [{"actions": ["*/read"]}]
    assert deploying().plan().problems == ()
    (problem,) = deploying(scale={"ingest": 2}).plan().problems
    assert (
        "/resourceGroups/faces: Microsoft.ContainerInstance/containerGroups/write. You need the role Owner" in problem
    )


def test_who_may_not_look_at_permissions_is_kept_from_nothing(azure: AzureDouble, deploying: Deploying) -> None:
    azure.faults.add("GET", "*/Microsoft.Authorization/permissions", kind=Fault.FORBIDDEN)
    assert deploying().plan().problems == ()


def test_a_subscription_that_may_not_build_is_told_of_the_other_ways(azure: AzureDouble, deploying: Deploying) -> None:
    azure.refuse_tasks()
    with pytest.raises(ApplyError, match="use --build local, or --image REFERENCE"):
        deploying(image="").apply()


def test_a_group_for_which_there_was_no_room_is_made_again_when_it_is_smaller(
    azure: AzureDouble, deploying: Deploying
) -> None:
    azure.faults.add("PUT", "*/containerGroups/faces-trainer-0", kind=Fault.FAILS_LATER, code="ServiceUnavailable")
    with pytest.raises(ApplyError, match="ServiceUnavailable"):
        deploying().apply()
    smaller = {"size": {"trainer": {"cpu": 1, "memory": 2}}}
    (found,) = [step.finding for step in deploying(**smaller).plan().steps if step.key == "group:trainer-0"]
    assert found.change is Change.REPLACE
    assert found.reasons[0] == "its last operation ended as failed"
    assert "resources.requests.cpu: 2.0 → 1.0" in " ".join(found.reasons)
    deploying(**smaller).apply()
    assert deploying(**smaller).plan().changes == ()


def test_what_holds_data_and_failed_is_tried_again_in_place(azure: AzureDouble, deploying: Deploying) -> None:
    azure.faults.add("PUT", "*/storageAccounts/faces*", kind=Fault.FAILS_LATER)
    with pytest.raises(ApplyError):
        deploying().apply()
    (found,) = [step.finding for step in deploying().plan().steps if step.key == "storage"]
    assert (found.change, found.reasons) == (Change.UPDATE, ("its last operation ended as failed",))
    deploying().apply()
    assert deploying().plan().changes == ()


def stopped(azure: AzureDouble) -> None:
    (server,) = azure.resources.of_type("Microsoft.DBforPostgreSQL/flexibleServers")
    server.hidden["turned"] = "Stopped"


def test_a_stopped_database_is_told_with_how_to_start_it(azure: AzureDouble, deploying: Deploying) -> None:
    deploying().apply()
    stopped(azure)
    start = r"it is stopped.*az postgres flexible-server start --resource-group faces --name faces-8a7e54"
    (found,) = deploying().plan().changes
    assert (found.key, found.finding.change) == ("postgresql", Change.UNKNOWN)
    with pytest.raises(ApplyError, match=start):
        deploying().apply()
    (row,) = [row for row in status(deploying()).rows if row.title.startswith("PostgreSQL")]
    assert (row.state, row.healthy) == ("stopped", False)


def test_a_stopped_database_is_deleted_without_waiting_for_it(
    azure: AzureDouble, deploying_to: Deploying, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploying_to(azure).apply()
    stopped(azure)
    monkeypatch.setattr(resource, "SETTLE_SECONDS", 0.1)
    said: list[str] = []
    deploying_to(azure, said=said).destroy()
    assert "postgresql waiting stopped" not in said
    assert azure.resources.all() == []


def test_a_build_that_fails_tells_where_its_log_is(azure: AzureDouble, deploying: Deploying) -> None:
    azure.world.build_failure = "no such file"
    with pytest.raises(ApplyError, match="az acr task logs"):
        deploying(image="").apply()
    azure.world.build_failure = ""
    deploying(image="").apply()


def test_a_failure_leaves_what_does_not_need_it_intact(azure: AzureDouble, deploying: Deploying) -> None:
    azure.faults.add("PUT", "*/flexibleServers/*", kind=Fault.QUOTA)
    with pytest.raises(ApplyError, match=r"Not tried, because they need it: database"):
        deploying().apply()
    made = {resource.type.rsplit("/", 1)[-1] for resource in azure.resources.all()}
    assert {"databaseAccounts", "storageAccounts", "workspaces", "virtualNetworks"} <= made


def test_providers_that_are_not_registered_are(azure: AzureDouble, deploying: Deploying) -> None:
    azure.world.registered.clear()
    assert deploying().plan().problems == ()
    assert azure.world.registered == {}
    deploying().apply()
    assert azure.world.registered["microsoft.containerinstance"] == "Registered"


def test_nobody_there_is_told_with_the_address(
    azure: AzureDouble, deploying: Deploying, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "PATIENCE_SECONDS", 0.0)
    azure.faults.add("*", "*", kind=Fault.DROPPED_BEFORE, times=10_000)
    with pytest.raises(DeploymentError, match=rf"{azure.world.url} did not answer.*Look at the network"):
        deploying().plan()


def test_a_vault_that_does_not_answer_is_not_taken_for_azure_resource_manager(deploying: Deploying) -> None:
    azure = deploying().run.azure
    vault = SecretClient("https://127.0.0.1:1", azure.credential, retry_total=0)
    with pytest.raises(UnreachableError, match=r"host='127\.0\.0\.1', port=1") as caught:
        azure.ask(lambda: vault.get_secret("x"), "to read a secret")
    assert azure.endpoint not in str(caught.value)


@pytest.mark.parametrize("token", ["gASVBQAAAAAAAABLAS4=", "no token", "e30="])
def test_an_operation_that_another_version_of_the_packages_wrote_down_is_begun_anew(
    azure: AzureDouble, deploying: Deploying, tmp_path: Path, token: str
) -> None:
    deployment = deploying()
    deployment.run.state.put("in_flight", "storage", token)
    deploying().apply()
    assert state(tmp_path)["in_flight"] == {}
