"""The champion against held-out truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandParser
from rich.table import Table

from personas.management.product_command import ProductCommand


class Command(ProductCommand):
    help = (
        "Score the champion (or another version) on ground truth from sidecars with `labeled: false`: recall by "
        "category, strangers named, calibration."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--model-version", type=int, help="a version other than the champion")

    def run(self, *, progress: bool, **options: Any) -> Mapping[str, Any]:
        from training.services import evaluate_against_truth

        return evaluate_against_truth(version=options["model_version"])

    def show(self, result: Mapping[str, Any]) -> None:
        table = Table(title=f"Version {result['version']} on {result['n']} held-out faces")
        for column in ("category", "faces", "right", "wrong name", "share"):
            table.add_column(column, justify="left" if column == "category" else "right")
        for name, row in result["categories"].items():
            table.add_row(name, str(row["n"]), str(row["found"]), str(row["wrong"]), f"{row['recall']:.1%} found")
        for name, row in result["strangers"]["by_category"].items():
            table.add_row(f"{name} (strangers)", str(row["n"]), "", str(row["named"]), f"{row['share']:.1%} named")
        self.print_rich(table)
        self.stdout.write(f"Calibration error {result['calibration_error']:.3f}, Brier score {result['brier']:.3f}.")
