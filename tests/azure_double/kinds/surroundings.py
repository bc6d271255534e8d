"""The network around a container group, as a runtime is told of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from tests.azure_double.kinds import cognitive, cosmos, postgres, registry, storage, vaults
from tests.azure_double.kinds.kind import look
from tests.azure_double.kinds.network import GROUPS, SUBNETS, subnet_of
from tests.azure_double.kinds.private_links import networks_of
from tests.azure_double.resources import Resource, parent_of
from tests.azure_double.runtime_port import Context, Neighbour, Network, Service, Subnet
from tests.azure_double.world import World

Host = tuple[str, int]


def _of_url(url: Any, usual: int = 443) -> tuple[Host, ...]:
    parts = urlsplit(str(url or ""))
    return ((parts.hostname, parts.port or usual),) if parts.hostname else ()


def _files(world: World, each: Resource) -> tuple[Host, ...]:
    return (*_of_url(look(each.outputs, "primaryEndpoints.file")), (storage.host(world, each), 445))


#: Kinds that listen: the name of their service endpoint, and where they listen.
LISTENING: Final[dict[str, tuple[str, Callable[[World, Resource], tuple[Host, ...]]]]] = {
    storage.ACCOUNTS: ("Microsoft.Storage", _files),
    cosmos.ACCOUNTS: ("Microsoft.AzureCosmosDB", lambda world, each: (cosmos.contact(world, each),)),
    cognitive.ACCOUNTS: ("Microsoft.CognitiveServices", lambda world, each: _of_url(each.outputs.get("endpoint"))),
    vaults.VAULTS: ("Microsoft.KeyVault", lambda world, each: _of_url(each.outputs.get("vaultUri"))),
    registry.REGISTRIES: (
        "Microsoft.ContainerRegistry",
        lambda world, each: ((str(each.outputs.get("loginServer")), 443),),
    ),
    postgres.SERVERS: ("", lambda world, each: (postgres.contact(world, each),)),
}


def context(world: World, group: Resource, fqdn: str) -> Context:
    """All that a runtime is told."""
    subnets = {each.id.lower(): _subnet(each) for each in world.resources.of_type(SUBNETS)}
    services = tuple(
        _service(world, each, endpoint, hosts(world, each))
        for kind, (endpoint, hosts) in LISTENING.items()
        for each in world.resources.of_type(kind)
    )
    neighbours = tuple(_neighbour(each) for each in world.resources.of_type(GROUPS) if each.id != group.id)
    own = subnet_of(group)
    return Context(
        network=Network(
            subnet=subnets[own] if own else None,
            subnets=tuple(subnets.values()),
            services=services,
            neighbours=neighbours,
        ),
        images=frozenset(world.images),
        registries=frozenset(
            str(each.outputs.get("loginServer")) for each in world.resources.of_type(registry.REGISTRIES)
        ),
        fqdn=fqdn,
        government=world.government,
    )


def _subnet(each: Resource) -> Subnet:
    endpoints = frozenset(str(point["service"]) for point in each.properties.get("serviceEndpoints") or ())
    return Subnet(
        id=each.id.lower(),
        network_id=parent_of(each.id).lower(),
        service_endpoints=endpoints,
        nat=look(each.properties, "natGateway.id") is not None,
    )


def _neighbour(each: Resource) -> Neighbour:
    subnet = subnet_of(each)
    return Neighbour(
        id=each.id.lower(),
        ip=each.hidden.get("ip", ""),
        fqdn=each.hidden.get("fqdn", ""),
        ports=tuple(port["port"] for port in look(each.body, "properties.ipAddress.ports") or ()),
        subnet_id=subnet,
        network_id=parent_of(subnet) if subnet else None,
    )


def _service(world: World, each: Resource, endpoint: str, hosts: tuple[Host, ...]) -> Service:
    properties = each.properties
    rules = (
        *(look(properties, "networkAcls.virtualNetworkRules") or ()),
        *(properties.get("virtualNetworkRules") or ()),
    )
    return Service(
        id=each.id.lower(),
        type=each.type,
        hosts=hosts,
        service_endpoint=endpoint,
        public=_public(world, each),
        allowed_subnets=frozenset(str(rule["id"]).lower() for rule in rules if rule.get("id")),
        private_networks=networks_of(world, each),
    )


def _public(world: World, each: Resource) -> bool:
    properties = each.properties
    access = properties.get("publicNetworkAccess") or look(properties, "network.publicNetworkAccess") or "Enabled"
    if access != "Enabled" or look(properties, "networkAcls.defaultAction") == "Deny":
        return False
    if properties.get("isVirtualNetworkFilterEnabled"):
        return any(rule.get("ipAddressOrRange") == "0.0.0.0" for rule in properties.get("ipRules") or ())
    if each.type == postgres.SERVERS:
        rules = world.resources.of_type(postgres.FirewallRule.type, each.id)
        return any(rule.properties.get("startIpAddress") == "0.0.0.0" for rule in rules)
    return True
