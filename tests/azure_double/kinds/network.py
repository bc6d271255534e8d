"""Virtual networks, subnets, network security groups, public addresses, NAT gateways; usages of the location."""

from __future__ import annotations

import ipaddress
from typing import Any

from tests.azure_double.https import Answer
from tests.azure_double.kinds.kind import Call, Follow, Kind, Put, Usage, kind, look, route
from tests.azure_double.resources import ArmError, Json, Pending, Resource, parent_of
from tests.azure_double.world import World

BUSY = (409, "AnotherOperationInProgress", "Another operation on this or dependent resource is in progress.")
SUBNETS = "Microsoft.Network/virtualNetworks/subnets"
GROUPS = "Microsoft.ContainerInstance/containerGroups"
DELEGATE = "Microsoft.ContainerInstance/containerGroups"


@kind("Microsoft.Network/virtualNetworks")
class VirtualNetwork(Kind):
    """Subnets in its body are made, changed and taken away with it; a body without them leaves them alone."""

    busy = BUSY

    def check(self, put: Put) -> None:
        """See Kind."""
        for prefix in look(put.body, "properties.addressSpace.addressPrefixes") or ():
            _network(prefix)
        wanted = put.properties.get("subnets")
        if wanted is None:
            return
        kept = {each["name"].lower() for each in wanted}
        for subnet in put.world.resources.of_type(SUBNETS, put.id):
            if subnet.name.lower() not in kept:
                require_unused(put.world, subnet)
        spaces = look(put.body, "properties.addressSpace.addressPrefixes") or ()
        for each in wanted:
            _check_subnet(put.world, f"{put.id}/subnets/{each['name']}", each.get("properties", {}), spaces)

    def begun(self, world: World, resource: Resource) -> None:
        """See Kind."""
        wanted = resource.properties.pop("subnets", None)
        if wanted is None:
            return
        kept = {each["name"].lower() for each in wanted}
        for subnet in world.resources.of_type(SUBNETS, resource.id):
            if subnet.name.lower() not in kept:
                del world.resources[subnet.id]
        for each in wanted:
            found = f"{resource.id}/subnets/{each['name']}"
            subnet = world.resources.get(found) or Resource(id=found, type=SUBNETS, name=each["name"], body={})
            subnet.body, subnet.state = {"properties": each.get("properties", {})}, "Succeeded"
            world.resources[found] = subnet

    def show(self, world: World, resource: Resource) -> Json:
        """See Kind."""
        of = Subnet()
        subnets = [of.shown(world, each) for each in world.resources.of_type(SUBNETS, resource.id)]
        return super().show(world, resource) | {"subnets": subnets, "virtualNetworkPeerings": []}

    def check_delete(self, world: World, resource: Resource) -> None:
        """See Kind."""
        for subnet in world.resources.of_type(SUBNETS, resource.id):
            require_unused(world, subnet)


@kind("Microsoft.Network/virtualNetworks/subnets")
class Subnet(Kind):
    """Its network is locked while it changes."""

    tracked = False
    busy = BUSY

    def check(self, put: Put) -> None:
        """See Kind."""
        network = put.world.resources[parent_of(put.id)]
        others = [each for each in put.world.resources.of_type(SUBNETS, network.id) if each.id != put.id]
        if network.busy or any(each.busy for each in others):
            for each in (network, *others):
                if each.pending is not None:
                    each.pending.step()
            raise ArmError(*BUSY)
        spaces = look(network.body, "properties.addressSpace.addressPrefixes") or ()
        _check_subnet(put.world, put.id, put.properties, spaces)

    def show(self, world: World, resource: Resource) -> Json:
        """See Kind."""
        shown = super().show(world, resource)
        if resource.hidden.get("links"):
            link = {"id": f"{resource.id}/serviceAssociationLinks/acisal", "name": "acisal"}
            shown["serviceAssociationLinks"] = [link | {"properties": {"linkedResourceType": DELEGATE}}]
        for endpoint in shown.get("serviceEndpoints", ()):
            endpoint["provisioningState"] = "Succeeded"
        return shown

    def check_delete(self, world: World, resource: Resource) -> None:
        """See Kind."""
        require_unused(world, resource)


def delegated(properties: Json) -> bool:
    """To container groups."""
    found = properties.get("delegations") or ()
    return any(str(look(each, "properties.serviceName")).lower() == DELEGATE.lower() for each in found)


def require_unused(world: World, subnet: Resource) -> None:
    """Raises ArmError while a group, a private endpoint, or the link that groups left behind is in it."""
    users = [each.id for each in users_of(world, subnet)]
    if subnet.hidden.get("links"):
        users.append(f"{subnet.id}/serviceAssociationLinks/acisal")
    if users:
        raise ArmError(
            400,
            "InUseSubnetCannotBeDeleted",
            f"Subnet {subnet.name} is in use by {users[0]} and cannot be deleted. In order to delete the subnet, "
            "delete all the resources within the subnet. See aka.ms/deletesubnet.",
        )


def users_of(world: World, subnet: Resource) -> list[Resource]:
    """What lies in a subnet."""
    found = [each for each in world.resources.of_type(GROUPS) if subnet_of(each) == subnet.id.lower()]
    endpoints = world.resources.of_type("Microsoft.Network/privateEndpoints")
    return found + [
        each for each in endpoints if str(look(each.body, "properties.subnet.id")).lower() == subnet.id.lower()
    ]


def subnet_of(group: Resource) -> str | None:
    """Id of a container group's subnet in lower case."""
    subnets = group.properties.get("subnetIds") or ()
    return str(subnets[0]["id"]).lower() if subnets else None


