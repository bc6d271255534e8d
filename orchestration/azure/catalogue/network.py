"""The workers' network. Web never enters it: it needs nothing there.

Groups in a virtual network have no public address and reach public services by service endpoints of their subnet alone;
with `private = true` by private endpoints, and the rest of the world by a NAT gateway.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from orchestration.azure.api import API
from orchestration.azure.catalogue.place import Place
from orchestration.azure.nodes import Facts, Node, Run
from orchestration.azure.resource import Resource, constant

NETWORK: Final = "Microsoft.Network/virtualNetworks"
GROUPS_SUBNET, ENDPOINTS_SUBNET = "groups", "endpoints"
SPACE, GROUPS_SPACE, ENDPOINTS_SPACE = "10.83.0.0/16", "10.83.0.0/22", "10.83.8.0/24"
#: What the workers ask, by service endpoint.
SERVICES: Final = ("Microsoft.AzureCosmosDB", "Microsoft.CognitiveServices", "Microsoft.Storage")
#: Of private endpoints: key of the resource, sub-resource, DNS zone in the public and in the Government cloud.
#: https://learn.microsoft.com/azure/private-link/private-endpoint-dns
PRIVATE: Final = (
    ("cassandra", "Cassandra", "privatelink.cassandra.cosmos.azure.com", "privatelink.cassandra.cosmos.azure.us"),
    ("storage", "file", "privatelink.file.core.windows.net", "privatelink.file.core.usgovcloudapi.net"),
    (
        *("postgresql", "postgresqlServer"),
        *("privatelink.postgres.database.azure.com", "privatelink.postgres.database.usgovcloudapi.net"),
    ),
    ("face", "account", "privatelink.cognitiveservices.azure.com", "privatelink.cognitiveservices.azure.us"),
)


def subnet_id(place: Place, subnet: str = GROUPS_SUBNET) -> str:
    """Of a subnet of the deployment's network."""
    return place.id(f"{NETWORK}/subnets", place.said.name, subnet)


def nodes(place: Place, present: frozenset[str]) -> Iterator[Node]:
    """present: keys of what the deployment has, so that endpoints are made for these alone."""
    said = place.said
    if _has_nat(place):
        yield from _nat(place)
    yield place.resource(
        "network",
        "virtual network",
        NETWORK,
        said.name,
        body=constant({"location": said.location, "properties": _network(place)}),
        needs=("nat",) if _has_nat(place) else (),
        going=_without_association,
    )
    if said.private:
        for target, part, public_zone, government_zone in PRIVATE:
            if target in present:
                zone = government_zone if said.cloud == "government" else public_zone
                yield from _private_endpoint(place, target, part, zone)


def _has_nat(place: Place) -> bool:
    """Whether groups in the network reach the world: to roll out to Azure ML the dispatcher asks Azure itself."""
    return place.said.private or place.said.machine_learning.enabled


def _network(place: Place) -> dict[str, Any]:
    delegation = {
        "name": "containers",
        "properties": {"serviceName": "Microsoft.ContainerInstance/containerGroups"},
    }
    groups: dict[str, Any] = {"addressPrefix": GROUPS_SPACE, "delegations": [delegation]}
    subnets = [{"name": GROUPS_SUBNET, "properties": groups}]
    if _has_nat(place):
        groups["natGateway"] = {"id": place.id("Microsoft.Network/natGateways", place.said.name)}
    if place.said.private:
        subnets.append({"name": ENDPOINTS_SUBNET, "properties": {"addressPrefix": ENDPOINTS_SPACE}})
    else:
        groups["serviceEndpoints"] = [{"service": service} for service in SERVICES]
    return {"addressSpace": {"addressPrefixes": [SPACE]}, "subnets": subnets}


def _without_association(run: Run, found: Mapping[str, Any]) -> None:
    """Container groups leave a link on their subnet, which keeps it from being deleted for ever.

    https://learn.microsoft.com/azure/container-instances/container-instances-vnet#clean-up-resources
    """
    for subnet in found.get("properties", {}).get("subnets", ()):
        if subnet.get("properties", {}).get("serviceAssociationLinks"):
            run.report("network", "deleting", f"the link that container groups left on {subnet['name']}")
            link = f"{subnet['id']}/providers/Microsoft.ContainerInstance/serviceAssociationLinks/default"
            run.azure.delete(link, API["Microsoft.ContainerInstance"])


def _nat(place: Place) -> Iterator[Resource]:
    said = place.said
    yield place.resource(
        "nat-address",
        "public address",
        "Microsoft.Network/publicIPAddresses",
        f"{said.name}-nat",
        body=constant(
            {
                "location": said.location,
                "sku": {"name": "Standard"},
                "properties": {"publicIPAllocationMethod": "Static"},
            }
        ),
    )
    address = {"id": place.id("Microsoft.Network/publicIPAddresses", f"{said.name}-nat")}
    yield place.resource(
        "nat",
        "NAT gateway",
        "Microsoft.Network/natGateways",
        said.name,
        body=constant(
            {
                "location": said.location,
                "sku": {"name": "Standard"},
                "properties": {"publicIpAddresses": [address]},
            }
        ),
        needs=("nat-address",),
    )


def _private_endpoint(place: Place, target: str, part: str, zone: str) -> Iterator[Resource]:
    said, zones = place.said, "Microsoft.Network/privateDnsZones"

    def endpoint(facts: Facts) -> dict[str, Any]:
        connection = {"privateLinkServiceId": facts.of(target, "id"), "groupIds": [part]}
        return {
            "location": said.location,
            "properties": {
                "subnet": {"id": subnet_id(place, ENDPOINTS_SUBNET)},
                "privateLinkServiceConnections": [{"name": target, "properties": connection}],
            },
        }

    yield place.resource(f"zone:{target}", "DNS zone", zones, zone, body=constant({"location": "global"}))
    yield place.resource(
        f"zone-link:{target}",
        f"link of {zone} to network",
        f"{zones}/virtualNetworkLinks",
        *(zone, said.name),
        body=constant(
            {
                "location": "global",
                "properties": {
                    "registrationEnabled": False,
                    "virtualNetwork": {"id": place.id(NETWORK, said.name)},
                },
            }
        ),
        needs=(f"zone:{target}", "network"),
    )
    endpoints = "Microsoft.Network/privateEndpoints"
    name = f"{said.name}-{target}"
    yield place.resource(
        f"endpoint:{target}", "private endpoint", endpoints, name, body=endpoint, needs=("network", target)
    )
    config = {"name": target, "properties": {"privateDnsZoneId": place.id(zones, zone)}}
    yield place.resource(
        f"endpoint-zone:{target}",
        "private endpoint's DNS",
        f"{endpoints}/privateDnsZoneGroups",
        *(name, "default"),
        body=constant({"properties": {"privateDnsZoneConfigs": [config]}}),
        needs=(f"endpoint:{target}", f"zone-link:{target}"),
        tagged=False,
    )
