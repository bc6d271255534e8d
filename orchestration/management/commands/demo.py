"""The main job, from an empty folder to a browser."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from rich.table import Table

from personas.errors import FaceProjectError
from personas.management.product_command import ProductCommand

#: Rejected files shown.
SHOWN = 10


class Command(ProductCommand):
    help = (
        "Ingest a folder, learn from its labels, show what was found, and serve it until Ctrl-C "
        "(--no-serve and --json end after the summary)."
    )
    needs_schema = False  # `prepare` does it

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--data", type=Path, default=settings.BASE_DIR / "sample_data", help="folder of pictures")
        parser.add_argument(
            "--reset", action="store_true", help="first remove what the product keeps in its state folder"
        )
        parser.add_argument("--no-serve", action="store_true", help="end after the summary")
        parser.add_argument("--workers", type=int, help="extraction processes (default: one a core)")
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *args: Any, **options: Any) -> None:
        """As any command, then serve: the address is tried first, and nobody else may work on the folder meanwhile."""
        if options["no_serve"] or options["json"]:
            super().handle(*args, **options)
            return
        from orchestration.serving import place_to_serve, serve

        place = {"host": options["host"], "port": options["port"]}
        try:
            with place_to_serve(**place):
                super().handle(*args, **options)
                exit_code = serve(**place, say=self.tell)
        except FaceProjectError as error:
            raise CommandError(str(error)) from error
        if exit_code:
            sys.exit(exit_code)

    def run(self, *, progress: bool, **options: Any) -> Mapping[str, Any]:
        from orchestration.demo import run_demo

        result = run_demo(
            source=options["data"],
            reset=options["reset"],
            workers=options["workers"],
            say=self.say,
            progress=progress,
        )
        return dataclasses.asdict(result)

    def say(self, line: str) -> None:
        self.stderr.write(line, self.style.NOTICE)

    def show(self, result: Mapping[str, Any]) -> None:
        ingest, images = result["ingest"], result["images"]
        table = Table(show_header=False, title="What is known now", title_justify="left")
        table.add_row("pictures of this source", f"{ingest['pictures']} ({ingest['new']} new, {ingest['known']} known)")
        table.add_row("faces", str(images["faces_total"]))
        table.add_row("pictures without a face", str(images.get("no_face", 0)))
        table.add_row("rejected", str(len(ingest["rejected"])))
        table.add_row("personas", str(result["n_personas"]))
        table.add_row("learning", result["training"]["sentence"])
        table.add_row("time", f"{result['seconds']} s ({ingest['pictures_per_second']:.0f} pictures/s in ingest)")
        self.print_rich(table)
        for each in ingest["rejected"][:SHOWN]:
            self.stdout.write(f"rejected {each['path']}: {each['message']}")
        if len(ingest["rejected"]) > SHOWN:
            self.stdout.write(f"… and {len(ingest['rejected']) - SHOWN} more; `manage.py ingest --json` lists all")
        evaluation = result["evaluation"]
        if evaluation:
            held_out = Table(title="On held-out truth, never trained on", title_justify="left")
            for column in ("category", "faces", "named right", "named wrong"):
                held_out.add_column(column, justify="left" if column == "category" else "right")
            for name, row in evaluation["categories"].items():
                share = f"{row['found']} ({row['recall']:.1%})"
                held_out.add_row(name, str(row["n"]), share, str(row["wrong"]))
            for name, row in evaluation["strangers"]["by_category"].items():
                held_out.add_row(f"{name}: nobody known", str(row["n"]), "", f"{row['named']} ({row['share']:.1%})")
            self.print_rich(held_out)

    def tell(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
