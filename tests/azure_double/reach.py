"""Whether a container group can reach what its environment names, by the rules of Azure's networks.

On one machine everything reaches everything. So the double looks before it starts anything: an address that the group
could not reach on Azure is refused, by the name of the variable. Azure itself would start the group, and let it wait.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from tests.azure_double.runtime_port import Neighbour, Network, Refused, Service

CODE: Final = "AddressUnreachable"
#: Names under which a group itself is asked, and what it listens on.
OWN_NAMES: Final = frozenset({"ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "PROBE_HOST"})
HERE: Final = frozenset({"localhost", "127.0.0.1", "0.0.0.0", "::1", "::"})
DEFAULT_PORTS: Final = {"http": 80, "https": 443, "redis": 6379, "rediss": 6379, "postgres": 5432, "postgresql": 5432}
_URL: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^\s,\"'<>]+", re.IGNORECASE)
#: Variables that hold hosts without a scheme, `host[:port]`, separated by commas.
_HOSTS: Final = re.compile(r"_(CONTACT_POINTS|HOSTS?|ENDPOINT|SERVER)$")
_HOST: Final = re.compile(r"^\[?([\w.:-]+?)\]?(?::(\d+))?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """What a variable names. port is None where only the host is said."""

    variable: str
    host: str
    port: int | None

    def __str__(self) -> str:
        """Never the value it was found in, which may hold a password."""
        return f"{self.host}:{self.port}" if self.port else self.host


def destinations(environment: Mapping[str, str]) -> Iterator[Destination]:
    """Every address in an environment, inside secret values too."""
    for variable, value in environment.items():
        if variable in OWN_NAMES:
            continue
        urls = _URL.findall(value)
        for url in urls:
            parts = urlsplit(url)
            if parts.hostname:
                port = parts.port or DEFAULT_PORTS.get(parts.scheme.lower())
                yield Destination(variable=variable, host=parts.hostname, port=port)
        if not urls and _HOSTS.search(variable):
            beside = environment.get(f"{variable.rpartition('_CONTACT')[0] or variable.rpartition('_')[0]}_PORT", "")
            for item in filter(None, (part.strip() for part in value.split(","))):
                if match := _HOST.match(item):
                    port_said = match[2] or beside
                    yield Destination(
                        variable=variable, host=match[1].lower(), port=int(port_said) if port_said.isdigit() else None
                    )


def require_reach(network: Network, environment: Mapping[str, str]) -> None:
    """Raises Refused for the first address that the group does not reach."""
    for destination in destinations(environment):
        if reason := _obstacle(network, destination):
            raise Refused(CODE, f"{destination.variable} names {destination}, which the group cannot reach: {reason}")


def require_share(network: Network, account: str) -> None:
    """Mounting a share asks the storage account's file service. Raises Refused."""
    for service in network.services:
        if service.type.lower() == "microsoft.storage/storageaccounts" and _last(service.id) == account.lower():
            if reason := _obstacle_to_service(network, service):
                raise Refused(CODE, f"A volume names the share of {account}, which the group cannot reach: {reason}")
            return
    raise Refused(CODE, f"A volume names the storage account {account}, which is not there.")


def _obstacle(network: Network, destination: Destination) -> str:
    """Why it cannot be reached; "" where it can."""
    for neighbour in network.neighbours:
        if destination.host in {neighbour.ip, neighbour.fqdn.lower()} - {""}:
            return _obstacle_to_group(network, destination, neighbour)
    for service in network.services:
        for host, port in service.hosts:
            if host.lower() == destination.host and destination.port in {None, port}:
                return _obstacle_to_service(network, service)
    if destination.host in HERE:
        return "" if destination.port is None or not _is_shared(network, destination) else "nobody listens there."
    if network.subnet is not None and not network.subnet.nat:
        return f"the subnet {_last(network.subnet.id)} has no NAT gateway, and without one nothing of the internet."
    return ""


def _is_shared(network: Network, destination: Destination) -> bool:
    """A service of the double has this address of the machine, at another port: the port is wrong."""
    return any(host == destination.host for service in network.services for host, _ in service.hosts)


def _obstacle_to_group(network: Network, destination: Destination, neighbour: Neighbour) -> str:
    name = _last(neighbour.id)
    own = network.subnet.network_id.lower() if network.subnet else None
    theirs = neighbour.network_id.lower() if neighbour.network_id else None
    if theirs is not None and theirs != own:
        where = "outside" if own is None else f"in {_last(own)}"
        return f"{name} is inside the virtual network {_last(theirs)}, and the group is {where}."
    if theirs is None and network.subnet is not None and not network.subnet.nat:
        return f"{name} is public, and the subnet {_last(network.subnet.id)} has no NAT gateway."
    if destination.port is not None and destination.port not in neighbour.ports:
        return f"{name} does not listen at port {destination.port}."
    return ""


def _obstacle_to_service(network: Network, service: Service) -> str:
    name, subnet = _last(service.id), network.subnet
    if subnet is None:
        return "" if service.public else f"{name} lets in nobody from the internet."
    if subnet.network_id.lower() in {each.lower() for each in service.private_networks}:
        return ""
    if service.service_endpoint and service.service_endpoint in subnet.service_endpoints:
        if service.public or subnet.id.lower() in service.allowed_subnets:
            return ""
        return f"{name} does not let in the subnet {_last(subnet.id)}."
    if subnet.nat and service.public:
        return ""
    ways = [f"no service endpoint {service.service_endpoint}"] if service.service_endpoint else []
    ways += ["no NAT gateway"] if service.public else []
    return f"the subnet {_last(subnet.id)} has {', '.join([*ways, 'no private endpoint'])} for {name}."


def _last(resource_id: str) -> str:
    return resource_id.rstrip("/").rpartition("/")[2].lower()
