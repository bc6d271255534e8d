"""The port behind the double's container groups: what starts them, and what it is told of the network around them.

Without a runtime the double says that containers run as soon as they are created. Calls come from the double's request
threads, under its lock: none may wait for a container, or ask the double anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol


class Refused(Exception):  # noqa: N818 - the word for it; the operation ends as Failed with this code
    """The group cannot run."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(frozen=True, slots=True, kw_only=True)
class Subnet:
    """service_endpoints: "Microsoft.Storage", …; nat: it has a NAT gateway with a public address."""

    id: str
    network_id: str
    service_endpoints: frozenset[str] = frozenset()
    nat: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A resource that listens. `hosts`: (name, port) as the double gives them to clients.

    service_endpoint: the name under which a subnet reaches it, "" where there is none. private_networks: ids of the
    virtual networks that have a private endpoint of it and resolve its name. public: it lets in whoever comes from
    the internet; allowed_subnets: ids (lower case) of the subnets that its own rules let in besides.
    """

    id: str
    type: str
    hosts: tuple[tuple[str, int], ...]
    service_endpoint: str = ""
    public: bool = True
    allowed_subnets: frozenset[str] = frozenset()
    private_networks: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """Another container group. subnet_id is None outside virtual networks; `ip` may be "" before it runs."""

    id: str
    ip: str
    fqdn: str
    ports: tuple[int, ...]
    subnet_id: str | None
    network_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What is around a group. `subnet` is its own, None for a public one; ids are in lower case."""

    subnet: Subnet | None
    subnets: tuple[Subnet, ...]
    services: tuple[Service, ...]
    neighbours: tuple[Neighbour, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """images: references that the registries hold; registries: their login servers; fqdn: "" where none was asked."""

    network: Network
    images: frozenset[str]
    registries: frozenset[str]
    fqdn: str = ""
    government: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerState:
    """One container, for the instance view. state: "Waiting", "Running" or "Terminated"."""

    name: str
    state: str
    detail: str = ""
    exit_code: int | None = None
    restarts: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    events: tuple[Mapping[str, Any], ...] = field(default=())  #: as Azure has them: name, message, type, count, …


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """ip: "" until it has one. fqdn: what clients shall be told in place of the real name, "" for the real one."""

    ip: str
    fqdn: str = ""


class Runtime(Protocol):
    """Runs container groups. group_id is the resource id in lower case."""

    def start(self, group: Mapping[str, Any], context: Context) -> None:
        """Start a group that is new, or start it again as it is now. `group` is the body with `id` and with all
        secrets. Raises Refused."""

    def states(self, group_id: str) -> tuple[ContainerState, ...]:
        """Of each container, init containers left out."""

    def logs(self, group_id: str, container: str, tail: int | None) -> str:
        """What it wrote, the last `tail` lines of it."""

    def stop(self, group_id: str) -> None:
        """End all its containers; one that is not there is fine. Its logs stay until it is started again."""

    def address(self, group_id: str) -> Address | None:
        """Where it listens; None: the double makes an address up."""
