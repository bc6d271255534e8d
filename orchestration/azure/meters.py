"""What of a deployment is paid for: the meter of each node, and how much of it a month needs.

**Names of meters are from memory**, and from what others wrote about the Retail Prices API: this code has not seen the
API answer. Azure renames meters now and then. A name that does not match shows as "no price found" with the meter that
was looked for; it is mended here. No price is written here, and none is guessed.
https://learn.microsoft.com/rest/api/cost-management/retail-prices/azure-retail-prices
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from orchestration.azure.container_group import ContainerGroup
from orchestration.azure.nodes import Node
from orchestration.deployment.description import Description

#: Of a month, as Azure's own calculator counts.
HOURS: Final = 730.0
DAYS: Final = HOURS / 24
#: Nodes that cost nothing by themselves, by the part of their key before a colon.
FREE: Final = frozenset(
    {
        *("group", "keyspace", "secrets", "storage", "database", "database-access", "network", "zone-link"),
        *("endpoint-zone", "image", "identity", "pull", "training", "ml-share", "ml-work"),
    }
)
#: Words in the names of what looks like a machine of ours and is another offer.
OTHER_OFFERS: Final = ("windows", "spot", "low priority", "cloudservices", "cloud services")
_POSTGRESQL: Final = "Azure Database for PostgreSQL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What only whoever runs it can know, a month; None: not counted."""

    face_transactions: float | None = None
    log_gb: float | None = None  #: taken in by the workspace
    cassandra_gb: float | None = None  #: stored
    vault_operations: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """Which items of the price list are meant: each field any of its names, whatever their case; empty: any at all.

    everywhere: one price for all regions of a cloud. narrow: more of the filter, where a service has thousands of
    items.
    """

    services: tuple[str, ...]
    products: tuple[str, ...] = ()
    skus: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    machine: str = ""
    everywhere: bool = False
    narrow: str = ""

    def __str__(self) -> str:
        """Service, product, SKU and meter, for whoever looks for it in the price list."""
        parts = (self.services, self.products, (self.machine,) if self.machine else self.skus, self.names)
        return " / ".join(" or ".join(names) for names in parts if names)

    def filters(self, location: str) -> Iterator[str]:
        """As $filter says it, one a service."""
        place = "" if self.everywhere else f" and armRegionName eq '{location}'"
        narrow = f" and {self.narrow}" if self.narrow else ""
        for service in self.services:
            yield f"serviceName eq '{service}'{place} and priceType eq 'Consumption'{narrow}"

    def places(self, said: Description) -> tuple[str, ...]:
        """Values of armRegionName that hold for a deployment. The commercial cloud's prices are not Government's."""
        if not self.everywhere:
            return (said.location,)
        return (said.location, "us gov") if said.cloud == "government" else (said.location, "global", "")

    def means(self, item: Mapping[str, Any]) -> bool:
        """Whether an item of the price list is of this meter, wherever it is sold."""
        if item.get("type") != "Consumption":
            return False
        if self.machine and not self._is_machine(item):
            return False
        asked = (
            ("serviceName", self.services),
            ("productName", self.products),
            ("skuName", self.skus),
            ("meterName", self.names),
            ("unitOfMeasure", self.units),
        )
        return all(not names or plain(item.get(field)) in map(plain, names) for field, names in asked)

    def _is_machine(self, item: Mapping[str, Any]) -> bool:
        offer = " ".join(plain(item.get(field)) for field in ("productName", "skuName", "meterName"))
        return plain(item.get("armSkuName")) == plain(self.machine) and not any(each in offer for each in OTHER_OFFERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One meter of one resource. least, most: units a month; they differ where the load decides.

    meter: where Azure sells the same in two ways, the alternatives, each with how many of its units make one of ours.
    """

    resource: str
    what: str
    meters: tuple[tuple[Meter, float], ...]
    least: float
    most: float


def plain(name: object) -> str:
    """As names are compared: some have no-break spaces, and a hyphen that others have not."""
    return " ".join(str(name or "").replace("\u00a0", " ").replace(" - ", " ").lower().split())


def lines(said: Description, nodes: Iterable[Node], usage: Usage) -> tuple[Line, ...]:
    """What is paid for, in the order of the graph. Raises KeyError for a node that this module does not know."""
    return tuple(_lines(said, tuple(nodes), usage))


def _lines(said: Description, nodes: tuple[Node, ...], usage: Usage) -> Iterator[Line]:
    yield from _containers([node for node in nodes if isinstance(node, ContainerGroup)])
    for node in nodes:
        kind = node.key.partition(":")[0]
        if kind in FREE:
            continue
        yield from _KINDS[node.key if node.key in _KINDS else kind](said, node.title, usage)


def _line(resource: str, what: str, meter: Meter, most: float, *, least: float | None = None) -> Line:
    return Line(resource=resource, what=what, meters=((meter, 1.0),), least=most if least is None else least, most=most)


def _containers(groups: list[ContainerGroup]) -> Iterator[Line]:
    """All groups but those that end, together."""
    lasting = [group.workload for group in groups if group.workload.restart == "always"]
    sizes = [container.size for workload in lasting for container in workload.containers]
    resource = f"{len(lasting)} container groups"
    service = "Container Instances"
    common: dict[str, Any] = {"services": (service,), "products": (service,), "skus": ("Standard",)}
    cpu = Meter(**common, names=("Standard vCPU Duration",), units=("1 Hour",))
    memory = Meter(**common, names=("Standard Memory Duration",), units=("1 GB Hour", "1 GiB Hour"))
    yield _line(resource, "vCPU", cpu, sum(size.cpu for size in sizes) * HOURS)
    yield _line(resource, "memory", memory, sum(size.memory for size in sizes) * HOURS)


# ---- by kind of node -------------------------------------------------------------------------------------------------
def _throughput(said: Description, title: str, usage: Usage) -> Iterator[Line]:
    yield _request_units(title, said.sku.cassandra_throughput)


def _side_throughput(said: Description, title: str, usage: Usage) -> Iterator[Line]:
    yield _request_units(title, said.sku.cassandra_side_throughput)


def _request_units(title: str, most: int) -> Line:
    """Each hour is paid by the highest throughput in it, a tenth of what is allowed at least."""
    meter = Meter(
        services=("Azure Cosmos DB",),
        products=("Azure Cosmos DB autoscale",),
        skus=("AP1",),
        names=("AP1 100 RUs",),
        units=("1/Hour", "1 Hour"),
    )
    hundreds = most / 100 * HOURS
    return _line(title, "100 request units a second", meter, hundreds, least=hundreds / 10)


def _cassandra(said: Description, title: str, usage: Usage) -> Iterator[Line]:
    if usage.cassandra_gb is not None:
        service = "Azure Cosmos DB"
        meter = Meter(
            services=(service,), products=(service,), skus=("RUs",), names=("Data Stored",), units=("1 GB/Month",)
        )
        yield _line(title, "data stored", meter, usage.cassandra_gb)


def _postgresql(said: Description, title: str, usage: Usage) -> Iterator[Line]:
    yield Line(resource=title, what="compute", meters=tuple(_compute(said.sku.postgresql)), least=HOURS, most=HOURS)
    storage = Meter(
        services=(_POSTGRESQL,),
        products=("Az DB for PostgreSQL Flexible Server Storage",),
        skus=("Storage",),
        names=("Storage Data Stored",),
        units=("1 GB/Month", "1 GiB/Month"),
    )
    yield _line(title, "storage", storage, float(said.sku.postgresql_gib))


def _compute(sku: str) -> Iterator[tuple[Meter, float]]:
    """Burstable servers have a meter each; others are sold by vCore, or by all vCores of a size."""
    flexible, size = f"{_POSTGRESQL} Flexible Server", sku.removeprefix("Standard_")
    tier = "Memory Optimized" if size.startswith("E") else "General Purpose"
    common: dict[str, Any] = {"services": (_POSTGRESQL,), "units": ("1 Hour",)}
    split = re.fullmatch(r"([A-Z]+)(\d+)([a-z]*)_(v\d+)", size)
    if size.startswith("B"):
        products = (f"{flexible} Burstable BS Series Compute",)
        yield Meter(**common, products=products, skus=(size,), names=(size, f"{size} vCore")), 1.0
    elif split is None:
        yield Meter(**common, products=(f"{flexible} {tier} Series Compute",), skus=(size,)), 1.0
    else:
        letter, cores, traits, version = split.groups()
        products = (f"{flexible} {tier} {letter}{traits}{version} Series Compute",)
        by_core = ("vCore", "1 vCore")
        yield Meter(**common, products=products, skus=by_core, names=by_core), float(cores)
        yield Meter(**common, products=products, skus=(f"{cores} vCore",), names=("vCore", f"{cores} vCore")), 1.0


def _share(said: Description, title: str, usage: Usage) -> Iterator[Line]:
    """Standard shares are paid by what they hold, premium ones by what they could."""
    tier, _, copies = said.sku.storage.partition("_")
    premium = tier == "Premium"
    product = "Premium Files" if premium else "Files v2"
    meter = Meter(
        services=("Storage",),
        products=(product,),
        skus=(f"{tier} {copies}",),
        names=(f"{copies} Provisioned", f"{tier} {copies} Provisioned") if premium else (f"{copies} Data Stored",),
        units=("1 GB/Month", "1 GiB/Month"),
        narrow=f"productName eq '{product}'",
    )
    gib = float(said.sku.share_gib)
    yield _line(title, "storage", meter, gib, least=gib if premium else 0.0)


def _registry(said: Description, title: str, usage: Usage) -> Iterator[Line]:
    sku, service = said.sku.registry, "Container Registry"
    meter = Meter(
        services=(service,), products=(service,), skus=(sku,), names=(f"{sku} Registry Unit",), units=("1/Day",)
    )
    yield _line(title, "days", meter, DAYS)


def _nat(said: Description, title: str, usage: Usage) -> Iterator[Line]:
    service = "NAT Gateway"
    meter = Meter(
        services=(service,),
        products=(service,),
        skus=("Standard",),
        names=("Standard Gateway",),
        units=("1 Hour",),
        everywhere=True,
    )
    yield _line(title, "hours", meter, HOURS)


def _address(said: Description, title: str, usage: Usage) -> Iterator[Line]:
    product = "IP Addresses"
    meter = Meter(
        services=("Virtual Network",),
        products=(product,),
        skus=("Standard",),
        names=("Standard IPv4 Static Public IP",),
        units=("1 Hour",),
        narrow=f"productName eq '{product}'",
    )
    yield _line(title, "hours", meter, HOURS)


def _endpoint(said: Description, title: str, usage: Usage) -> Iterator[Line]:
    product = "Virtual Network Private Link"
    meter = Meter(
        services=("Virtual Network",),
        products=(product,),
        skus=("Standard",),
        names=("Standard Private Endpoint",),
        units=("1 Hour",),
        everywhere=True,
        narrow=f"productName eq '{product}'",
    )
    yield _line(title, "hours", meter, HOURS)


def _zone(said: Description, title: str, usage: Usage) -> Iterator[Line]:
    service = "Azure DNS"
    meter = Meter(
        services=(service,),
        products=(service,),
        skus=("Private",),
        names=("Private Zone",),
        units=("1/Month", "1"),
        everywhere=True,
    )
    yield _line(title, "months", meter, 1.0)


def _face(said: Description, title: str, usage: Usage) -> Iterator[Line]:
    if usage.face_transactions is not None and said.sku.face != "F0":
        meter = Meter(
            services=("Foundry Tools", "Cognitive Services"),
            products=("Face", "Face API", "Azure Face", "Azure AI Face", "Azure Vision Face"),
            skus=("S0", "Standard"),
            names=("S0 Transactions", "Standard Transactions", "Standard Face Transactions"),
            units=("1K",),
            narrow="contains(productName, 'Face')",
        )
        yield _line(title, "1,000 transactions", meter, usage.face_transactions / 1000)


def _logs(said: Description, title: str, usage: Usage) -> Iterator[Line]:
    if usage.log_gb is not None:
        meter = Meter(services=("Log Analytics",), names=("Analytics Logs Data Ingestion",), units=("1 GB",))
        yield _line(title, "taken in", meter, usage.log_gb)


def _vault(said: Description, title: str, usage: Usage) -> Iterator[Line]:
    if usage.vault_operations is not None:
        service = "Key Vault"
        meter = Meter(
            services=(service,), products=(service,), skus=("Standard",), names=("Operations",), units=("10K",)
        )
        yield _line(title, "10,000 operations", meter, usage.vault_operations / 10_000)


def _machines(said: Description, title: str, usage: Usage) -> Iterator[Line]:
    machine = said.machine_learning.instance
    meter = Meter(
        services=("Virtual Machines",),
        units=("1 Hour",),
        machine=machine,
        narrow="armSkuName eq '{}'".format(machine.replace("'", "''")),
    )
    yield _line(f"{title}'s endpoint", machine, meter, said.machine_learning.instances * HOURS)


_KINDS: Final = {
    "cassandra": _cassandra,
    "throughput": _throughput,
    "throughput:side": _side_throughput,
    "postgresql": _postgresql,
    "share": _share,
    "registry": _registry,
    "nat": _nat,
    "nat-address": _address,
    "endpoint": _endpoint,
    "zone": _zone,
    "face": _face,
    "logs": _logs,
    "vault": _vault,
    "ml": _machines,
}


def not_counted(said: Description, usage: Usage) -> tuple[str, ...]:
    """What costs something and is in no line, for people."""
    left = (
        ("Face transactions (--face-transactions)", usage.face_transactions, said.detector == "azure"),
        ("logs taken in (--log-gb)", usage.log_gb, True),
        ("data stored in Cosmos DB (--cassandra-gb)", usage.cassandra_gb, True),
        ("Key Vault operations (--vault-operations)", usage.vault_operations, True),
    )
    asked = tuple(what for what, said_number, present in left if present and said_number is None)
    kept = (f"logs kept for {said.sku.log_days} days, beyond what is included",) if said.sku.log_days > 31 else ()
    always = (
        "network traffic, requests to the share, backups beyond what is included",
        "what a deployment does itself (building the image, init while it runs)",
        "free grants, discounts and taxes",
    )
    return (*asked, *kept, *always)
