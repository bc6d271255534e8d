"""Write a version as a folder of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from personas.management.product_command import ProductCommand


class Command(ProductCommand):
    help = "Write a model version as a folder that a scorer serves without a store (SCORER_MODEL_DIR)."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Django gives every command a `--version` of its own; here it takes the number of a model version."""
        return super().create_parser(prog_name, subcommand, **{**kwargs, "conflict_handler": "resolve"})

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("folder", type=Path, metavar="FOLDER", help="a new folder, or an earlier export")
        parser.add_argument(
            *("--version", "--model-version"), type=int, metavar="N", help="which version (default: the champion)"
        )
        parser.add_argument("--no-names", action="store_true", help="leave the names of personas out, keep their ids")

    def run(self, *, progress: bool, **options: Any) -> Mapping[str, Any]:
        from training.services import export_model

        manifest = export_model(
            folder=options["folder"], version=options["version"], with_names=not options["no_names"]
        )
        return {"folder": str(options["folder"].resolve()), **manifest}

    def show(self, result: Mapping[str, Any]) -> None:
        self.stdout.write(
            f"Version {result['version']} ({len(result['personas'])} personas, {result['embedder']}) is in "
            f"{result['folder']}."
        )