def _network(prefix: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(prefix)
    except ValueError:
        raise ArmError(
            400, "InvalidAddressPrefixFormat", f"Address prefix {prefix} is not formatted correctly."
        ) from None


def _check_subnet(world: World, subnet_id: str, properties: Json, spaces: Any) -> None:
    prefix = properties.get("addressPrefix") or (properties.get("addressPrefixes") or [None])[0]
    if prefix is None:
        raise ArmError(400, "InvalidRequestFormat", f"Subnet {subnet_id} has no address prefix.")
    mine: Any = _network(prefix)
    if not any(mine.subnet_of(_network(space)) for space in spaces):
        raise ArmError(400, "NetcfgInvalidSubnet", f"Subnet {subnet_id} is not valid in virtual network.")
    for other in world.resources.of_type(SUBNETS, parent_of(subnet_id)):
        theirs = other.properties.get("addressPrefix")
        if other.id.lower() != subnet_id.lower() and theirs and mine.overlaps(_network(theirs)):
            raise ArmError(400, "NetcfgSubnetRangesOverlap", f"Subnet {subnet_id} overlaps with {other.id}.")
    before = world.resources.get(subnet_id)
    if before is not None and before.hidden.get("links") and not delegated(properties):
        raise ArmError(
            400,
            "SubnetMissingRequiredDelegation",
            f"Subnet {subnet_id} requires any of the following delegation(s) [{DELEGATE}] to reference service "
            f"association link {subnet_id}/serviceAssociationLinks/acisal.",
        )
    for part in ("natGateway", "networkSecurityGroup"):
        if reference := look(properties, f"{part}.id"):
            world.referenced(reference, subnet_id)


@kind("Microsoft.Network/networkSecurityGroups")
class NetworkSecurityGroup(Kind):
    """Its rules are kept as they are."""

    busy = BUSY

    def check_delete(self, world: World, resource: Resource) -> None:
        """See Kind."""
        _require_no_subnet(world, resource, "networkSecurityGroup", "InUseNetworkSecurityGroupCannotBeDeleted")


@kind("Microsoft.Network/publicIPAddresses")
class PublicAddress(Kind):
    """Gets an address when it is made."""

    busy = BUSY

    def done(self, world: World, resource: Resource) -> None:
        """See Kind."""
        resource.outputs.setdefault("ipAddress", f"203.0.113.{world.serial() % 250 + 1}")

    def check_delete(self, world: World, resource: Resource) -> None:
        """See Kind."""
        for gateway in world.resources.of_type("Microsoft.Network/natGateways"):
            used = [each["id"].lower() for each in gateway.properties.get("publicIpAddresses") or ()]
            if resource.id.lower() in used:
                raise ArmError(
                    400,
                    "PublicIPAddressCannotBeDeleted",
                    f"Public IP address {resource.id} can not be deleted since it is still allocated to {gateway.id}.",
                )


@kind("Microsoft.Network/natGateways")
class NatGateway(Kind):
    """Needs a static address of its own SKU."""

    busy = BUSY

    def check(self, put: Put) -> None:
        """See Kind."""
        for each in put.properties.get("publicIpAddresses") or ():
            address = put.world.referenced(each["id"], put.id)
            sku, static = look(address.body, "sku.name"), address.properties.get("publicIPAllocationMethod")
            if sku not in ("Standard", "StandardV2") or static != "Static":
                raise ArmError(
                    400, "NatGatewayPublicIpSkuMismatch", f"{address.id} must be a Standard, Static public IP."
                )

    def show(self, world: World, resource: Resource) -> Json:
        """See Kind."""
        subnets = [{"id": each.id} for each in _subnets_with(world, resource, "natGateway")]
        return super().show(world, resource) | ({"subnets": subnets} if subnets else {})

    def check_delete(self, world: World, resource: Resource) -> None:
        """See Kind."""
        _require_no_subnet(world, resource, "natGateway", "InUseNatGatewayCannotBeDeleted")


def _subnets_with(world: World, resource: Resource, part: str) -> list[Resource]:
    return [
        each
        for each in world.resources.of_type(SUBNETS)
        if str(look(each.properties, f"{part}.id")).lower() == resource.id.lower()
    ]


def _require_no_subnet(world: World, resource: Resource, part: str, code: str) -> None:
    if used := _subnets_with(world, resource, part):
        raise ArmError(400, code, f"{resource.id} cannot be deleted because it is in use by {used[0].id}.")


@route("DELETE", "Microsoft.ContainerInstance/serviceAssociationLinks/default")
def delete_link(call: Call) -> Answer:
    """The link that container groups left behind."""
    subnet = call.above(4)
    if any(each.type == GROUPS for each in users_of(call.world, subnet)):
        raise ArmError(
            400,
            "SubnetIsInUse",
            f"Subnet {subnet.id} is in use by container groups; the association link cannot be deleted.",
        )
    if not subnet.hidden.get("links"):
        return Answer(status=204)

    def finish() -> None:
        subnet.hidden["links"] = False

    pending = Pending(steps=call.world.polls, finish=finish, delete=True)
    return call.begin(None, pending, Follow.ASYNC, 202)


@route("GET", "Microsoft.Network/locations/{}/usages")
def usages(call: Call) -> Answer:
    """Of the location."""
    rows = []
    for name, of, limit in (
        ("VirtualNetworks", "virtualNetworks", 1000),
        ("StandardSkuPublicIpAddresses", "publicIPAddresses", 100),
        ("NatGateways", "natGateways", 100),
        ("PrivateEndpoints", "privateEndpoints", 1000),
        ("NetworkSecurityGroups", "networkSecurityGroups", 5000),
    ):
        used = [e for e in call.world.resources.of_type(f"Microsoft.Network/{of}") if e.location == call.names[1]]
        rows.append(Usage(name=name, used=len(used), limit=call.world.quotas.get(name, limit)).content)
    return Answer(content={"value": rows})
