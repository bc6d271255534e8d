"""Container groups in the double, by the real SDK."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from tests.azure.sdk import GROUP, LOCATION, Sdk, code_of
from tests.azure.test_double_network import DELEGATION, network, subnet
from tests.azure_double.runtime_port import Address, ContainerState, Context, Refused

LINK = "2023-05-01"


def body(*, cpu: float = 1.0, port: int = 443, **properties: Any) -> dict[str, Any]:
    """Of a group with one container."""
    container = {
        "name": "web",
        "properties": {
            "image": "docker.io/faceproject:1",
            "command": ["/app/docker/role", "web"],
            "ports": [{"port": port}],
            "environmentVariables": [{"name": "A", "value": "b"}, {"name": "KEY", "secureValue": "hush"}],
            "resources": {"requests": {"cpu": cpu, "memoryInGB": 1.5}},
        },
    }
    public = {"type": "Public", "ports": [{"port": port}], "dnsNameLabel": "fpweb"}
    usual = {"osType": "Linux", "restartPolicy": "Always", "ipAddress": public, "containers": [container]}
    return {"location": LOCATION, "properties": usual | properties}


def test_a_group_runs_and_tells_no_secrets(sdk: Sdk, double: Any) -> None:
    groups = sdk.containers.container_groups
    made = groups.begin_create_or_update(GROUP, "web", body()).result()
    assert made.provisioning_state == "Succeeded"
    assert made.ip_address.fqdn == "fpweb.westeurope.azurecontainer.io"
    assert made.ip_address.ip
    assert made.instance_view.state == "Running"
    assert made.containers[0].instance_view.current_state.state == "Running"
    told = {each.name: (each.value, each.secure_value) for each in made.containers[0].environment_variables}
    assert told == {"A": ("b", None), "KEY": (None, None)}
    kept = double.resources[made.id].properties["containers"][0]["properties"]["environmentVariables"]
    assert kept[1]["secureValue"] == "hush"
    groups.begin_delete(GROUP, "web").result()
    assert not list(groups.list_by_resource_group(GROUP))


def test_a_group_is_stopped_started_and_restarted(sdk: Sdk) -> None:
    groups = sdk.containers.container_groups
    groups.begin_create_or_update(GROUP, "web", body()).result()
    groups.stop(GROUP, "web")
    assert groups.get(GROUP, "web").instance_view.state == "Stopped"
    groups.begin_start(GROUP, "web").result()
    assert groups.get(GROUP, "web").instance_view.state == "Running"
    groups.begin_restart(GROUP, "web").result()
    assert sdk.containers.containers.list_logs(GROUP, "web", "web", tail=5).content == ""
    with pytest.raises(ResourceNotFoundError):
        sdk.containers.containers.list_logs(GROUP, "web", "other")


@pytest.mark.parametrize(
    "changed",
    [
        body(cpu=2),
        body(port=8443),
        body(restartPolicy="Never"),
        body(osType="Windows"),
        body(ipAddress={"type": "Public", "ports": [{"port": 443}], "dnsNameLabel": "other"}),
    ],
    ids=["cpu", "ports", "restart policy", "os", "label"],
)
def test_what_cannot_be_changed_in_place_is_refused(sdk: Sdk, changed: dict[str, Any]) -> None:
    groups = sdk.containers.container_groups
    groups.begin_create_or_update(GROUP, "web", body()).result()
    with pytest.raises(HttpResponseError) as caught:
        groups.begin_create_or_update(GROUP, "web", changed)
    assert "you must delete it first" in str(caught.value)


def test_another_image_is_changed_in_place(sdk: Sdk) -> None:
    groups, changed = sdk.containers.container_groups, body()
    groups.begin_create_or_update(GROUP, "web", body()).result()
    changed["properties"]["containers"][0]["properties"]["image"] = "docker.io/faceproject:2"
    made = groups.begin_create_or_update(GROUP, "web", changed).result()
    assert made.containers[0].image == "docker.io/faceproject:2"


def test_a_subnet_is_in_use_until_the_association_link_is_gone(sdk: Sdk) -> None:
    net = network(sdk, subnet("workers", "10.1.0.0/24", delegations=[DELEGATION]), subnet("plain", "10.1.1.0/24"))
    inside = next(each.id for each in net.subnets if each.name == "workers")
    plain = next(each.id for each in net.subnets if each.name == "plain")
    groups, subnets = sdk.containers.container_groups, sdk.network.subnets

    def private(where: str) -> dict[str, Any]:
        address = {"type": "Private", "ports": [{"port": 443}]}
        return body(subnetIds=[{"id": where}], ipAddress=address)

    for wrong, code in (
        (private(plain), "SubnetDelegationMissing"),
        (body(subnetIds=[{"id": inside}]), "PublicIPNotSupportedInVirtualNetwork"),
    ):
        with pytest.raises(HttpResponseError) as caught:
            groups.begin_create_or_update(GROUP, "ingest", wrong)
        assert code_of(caught) == code
    groups.begin_create_or_update(GROUP, "ingest", private(inside)).result()
    link = f"{inside}/providers/Microsoft.ContainerInstance/serviceAssociationLinks/default"
    with pytest.raises(HttpResponseError) as caught:
        sdk.resources.resources.begin_delete_by_id(link, api_version=LINK)
    assert code_of(caught) == "SubnetIsInUse"
    groups.begin_delete(GROUP, "ingest").result()
    with pytest.raises(HttpResponseError) as caught:
        subnets.begin_delete(GROUP, "net", "workers")
    assert code_of(caught) == "InUseSubnetCannotBeDeleted"
    sdk.containers.subnet_service_association_link.begin_delete(GROUP, "net", "workers").result()
    subnets.begin_delete(GROUP, "net", "workers").result()


def test_quotas_are_counted_in_groups_and_cores(sdk: Sdk, double: Any) -> None:
    double.limit("StandardCores", 3)
    groups = sdk.containers.container_groups
    groups.begin_create_or_update(GROUP, "web", body(cpu=2)).result()
    rows = {row.name.value: row for row in sdk.containers.location.list_usage(LOCATION)}
    assert (rows["StandardCores"].current_value, rows["StandardCores"].limit) == (2, 3)
    with pytest.raises(HttpResponseError) as caught:
        groups.begin_create_or_update(
            GROUP, "more", body(cpu=2, ipAddress={"type": "Public", "ports": [{"port": 443}]})
        )
    assert code_of(caught) == "ContainerGroupQuotaReached"


def test_a_volume_needs_the_share_and_the_key(sdk: Sdk) -> None:
    account = {"location": LOCATION, "sku": {"name": "Standard_LRS"}, "kind": "StorageV2", "properties": {}}
    sdk.storage.storage_accounts.begin_create(GROUP, "fpstore", account).result()
    key = sdk.storage.storage_accounts.list_keys(GROUP, "fpstore").keys_property[0].value

    def mounted(key: str) -> dict[str, Any]:
        share = {"shareName": "media", "storageAccountName": "fpstore", "storageAccountKey": key}
        return body(volumes=[{"name": "share", "azureFile": share}])

    groups = sdk.containers.container_groups
    with pytest.raises(HttpResponseError) as caught:
        groups.begin_create_or_update(GROUP, "web", mounted(key))
    assert code_of(caught) == "CannotAccessStorageAccount"
    sdk.storage.file_shares.create(GROUP, "fpstore", "media", {})
    with pytest.raises(HttpResponseError):
        groups.begin_create_or_update(GROUP, "web", mounted("wrong"))
    made = groups.begin_create_or_update(GROUP, "web", mounted(key)).result()
    assert made.volumes[0].azure_file.storage_account_key is None


class Recorder:
    """A runtime that starts nothing."""

    def __init__(self) -> None:
        self.started: list[tuple[Mapping[str, Any], Context]] = []
        self.refuses: Refused | None = None
        self.running: set[str] = set()

    def start(self, group: Mapping[str, Any], context: Context) -> None:
        if self.refuses:
            raise self.refuses
        self.started.append((group, context))
        self.running.add(group["id"])

    def states(self, group_id: str) -> tuple[ContainerState, ...]:
        return (ContainerState(name="web", state="Terminated", exit_code=3, restarts=2),)

    def logs(self, group_id: str, container: str, tail: int | None) -> str:
        return f"{container} {tail}"

    def stop(self, group_id: str) -> None:
        self.running.discard(group_id)

    def address(self, group_id: str) -> Address | None:
        return Address(ip="127.64.0.1", fqdn="127.64.0.1")


def test_a_runtime_is_given_secrets_and_the_network_and_says_how_it_goes(make_double: Callable[..., Any]) -> None:
    runtime = Recorder()
    double = make_double(runtime=runtime)
    double.register_all()
    sdk = Sdk(double)
    sdk.group()
    rule = {"defaultAction": "Deny", "virtualNetworkRules": [], "ipRules": [], "bypass": "AzureServices"}
    account = {"location": LOCATION, "sku": {"name": "Standard_LRS"}, "kind": "StorageV2"}
    closed = account | {"properties": {"networkAcls": rule}}
    store = sdk.storage.storage_accounts.begin_create(GROUP, "fpstore", closed).result()
    points = [{"service": "Microsoft.Storage"}]
    net = network(sdk, subnet("workers", "10.1.0.0/24", delegations=[DELEGATION], serviceEndpoints=points))
    address = {"type": "Private", "ports": [{"port": 443}]}
    inside = body(subnetIds=[{"id": net.subnets[0].id}], ipAddress=address)
    groups = sdk.containers.container_groups
    groups.begin_create_or_update(GROUP, "ingest", inside).result()
    made = groups.begin_create_or_update(GROUP, "web", body()).result()

    assert made.ip_address.fqdn == "127.64.0.1"
    assert made.instance_view.state == "Failed"
    assert made.containers[0].instance_view.current_state.exit_code == 3
    assert made.containers[0].instance_view.restart_count == 2
    assert sdk.containers.containers.list_logs(GROUP, "web", "web", tail=7).content == "web 7"
    (first, inside_view), (_, outside_view) = runtime.started
    variables = first["properties"]["containers"][0]["properties"]["environmentVariables"]
    assert variables[1]["secureValue"] == "hush"
    assert inside_view.network.subnet is not None
    assert inside_view.network.subnet.service_endpoints == {"Microsoft.Storage"}
    assert outside_view.network.subnet is None
    assert [(each.ip, each.network_id) for each in outside_view.network.neighbours] == [("127.64.0.1", net.id.lower())]
    (service,) = outside_view.network.services
    assert (service.id, service.public, service.service_endpoint) == (store.id.lower(), False, "Microsoft.Storage")
    groups.begin_delete(GROUP, "web").result()
    assert len(runtime.running) == 1


def test_a_group_that_the_runtime_refuses_ends_as_failed(make_double: Callable[..., Any]) -> None:
    runtime = Recorder()
    runtime.refuses = Refused("UnreachableAddress", "REDIS_URL names 10.1.0.4, which this group does not reach.")
    double = make_double(runtime=runtime)
    double.register_all()
    sdk = Sdk(double)
    sdk.group()
    with pytest.raises(HttpResponseError) as caught:
        sdk.containers.container_groups.begin_create_or_update(GROUP, "web", body()).result()
    assert "REDIS_URL" in str(caught.value)
    assert sdk.containers.container_groups.get(GROUP, "web").provisioning_state == "Failed"


def test_identities_pull_no_image_inside_a_network_of_the_government_cloud(make_double: Callable[..., Any]) -> None:
    double = make_double(government=True)
    double.register_all()
    sdk = Sdk(double)
    sdk.group()
    net = network(sdk, subnet("workers", "10.1.0.0/24", delegations=[DELEGATION]))
    where = {"subnetIds": [{"id": net.subnets[0].id}], "ipAddress": {"type": "Private", "ports": [{"port": 443}]}}
    pulled = [{"server": "fp.azurecr.us", "identity": "/subscriptions/x"}]
    with pytest.raises(HttpResponseError) as caught:
        sdk.containers.container_groups.begin_create_or_update(
            GROUP, "ingest", body(**where, imageRegistryCredentials=pulled)
        )
    assert code_of(caught) == "ManagedIdentityNotSupported"
    made = sdk.containers.container_groups.begin_create_or_update(GROUP, "web", body()).result()
    assert made.ip_address.fqdn == "fpweb.westeurope.azurecontainer.us"
