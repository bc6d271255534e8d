"""Private endpoints, and the private DNS zones in which their names are found."""

from __future__ import annotations

import ipaddress

from tests.azure_double.kinds.kind import Follow, Kind, Put, kind, look
from tests.azure_double.kinds.network import BUSY
from tests.azure_double.resources import ArmError, Json, Resource, parent_of
from tests.azure_double.world import World

ENDPOINTS = "Microsoft.Network/privateEndpoints"
ZONES = "Microsoft.Network/privateDnsZones"
#: What a private endpoint may be of: kinds, and their sub-resources.
GROUP_IDS = {
    "microsoft.documentdb/databaseaccounts": ("Cassandra", "Sql"),
    "microsoft.storage/storageaccounts": ("file", "blob"),
    "microsoft.keyvault/vaults": ("vault",),
    "microsoft.cognitiveservices/accounts": ("account",),
    "microsoft.dbforpostgresql/flexibleservers": ("postgresqlServer",),
    "microsoft.containerregistry/registries": ("registry",),
    "microsoft.machinelearningservices/workspaces": ("amlworkspace",),
}


@kind("Microsoft.Network/privateEndpoints")
class PrivateEndpoint(Kind):
    """An address in a subnet for somebody's service."""

    busy = BUSY

    def check(self, put: Put) -> None:
        """See Kind."""
        put.world.referenced(look(put.body, "properties.subnet.id") or "", put.id)
        links = put.properties.get("privateLinkServiceConnections") or ()
        if not links:
            raise ArmError(400, "InvalidRequestFormat", f"{put.id} connects to nothing.")
        for each in links:
            target = put.world.referenced(look(each, "properties.privateLinkServiceId") or "", put.id)
            allowed = GROUP_IDS.get(target.type.lower(), ())
            for wanted in look(each, "properties.groupIds") or ():
                if wanted.lower() not in {name.lower() for name in allowed}:
                    raise ArmError(
                        400, "PrivateEndpointInvalidGroupId", f"{wanted} is none of {allowed} of {target.id}."
                    )

    def done(self, world: World, resource: Resource) -> None:
        """See Kind."""
        subnet = world.resources[look(resource.body, "properties.subnet.id")]
        prefix = subnet.properties.get("addressPrefix") or subnet.properties["addressPrefixes"][0]
        free = ipaddress.ip_network(prefix)[4 + world.serial() % 100]
        resource.hidden.setdefault("ip", str(free))
        interface = f"{parent_of(resource.id)}/providers/Microsoft.Network/networkInterfaces/{resource.name}.nic"
        resource.outputs["networkInterfaces"] = [{"id": interface}]
        resource.outputs["customDnsConfigs"] = [
            {"fqdn": name, "ipAddresses": [resource.hidden["ip"]]} for name in _names(target_of(world, resource), world)
        ]


def target_of(world: World, endpoint: Resource) -> Resource | None:
    """What it leads to."""
    links = endpoint.properties.get("privateLinkServiceConnections") or ({},)
    return world.resources.get(look(links[0], "properties.privateLinkServiceId") or "")


def _names(target: Resource | None, world: World) -> list[str]:
    """Under which clients know it."""
    services = {
        "microsoft.documentdb/databaseaccounts": "cassandra",
        "microsoft.storage/storageaccounts": "storage",
        "microsoft.keyvault/vaults": "vault",
        "microsoft.cognitiveservices/accounts": "face",
        "microsoft.dbforpostgresql/flexibleservers": "postgres",
        "microsoft.containerregistry/registries": "registry",
    }
    if target is None or target.type.lower() not in services:
        return []
    service = services[target.type.lower()]
    return [world.name(service, f"{target.name}.file" if service == "storage" else target.name)]


@kind("Microsoft.Network/privateEndpoints/privateDnsZoneGroups")
class PrivateDnsZoneGroup(Kind):
    """Writes the endpoint's address into zones."""

    tracked = False
    busy = BUSY

    def check(self, put: Put) -> None:
        """See Kind."""
        for each in put.properties.get("privateDnsZoneConfigs") or ():
            put.world.referenced(look(each, "properties.privateDnsZoneId") or "", put.id)

    def done(self, world: World, resource: Resource) -> None:
        """See Kind."""
        endpoint = world.resources[parent_of(resource.id)]
        for each in resource.properties.get("privateDnsZoneConfigs") or ():
            zone = world.resources[each["properties"]["privateDnsZoneId"]]
            for config in endpoint.outputs.get("customDnsConfigs", ()):
                record = f"{zone.id}/A/{config['fqdn'].partition('.')[0]}"
                body = {"properties": {"ttl": 10, "aRecords": [{"ipv4Address": endpoint.hidden["ip"]}]}}
                name = record.rpartition("/")[2]
                world.resources[record] = Resource(
                    id=record, type=f"{ZONES}/A", name=name, body=body, state="Succeeded"
                )


@kind("Microsoft.Network/privateDnsZones")
class PrivateDnsZone(Kind):
    """Its location is "global"."""

    busy = BUSY

    def check(self, put: Put) -> None:
        """See Kind."""
        if put.body["location"] != "global":
            raise ArmError(400, "LocationNotAvailableForResourceType", "A private DNS zone's location is global.")

    def show(self, world: World, resource: Resource) -> Json:
        """See Kind."""
        records = [each for each in world.resources.under(resource.id) if each.type.count("/") == 2]
        return super().show(world, resource) | {"numberOfRecordSets": len(records) + 1}

    def check_delete(self, world: World, resource: Resource) -> None:
        """See Kind."""
        if world.resources.of_type(VirtualNetworkLink.type, resource.id):
            raise ArmError(409, "CannotDeleteResource", f"{resource.id} has virtual network links.")


@kind("Microsoft.Network/privateDnsZones/virtualNetworkLinks")
class VirtualNetworkLink(Kind):
    """A network that finds the names of the zone."""

    busy = BUSY

    def check(self, put: Put) -> None:
        """See Kind."""
        put.world.referenced(look(put.body, "properties.virtualNetwork.id") or "", put.id)

    def done(self, world: World, resource: Resource) -> None:
        """See Kind."""
        resource.outputs["virtualNetworkLinkState"] = "Completed"


@kind("Microsoft.Network/privateDnsZones/A")
class AddressRecord(Kind):
    """Names to addresses."""

    tracked = False
    create = Follow.NOW
    remove = Follow.NOW
    has_state = False


def networks_of(world: World, resource: Resource) -> frozenset[str]:
    """Virtual networks (ids in lower case) that have a private endpoint of it and find its name there."""
    found = set()
    for endpoint in world.resources.of_type(ENDPOINTS):
        target = target_of(world, endpoint)
        subnet = str(look(endpoint.body, "properties.subnet.id"))
        if endpoint.state != "Succeeded" or target is None or target.id != resource.id:
            continue
        network = parent_of(subnet).lower()
        for group in world.resources.of_type(PrivateDnsZoneGroup.type, endpoint.id):
            for config in group.properties.get("privateDnsZoneConfigs") or ():
                links = world.resources.of_type(VirtualNetworkLink.type, config["properties"]["privateDnsZoneId"])
                if network in {str(look(each.body, "properties.virtualNetwork.id")).lower() for each in links}:
                    found.add(network)
    return frozenset(found)
