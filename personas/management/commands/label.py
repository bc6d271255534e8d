"""`manage.py label`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from personas.management.product_command import ProductCommand
from personas.services.label_file import UnableToReadLabelsError, label_from_file
from personas.store import get_store

#: Exit code when some lines were refused; the others were applied.
SOME_REFUSED = 3


class Command(ProductCommand):
    help = (
        "Label faces from a CSV file with the columns image,persona,belongs[,face]. image: a path below its source, a "
        "unique base name or an image id; persona: an id or a unique name, or Stranger for nobody we know; "
        "belongs: true or false; face: its number, empty for the face nearest the centre. Lines that could mean "
        "several things are refused with their candidates and the others applied; exit code 3 says that this happened."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", type=Path, help="the CSV file, UTF-8")
        parser.add_argument("--create-personas", action="store_true", help="add personas whose names are new")
        parser.add_argument("--actor", default="command", help="who says so, for the log (%(default)s)")

    def run(self, *, progress: bool, **options: Any) -> Mapping[str, Any]:
        file: Path = options["file"]
        try:
            content = file.read_bytes()
        except OSError as error:
            raise UnableToReadLabelsError(f"{file} cannot be read: {error.strerror}.") from error
        result = label_from_file(
            store=get_store(),
            content=content,
            actor=options["actor"],
            at=timezone.now(),
            create_personas=options["create_personas"],
        )
        return {**asdict(result), "exit_code": SOME_REFUSED if result.refused else 0}

    def show(self, result: Mapping[str, Any]) -> None:
        for refused in result["refused"]:
            self.stderr.write(f"line {refused['line']}: {refused['reason']}")
            for candidate in refused["candidates"]:
                self.stderr.write(f"    {candidate}")
        for name in result["personas_added"]:
            self.stdout.write(f"Added {name}.")
        lines = "line" if result["n_lines"] == 1 else "lines"
        self.stdout.write(
            f"{result['n_lines']} {lines}: {result['n_changed']} labelled, {result['n_unchanged']} known before, "
            f"{len(result['refused'])} refused."
        )
