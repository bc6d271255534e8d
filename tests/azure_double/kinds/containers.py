"""Container groups."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime

from tests.azure_double.https import Answer
from tests.azure_double.kinds.kind import Call, Follow, Kind, Put, Usage, kind, look, route
from tests.azure_double.kinds.network import GROUPS, delegated, subnet_of
from tests.azure_double.kinds.registry import require_pull
from tests.azure_double.kinds.surroundings import context
from tests.azure_double.resources import ArmError, Json, Pending, Resource
from tests.azure_double.runtime_port import ContainerState, Refused
from tests.azure_double.world import World

#: https://learn.microsoft.com/azure/container-instances/container-instances-update#properties-that-require-container-delete
FIXED = ("osType", "restartPolicy", "sku", "ipAddress.type", "ipAddress.ports", "ipAddress.dnsNameLabel")


@kind("Microsoft.ContainerInstance/containerGroups")
class ContainerGroup(Kind):
    """A changed one starts anew, all its containers; what of it cannot be changed is refused."""

    busy = (409, "ContainerGroupTransitioning", "The container group is still transitioning, please retry later.")
    secrets = frozenset({"secureValue", "storageAccountKey", "password", "workspaceKey", "clientSecret"})

    def check(self, put: Put) -> None:
        """See Kind."""
        put.properties.setdefault("restartPolicy", "Always")
        put.properties.setdefault("sku", "Standard")
        containers = put.properties.get("containers") or ()
        if not containers:
            raise ArmError(400, "MissingContainers", "The container group has no containers.")
        for each in containers:
            if look(each, "properties.resources.requests.cpu") is None:
                raise ArmError(400, "ResourceRequestsNotSpecified", f"Container {each['name']} requests no resources.")
            require_pull(put.world, put.name, put.body, each["properties"]["image"])
        _check_volumes(put)
        _check_network(put)
        if put.existing is None:
            _check_quota(put)
        elif _fixed(put.existing.body) != _fixed(put.body):
            raise ArmError(
                400,
                "InvalidContainerGroupUpdate",
                f"The updates on container group '{put.name}' are invalid. If you are going to update the os type, "
                "restart policy, network profile, CPU, memory or GPU resources for a container group, you must delete "
                "it first and then create a new one.",
            )
        elif put.existing.hidden.get("stopped"):
            put.existing.hidden["stopped"] = False

    def begun(self, world: World, resource: Resource) -> None:
        """See Kind."""
        if subnet := subnet_of(resource):
            world.resources[subnet].hidden["links"] = True

    def done(self, world: World, resource: Resource) -> None:
        """See Kind."""
        start(world, resource)

    def show(self, world: World, resource: Resource) -> Json:
        """See Kind."""
        shown = super().show(world, resource)
        states = _states(world, resource)
        for each in shown["containers"]:
            if each["name"] in states:
                each["properties"]["instanceView"] = _viewed(states[each["name"]])
        ended = [state for state in states.values() if state.state == "Terminated"]
        group = "Stopped" if resource.hidden.get("stopped") else "Running"
        if resource.state == "Failed":
            group = "Failed"
        elif resource.state != "Succeeded":
            group = "Pending"
        elif group == "Running" and states and len(ended) == len(states):
            group = "Failed" if any(state.exit_code for state in ended) else "Succeeded"
        shown["instanceView"] = {"events": [], "state": group}
        if "ipAddress" in shown and resource.hidden.get("ip"):
            found = {"ip": resource.hidden["ip"]} | ({"fqdn": name} if (name := resource.hidden.get("fqdn")) else {})
            shown["ipAddress"] = shown["ipAddress"] | found
        return shown

    def gone(self, world: World, resource: Resource) -> None:
        """See Kind."""
        if world.runtime is not None:
            world.runtime.stop(resource.id.lower())


def start(world: World, group: Resource) -> None:
    """Start all its containers. Raises ArmError where the runtime refuses."""
    label = look(group.body, "properties.ipAddress.dnsNameLabel")
    fqdn = world.name("containers", f"{label}.{group.location}") if label else ""
    address = None
    if world.runtime is not None:
        whole = copy.deepcopy(group.body) | {"id": group.id.lower(), "name": group.name}
        try:
            world.runtime.stop(group.id.lower())
            world.runtime.start(whole, context(world, group, fqdn))
        except Refused as refused:
            raise ArmError(400, refused.code, refused.message) from refused
        address = world.runtime.address(group.id.lower())
    private = subnet_of(group) is not None
    made_up = f"10.240.{world.serial() % 250}.4" if private else f"198.51.100.{world.serial() % 250 + 1}"
    group.hidden["ip"] = address.ip if address else group.hidden.get("ip") or made_up
    group.hidden["fqdn"] = (address.fqdn if address else "") or fqdn
    group.hidden["stopped"], group.hidden["started"] = False, datetime.now(UTC)


def _states(world: World, group: Resource) -> dict[str, ContainerState]:
    if "started" not in group.hidden or group.state not in ("Succeeded", "Failed"):
        return {}
    if world.runtime is not None:
        return {state.name: state for state in world.runtime.states(group.id.lower())}
    state = "Terminated" if group.hidden["stopped"] else "Running"
    return {
        each["name"]: ContainerState(
            name=each["name"],
            state=state,
            started_at=group.hidden["started"],
            exit_code=0 if state == "Terminated" else None,
        )
        for each in group.properties["containers"]
    }


def _viewed(state: ContainerState) -> Json:
    current: Json = {"state": state.state, "detailStatus": state.detail}
    for key, value in (("startTime", state.started_at), ("finishTime", state.finished_at)):
        if value is not None:
            current[key] = value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if state.exit_code is not None:
        current["exitCode"] = state.exit_code
    return {"restartCount": state.restarts, "currentState": current, "events": [dict(each) for each in state.events]}


# ---- what may not be ------------------------------------------------------------------------------------------------
def _fixed(body: Json) -> list[object]:
    subnets = [str(each["id"]).lower() for each in look(body, "properties.subnetIds") or ()]
    requests = sorted(
        (each["name"], repr(sorted(each["properties"]["resources"]["requests"].items())))
        for each in look(body, "properties.containers") or ()
    )
    return [subnets, requests, *(look(body, f"properties.{path}") for path in FIXED)]


def _check_volumes(put: Put) -> None:
    volumes = {each["name"] for each in put.properties.get("volumes") or ()}
    containers = put.properties["containers"]
    for each in (*containers, *(put.properties.get("initContainers") or ())):
        for mount in look(each, "properties.volumeMounts") or ():
            if mount["name"] not in volumes:
                raise ArmError(400, "VolumeNotFound", f"The volume '{mount['name']}' of '{each['name']}' is not there.")
    for each in put.properties.get("volumes") or ():
        if share := each.get("azureFile"):
            _check_share(put.world, share)


def _check_share(world: World, share: Json) -> None:
    account = world.resources.named("Microsoft.Storage/storageAccounts", share["storageAccountName"])
    if account is None:
        return
    there = f"{account.id}/fileServices/default/shares/{share['shareName']}" in world.resources
    if not there or share.get("storageAccountKey") not in account.hidden.get("keys", ()):
        raise ArmError(
            400,
            "CannotAccessStorageAccount",
            f"Cannot access storage account '{share['storageAccountName']}' (share '{share['shareName']}'): the share "
            "is not there, or the key is wrong.",
        )


def _check_network(put: Put) -> None:
    address, subnets = put.properties.get("ipAddress") or {}, put.properties.get("subnetIds") or ()
    exposed = {each["port"] for each in address.get("ports") or ()}
    offered = {port["port"] for each in put.properties["containers"] for port in look(each, "properties.ports") or ()}
    if not exposed <= offered:
        raise ArmError(400, "PortNotExposed", f"No container has the ports {sorted(exposed - offered)} of the group.")
    if not subnets:
        if address.get("type") == "Private":
            raise ArmError(400, "PrivateIPAddressNeedsSubnet", "A private address needs a subnet.")
        _check_label(put, address.get("dnsNameLabel"))
        return
    if address.get("type") == "Public" or address.get("dnsNameLabel"):
        raise ArmError(
            400, "PublicIPNotSupportedInVirtualNetwork", "A group in a virtual network has no public address or label."
        )
    subnet = put.world.referenced(subnets[0]["id"], put.id)
    if not delegated(subnet.properties):
        raise ArmError(400, "SubnetDelegationMissing", f"Subnet {subnet.id} is not delegated to {GROUPS}.")
    identity = put.body.get("identity") or any(
        each.get("identity") for each in put.properties.get("imageRegistryCredentials") or ()
    )
    if identity and put.world.government:
        raise ArmError(
            400, "ManagedIdentityNotSupported", "Managed identities are not supported in a virtual network here."
        )


def _check_label(put: Put, label: str | None) -> None:
    if label is None:
        return
    others = [each for each in put.world.resources.of_type(GROUPS) if each.id.lower() != put.id.lower()]
    held = {str(look(each.body, "properties.ipAddress.dnsNameLabel")).lower() for each in others}
    if label.lower() in held or (GROUPS.lower(), label.lower()) in put.world.taken:
        raise ArmError(409, "DnsNameLabelNotAvailable", f"The DNS name label '{label}' in the region is not available.")


def _check_quota(put: Put) -> None:
    at = [each for each in put.world.resources.of_type(GROUPS) if each.location == put.body["location"]]
    code = "ContainerGroupQuotaReached"
    put.world.require_quota("ContainerGroups", len(at), 1, code)
    put.world.require_quota("StandardCores", sum(map(_cores, (each.body for each in at))), _cores(put.body), code)


def _cores(body: Json) -> float:
    return sum(float(each["properties"]["resources"]["requests"]["cpu"]) for each in body["properties"]["containers"])


# ---- actions --------------------------------------------------------------------------------------------------------
def _turned(call: Call, change: Callable[[World, Resource], None], status: int) -> Answer:
    group = call.above(1)
    if group.busy and group.pending is not None:
        group.pending.step()
        raise ArmError(*ContainerGroup.busy)
    pending = Pending(steps=call.world.polls, finish=lambda: change(call.world, group))
    return call.begin(group, pending, Follow.ASYNC, status)


@route("POST", f"{GROUPS}/{{}}/start")
def start_group(call: Call) -> Answer:
    """One that was stopped, or has ended."""
    return _turned(call, start, 202)


@route("POST", f"{GROUPS}/{{}}/restart")
def restart_group(call: Call) -> Answer:
    """All its containers."""
    return _turned(call, start, 204)


@route("POST", f"{GROUPS}/{{}}/stop")
def stop_group(call: Call) -> Answer:
    """At once."""
    group = call.above(1)
    if call.world.runtime is not None:
        call.world.runtime.stop(group.id.lower())
    group.hidden["stopped"] = True
    return Answer(status=204)


@route("GET", f"{GROUPS}/{{}}/containers/{{}}/logs")
def logs(call: Call) -> Answer:
    """Of one container."""
    group, name = call.above(3), call.names[3] if len(call.names) > 3 else call.names[-1]
    if name not in {each["name"] for each in group.properties["containers"]}:
        raise ArmError(404, "ContainerNotFound", f"The container '{name}' was not found in '{group.name}'.")
    tail = call.request.query.get("tail")
    if call.world.runtime is None:
        return Answer(content={"content": ""})
    return Answer(content={"content": call.world.runtime.logs(group.id.lower(), name, int(tail) if tail else None)})


@route("GET", "Microsoft.ContainerInstance/locations/{}/usages")
def usages(call: Call) -> Answer:
    """Groups and cores of the location."""
    at = [each for each in call.world.resources.of_type(GROUPS) if each.location == call.names[1]]
    rows = (
        Usage(name="ContainerGroups", used=len(at), limit=call.world.quotas.get("ContainerGroups", 100)),
        Usage(
            name="StandardCores",
            used=sum(_cores(each.body) for each in at),
            limit=call.world.quotas.get("StandardCores", 100),
        ),
    )
    return Answer(content={"value": [row.content for row in rows]})
