"""List versions, newest first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandParser
from rich.box import SIMPLE_HEAD
from rich.table import Table

from personas.management.product_command import ProductCommand


class Command(ProductCommand):
    help = "List model versions, newest first, and say which one is champion."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--limit", type=int, default=20, help="versions to show (default: 20)")

    def run(self, *, progress: bool, **options: Any) -> Mapping[str, Any]:
        from training.selectors import list_versions

        return list_versions(limit=options["limit"])

    def show(self, result: Mapping[str, Any]) -> None:
        if not result["versions"]:
            self.stdout.write("There is no version yet; `manage.py train` makes the first.")
            return
        table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False)  # 80 columns hold it
        for column in ("version", "status", "labels", "personas", "named", "F1", "strangers", "made"):
            table.add_column(column, no_wrap=True)
        for version in result["versions"]:
            metrics = version["metrics"]
            table.add_row(
                f"{version['version']}{' *' if version['champion'] else ''}",
                version["status"],
                str(version["n_labels"]),
                str(version["n_personas"]),
                str(version["n_scored"]),
                _share(metrics.get("macro_f1")),
                _share(metrics.get("strangers_named")),
                version["created_at"][5:16].replace("T", " "),
            )
        self.print_rich(table)
        self.stdout.write("* champion")
        for version in result["versions"]:
            if version["deployment"]:
                self.stdout.write(f"{version['version']}: {version['deployment']}")


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
