"""Plan, apply, change, scale, destroy: deployments against the double."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestration.azure.catalogue.machine_learning import endpoint_name
from orchestration.azure.catalogue.place import Place
from orchestration.azure.catalogue.services import WORKSPACES
from orchestration.azure.deployment import ApplyError, Plan
from orchestration.azure.errors import NotOursError
from orchestration.azure.machine_learning_bodies import endpoint_body
from orchestration.azure.nodes import Change
from tests.azure.conftest import Deploying, Stored
from tests.azure.said_to_run import BAD_IMAGE, SaidToRun
from tests.azure_double.double import AzureDouble

WRITES = {"PUT", "PATCH", "DELETE"}


def changes(plan: Plan) -> dict[str, tuple[Change, tuple[str, ...]]]:
    return {step.key: (step.finding.change, step.finding.reasons) for step in plan.changes}


def writes(azure: AzureDouble, since: int = 0) -> list[tuple[str, str]]:
    return [(r.method, r.path.rsplit("/", 1)[-1]) for r in azure.requests[since:] if r.method in WRITES]


def test_a_plan_of_nothing_creates_all_and_writes_nothing(azure: AzureDouble, deploying: Deploying) -> None:
    plan = deploying().plan()
    assert {step.finding.change for step in plan.steps} == {Change.CREATE}
    assert plan.problems == ()
    assert writes(azure) == []


@pytest.mark.parametrize(
    "said",
    [
        pytest.param({}, id="public"),
        pytest.param({"users": "bootstrap", "detector": "embedded"}, id="least"),
        pytest.param({"private": True}, id="private"),
        pytest.param({"name": "faceproject-test-a", "sku": {"postgresql": "Standard_E4ds_v5"}}, id="long"),
        pytest.param({"image": ""}, id="built"),
        pytest.param({"image": "", "machine_learning": {"enabled": True}}, id="ml"),
    ],
)
def test_from_nothing_to_everything_and_back(azure: AzureDouble, deploying: Deploying, said: dict[str, Any]) -> None:
    outcome = deploying(**said).apply()
    assert outcome.url.startswith("https://")
    assert "admin-password" in outcome.password
    assert {id_: count for id_, count in azure.creations.items() if count != 1} == {}
    assert changes(deploying(**said).plan()) == {}
    deploying(**said).destroy()
    assert azure.resources.all() == []
    assert azure.deleted.all() == []
    assert azure.violations == []


def test_the_endpoint_that_the_dispatcher_made_goes_before_its_workspace(
    azure: AzureDouble, deploying: Deploying
) -> None:
    said: dict[str, Any] = {"image": "", "machine_learning": {"enabled": True}}
    deployment = deploying(**said)
    deployment.apply()
    workspace = next(iter(azure.resources.of_type(WORKSPACES)))
    endpoint = f"{workspace.id}/onlineEndpoints/{endpoint_name(deployment.run.description)}"
    sent = deployment.run.azure.put(endpoint, Place.version(WORKSPACES), endpoint_body("westeurope"))
    deployment.run.azure.finished(sent, "to serve")
    since = len(azure.requests)
    deploying(**said).destroy()
    gone = [each.path.lower() for each in azure.requests[since:] if each.method == "DELETE"]
    assert gone.index(endpoint.lower()) < gone.index(workspace.id.lower())
    assert azure.resources.all() == []


def test_the_second_apply_sends_nothing(azure: AzureDouble, deploying: Deploying) -> None:
    deploying().apply()
    since = len(azure.requests)
    assert deploying().apply().done == ()
    assert writes(azure, since) == []


def test_an_image_is_built_once_for_one_tree(azure: AzureDouble, deploying: Deploying) -> None:
    deploying(image="").apply()
    deploying(image="").apply()
    assert len(azure.uploads) == 1
    assert [name for name in azure.images if name.startswith("faces")]


def test_one_changed_setting_is_what_the_plan_names(azure: AzureDouble, deploying: Deploying) -> None:
    deploying().apply()
    assert changes(deploying(sku={"share_gib": 200}).plan()) == {
        "share": (Change.UPDATE, ("shareQuota: 100 → 200",)),
    }
    found = deploying(image="registry.example.org/faceproject:2").plan()
    assert changes(found)["group:web"] == (
        Change.UPDATE,
        ("containers.web.image: registry.example.org/faceproject:1 → registry.example.org/faceproject:2",),
    )
    assert next(step.finding.restarts for step in found.steps if step.key == "group:web")
    assert changes(found)["group:init"][0] is Change.REPLACE
    assert "group:redis" not in changes(found)
    sized = changes(deploying(size={"dispatcher": {"cpu": 1, "memory": 1}}).plan())
    assert sized == {"group:dispatcher": (Change.REPLACE, ("containers.dispatcher.resources.requests.cpu: 0.5 → 1.0",))}


def test_scaling_touches_the_groups_of_that_role_alone(azure: AzureDouble, deploying: Deploying) -> None:
    deploying().apply()
    since = len(azure.requests)
    deploying(scale={"ingest": 4}).deploy()
    assert writes(azure, since) == [("PUT", f"faces-ingest-{number}") for number in (1, 2, 3)]
    since = len(azure.requests)
    assert changes(deploying(scale={"ingest": 2}).plan()) == {
        "group:ingest-2": (Change.DELETE, ()),
        "group:ingest-3": (Change.DELETE, ()),
    }
    deploying(scale={"ingest": 2}).deploy()
    assert sorted(writes(azure, since)) == [("DELETE", "faces-ingest-2"), ("DELETE", "faces-ingest-3")]
    assert changes(deploying(scale={"ingest": 2}).plan()) == {}
    deploying().destroy()  # whatever the description says of how many there are
    assert azure.resources.all() == []


def test_an_image_that_does_not_start_puts_its_role_back_while_the_others_serve(
    azure: AzureDouble, deploying: Deploying, runtime: SaidToRun
) -> None:
    deploying().apply()
    before = dict(runtime.started)
    with pytest.raises(ApplyError, match=r"ImagePullBackOff.*put back to what ran before"):
        deploying(image=BAD_IMAGE).deploy()
    after = {name for name, count in runtime.started.items() if count != before[name]}
    assert after == {"faces-init"}
    assert changes(deploying().plan()) == {}


def test_a_colleague_who_deploys_is_let_in_beside_whoever_did_before(azure: AzureDouble, deploying: Deploying) -> None:
    deploying().apply()
    first, second = azure.world.principal, "bbbbbbbb-0000-4000-8000-00000000c0de"
    azure.sign_in(second)
    plan = changes(deploying().plan())
    assert plan["vault"][0] is Change.UPDATE
    assert plan["group:web"] == (Change.UNKNOWN, ("The vault does not let you read its secrets yet.",))
    since = len(azure.requests)
    deploying().apply()
    vault = next(iter(azure.resources.of_type("Microsoft.KeyVault/vaults")))
    assert {(method, name) for method, name in writes(azure, since)} == {("PUT", vault.name)}
    assert [each["objectId"] for each in vault.properties["accessPolicies"]] == [first, second]
    for principal in (first, second):
        azure.sign_in(principal)
        assert changes(deploying().plan()) == {}


def test_what_others_made_is_left_alone(azure: AzureDouble, deploying: Deploying) -> None:
    deploying().apply()
    azure.resources[deploying().nodes[0].id].body["tags"] = {"owner": "somebody"}
    since = len(azure.requests)
    for call in (lambda: deploying().plan(), lambda: deploying().apply(), lambda: deploying().destroy()):
        with pytest.raises(NotOursError, match="did not make"):
            call()
    assert writes(azure, since) == []


def test_data_can_be_kept_and_taken_up_again(azure: AzureDouble, deploying: Deploying) -> None:
    deploying().apply()
    deploying().destroy(keep_data=True)
    left = {resource.type.rsplit("/", 1)[-1] for resource in azure.resources.all()}
    assert {"shares", "cassandraKeyspaces", "flexibleServers", "vaults"} <= left
    assert "containerGroups" not in left
    deploying().apply()
    assert azure.creations[next(id_ for id_ in azure.creations if id_.endswith("/shares/faceproject"))] == 1
    deploying().destroy()
    assert azure.resources.all() == []


def test_what_holds_data_is_never_replaced(azure: AzureDouble, deploying: Deploying) -> None:
    deploying().apply()
    since = len(azure.requests)
    other = {"sku": {"storage": "Premium_LRS"}}
    change, reasons = changes(deploying(**other).plan())["storage"]
    assert change is Change.REPLACE
    assert "an apply refuses this" in reasons[-1]
    with pytest.raises(ApplyError, match="holds data and cannot be changed in place"):
        deploying(**other).apply()
    assert "DELETE" not in {method for method, _ in writes(azure, since)}


def test_what_was_deleted_before_keeps_its_name_until_it_is_purged(azure: AzureDouble, deploying: Deploying) -> None:
    deployment = deploying()
    deployment.apply()
    face = next(node for node in deployment.nodes if node.key == "face")
    deployment.run.azure.delete(face.id, face.api_version)  # type: ignore[attr-defined]  # it is a resource
    assert any("deleted Face account" in problem for problem in deploying().plan().problems)
    with pytest.raises(ApplyError, match="--purge-deleted"):
        deploying().apply()
    deploying().apply(purge_deleted=True)
    assert changes(deploying().plan()) == {}


def test_the_name_of_a_machine_learning_workspace_is_free_after_it_is_destroyed(
    azure: AzureDouble, deploying: Deploying
) -> None:
    said = {"image": "", "machine_learning": {"enabled": True}}
    deploying(**said).apply()
    deploying(**said).destroy(keep_data=True)
    assert azure.deleted.of_type(WORKSPACES) == []
    deploying(**said).apply()
    deploying(**said).destroy()
    assert azure.deleted.all() == []


def test_government_asks_no_public_host(tmp_path: Path, government: AzureDouble, deploying_to: Any) -> None:
    said = {"cloud": "government", "location": "usgovvirginia", "image": ""}
    deployment = deploying_to(government, **said)
    deployment.apply()
    assert changes(deploying_to(government, **said).plan()) == {}
    deploying_to(government, **said).destroy()
    assert government.violations == []
    assert government.resources.all() == []


def test_new_pictures_are_uploaded_and_taken_in(stored: Stored, runtime: SaidToRun) -> None:
    stored.deploying().apply()
    assert changes(stored.deploying().plan()) == {}
    (stored.folder / "b.jpg").write_bytes(b"b")
    found = changes(stored.deploying().plan())
    assert {key: change for key, (change, _) in found.items()} == {
        "training": Change.UPDATE,
        "group:init": Change.REPLACE,
    }
    stored.deploying().deploy()
    assert (stored.files.folder / "faceproject" / "training" / "b.jpg").read_bytes() == b"b"
    assert runtime.started["faces-init"] == 2
    assert changes(stored.deploying().plan()) == {}
