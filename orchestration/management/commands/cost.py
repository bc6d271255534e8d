"""What a deployment on Azure costs a month."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from orchestration.management.azure_command import AzureCommand

#: Options for what no description says, and what each counts a month.
USAGE = {
    "face_transactions": "pictures that Azure Face looks at",
    "log_gb": "GB of logs that the workspace takes in",
    "cassandra_gb": "GB that Cosmos DB stores",
    "vault_operations": "operations of the Key Vault",
}


def _number(said: str) -> float:
    try:
        number = float(said)
    except ValueError:
        number = -1.0
    if not (math.isfinite(number) and number >= 0):
        raise ArgumentTypeError(f"{said} is no number of zero or more")
    return number


class Command(AzureCommand):
    help = (
        "Multiply what the deployment on Azure uses a month by unit prices that have a date. What has no price is "
        "said, never guessed. Exit code 3: the sums lack something."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        source = parser.add_mutually_exclusive_group()
        source.add_argument(
            "--prices",
            type=Path,
            metavar="FILE",
            help="prices as the Retail Prices API gives them, in place of asking it",
        )
        source.add_argument("--refresh", action="store_true", help="ask for prices although it was done today")
        for name, counted in USAGE.items():
            option = f"--{name.replace('_', '-')}"
            parser.add_argument(
                option, type=_number, metavar="NUMBER", help=f"{counted}, a month; without: not counted"
            )

    def run(self, *, progress: bool, **options: Any) -> Mapping[str, Any]:
        from orchestration import provisioning

        return provisioning.cost(
            options["config"],
            usage={name: options[name] for name in USAGE},
            prices=options["prices"],
            refresh=options["refresh"],
        )

    def show(self, result: Mapping[str, Any]) -> None:
        from rich import box
        from rich.table import Table

        table = Table(box=box.SIMPLE, show_footer=True)
        lacking = bool(result["lacking"])
        table.add_column("", footer="sum of what has a price" if lacking else "sum")
        table.add_column("a month", justify="right", no_wrap=True)
        table.add_column("unit price", justify="right", no_wrap=True)
        total = _span(result["least"], result["most"], digits=2)
        table.add_column(f"{result['currency']} a month", justify="right", no_wrap=True, footer=total)
        for line in result["lines"]:
            meter = line["meter"].rsplit(" / ")[-1]
            quantity = f"{_span(line['least_quantity'], line['most_quantity'])} × {line['unit']}"
            amount = "no price" if line["trouble"] else _span(line["least"], line["most"], digits=2)
            table.add_row(f"{line['resource']}: {line['what']}\n({meter})", quantity, _unit_price(line), amount)
        self.print_rich(table)
        self.stdout.write(f"Prices of {result['prices_of']}, {result['prices_from']}.")
        if lacking:
            self.stdout.write("THE SUM LACKS what has no price:")
            for line in result["lines"]:
                if line["trouble"]:
                    self.stdout.write(f"- {line['resource']}, {line['what']}: {line['trouble']} for {line['meter']}")
        self.stdout.write("Not counted:")
        for what in result["not_counted"]:
            self.stdout.write(f"- {what}")


def _span(least: float, most: float, *, digits: int = 1) -> str:
    """One number, or from the least to the most: one below the other, for a screen of eighty columns."""
    low, high = f"{least:,.{digits}f}", f"{most:,.{digits}f}"
    return high if low == high else f"{low} –\n{high}"


def _unit_price(line: Mapping[str, Any]) -> str:
    """By tier, where there are several."""
    prices = line["unit_prices"]
    return "\n".join(f"{each['price']:g}" + (f" from {each['from']:g}" if each["from"] else "") for each in prices)
