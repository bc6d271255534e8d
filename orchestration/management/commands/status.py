"""How a deployment on Azure is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandParser

from orchestration.management.azure_command import AzureCommand


class Command(AzureCommand):
    help = (
        "Show each resource and container of the deployment on Azure, and whether the web answers. "
        "Exit code 3: something is not well."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--logs", type=int, default=0, metavar="LINES", help="show the end of each container's log")

    def run(self, *, progress: bool, **options: Any) -> Mapping[str, Any]:
        from orchestration import provisioning

        return provisioning.status(options["config"], report=self.progress(options), log_lines=options["logs"])

    def show(self, result: Mapping[str, Any]) -> None:
        from rich.table import Table

        table = Table("", "resource", "state", "detail")
        for row in result["rows"]:
            table.add_row("✓" if row["healthy"] else "✗", row["title"], row["state"], row["detail"])
        self.print_rich(table)
        for row in result["rows"]:
            if row["log"]:
                self.stdout.write(f"\n{row['title']}\n{row['log']}")
        if result["url"]:
            self.stdout.write(f"The web is at {result['url']}")
