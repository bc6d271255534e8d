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
        from rich.table import Table

        currency = result["currency"]
        table = Table("resource", "what", "meter", "a month", "unit price", f"{currency} a month", show_footer=True)
        for column in table.columns[3:]:
            column.justify, column.no_wrap = "right", True
        for line in result["lines"]:
            quantity = f"{_span(line['least_quantity'], line['most_quantity'])} × {line['unit']}"
            row = (line["resource"], line["what"], line["meter"].rsplit(" / ")[-1], quantity)
            table.add_row(*row, _unit_price(line), line["trouble"] or _span(line["least"], line["most"], digits=2))
        table.columns[0].footer = "sum" if not result["lacking"] else "sum of what has a price"
        table.columns[5].footer = _span(result["least"], result["most"], digits=2)
        self.print_rich(table)
        self.stdout.write(f"Prices of {result['prices_of']}, {result['prices_from']}.")
        if result["lacking"]:
            self.stdout.write("THE SUM LACKS what has no price:")
            for line in result["lines"]:
                if line["trouble"]:
                    self.stdout.write(f"- {line['resource']}, {line['what']}: {line['trouble']} for {line['meter']}")
        self.stdout.write("Not counted:")
        for what in result["not_counted"]:
            self.stdout.write(f"- {what}")


def _span(least: float, most: float, *, digits: int = 1) -> str:
    """One number, or from the least to the most."""
    low, high = f"{least:,.{digits}f}", f"{most:,.{digits}f}"
    return high if low == high else f"{low} – {high}"


def _unit_price(line: Mapping[str, Any]) -> str:
    """By tier, where there are several."""
    prices = line["unit_prices"]
    return "\n".join(f"{each['price']:g}" + (f" from {each['from']:g}" if each["from"] else "") for each in prices)
