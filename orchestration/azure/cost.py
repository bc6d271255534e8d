"""What a deployment on Azure costs a month: its meters × unit prices that have a date.

Never a made-up number: what has no price in the list, or several that differ, has no amount, and the total says that it
lacks it. Names of meters are from memory (orchestration/azure/meters.py): one that does not match shows so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from orchestration.azure.clients import Azure
from orchestration.azure.graph import Options, graph
from orchestration.azure.meters import Line, Meter, Usage, lines, not_counted
from orchestration.azure.nodes import Node
from orchestration.azure.prices import PriceList, PricesError
from orchestration.deployment.description import Description

NOT_FOUND: Final = "no price found"


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A unit's price from so many units a month on."""

    start: float
    price: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """A line with its price. least, most: units a month, as `unit` counts. trouble: why there is no amount; else ""."""

    resource: str
    what: str
    meter: str
    unit: str
    least: float
    most: float
    bands: tuple[Band, ...] = ()
    trouble: str = ""

    @property
    def least_amount(self) -> float:
        """A month, at the least."""
        return _amount(self.bands, self.least)

    @property
    def most_amount(self) -> float:
        """A month, at the most."""
        return _amount(self.bands, self.most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """All lines, with the date and place of their prices."""

    lines: tuple[Priced, ...]
    prices: PriceList
    not_counted: tuple[str, ...]

    @property
    def lacking(self) -> tuple[Priced, ...]:
        """Those that the sums lack."""
        return tuple(line for line in self.lines if line.trouble)

    @property
    def least(self) -> float:
        """A month, at the least, of what has a price."""
        return sum(line.least_amount for line in self.lines)

    @property
    def most(self) -> float:
        """A month, at the most, of what has a price."""
        return sum(line.most_amount for line in self.lines)


def nodes_of(said: Description, environment: Mapping[str, str]) -> tuple[Node, ...]:
    """The graph of a description, made for nobody: prices are public, so nobody has to sign in."""
    unsigned = {**environment, "AZURE_STATIC_TOKEN": "nobody"}
    return graph(said, Azure(cloud=said.cloud, subscription=said.subscription, environment=unsigned), Options())


def filters(said: Description, nodes: tuple[Node, ...], usage: Usage) -> frozenset[str]:
    """What the Retail Prices API is to be asked for."""
    return frozenset(
        each for line in lines(said, nodes, usage) for meter, _ in line.meters for each in meter.filters(said.location)
    )


def estimate(said: Description, nodes: tuple[Node, ...], usage: Usage, prices: PriceList) -> Estimate:
    """Price each line. Raises PricesError when the list is of another location."""
    if not any(item.get("armRegionName") == said.location for item in prices.items):
        raise PricesError(
            f"{prices.place} has no prices of {said.location}. If it is a file, use one of that location; if it is the "
            "API's answer, it lists nothing for that region, and https://azure.microsoft.com/pricing has to do."
        )
    return Estimate(
        lines=tuple(_priced(said, line, prices) for line in lines(said, nodes, usage)),
        prices=prices,
        not_counted=not_counted(said, usage),
    )


def _priced(said: Description, line: Line, prices: PriceList) -> Priced:
    """By the first of its meters that has one price."""
    troubles = []
    for meter, factor in line.meters:
        items = _items(said, meter, prices)
        bands, trouble = _bands(items)
        if not trouble:
            return Priced(
                resource=line.resource,
                what=line.what,
                meter=" / ".join(str(items[0].get(field, "")) for field in ("productName", "skuName", "meterName")),
                unit=str(items[0].get("unitOfMeasure", "")),
                least=line.least * factor,
                most=line.most * factor,
                bands=bands,
            )
        troubles.append((meter, trouble))
    # A price that is there and cannot be told from others says more than one that is missing.
    meter, trouble = max(troubles, key=lambda each: each[1] != NOT_FOUND)
    return Priced(
        resource=line.resource,
        what=line.what,
        meter=str(meter),
        unit=meter.units[0] if meter.units else "",
        least=line.least,
        most=line.most,
        trouble=trouble,
    )


def _items(said: Description, meter: Meter, prices: PriceList) -> list[Mapping[str, Any]]:
    """Of the nearest place that has some."""
    meant = [item for item in prices.items if meter.means(item)]
    for place in meter.places(said):
        here = [item for item in meant if str(item.get("armRegionName") or "").lower() == place]
        if here:
            return here
    return []


def _bands(items: list[Mapping[str, Any]]) -> tuple[tuple[Band, ...], str]:
    """Prices by tier, or what is wrong with them."""
    found: dict[float, set[float]] = {}
    for item in items:
        found.setdefault(float(item.get("tierMinimumUnits") or 0), set()).add(float(item["retailPrice"]))
    if not found:
        return (), NOT_FOUND
    if any(len(of_tier) > 1 for of_tier in found.values()):
        return (), "several prices found, which differ"
    if 0.0 not in found:
        return (), f"no price found below {min(found):g} units"
    return tuple(Band(start=start, price=min(found[start])) for start in sorted(found)), ""


def _amount(bands: tuple[Band, ...], units: float) -> float:
    """Each band's price for the units within it; 0 without bands."""
    ends = [*(band.start for band in bands[1:]), math.inf][: len(bands)]
    return sum(
        (min(units, end) - band.start) * band.price for band, end in zip(bands, ends, strict=True) if units > band.start
    )
