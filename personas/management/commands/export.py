"""`manage.py export`."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from personas.errors import FaceProjectError
from personas.export import COLUMNS, ExportFormat, ExportKind, Line, export, write_lines
from personas.management.product_command import ProductCommand
from personas.store import get_store


class UnableToExportError(FaceProjectError):
    """The file cannot be written."""


class Command(ProductCommand):
    help = (
        "Write what is known as JSON lines or CSV. faces: every face, a line a path, with what a human and the "
        "champion say; predictions: those no human named; labels: every label and rejection; images: every picture. "
        "In CSV a text that begins with = + - @, a tab or a carriage return has an apostrophe in front, so that a "
        "spreadsheet shows it instead of running it; `label` takes it away again, and JSON lines have none."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("kind", choices=[kind.value for kind in ExportKind])
        parser.add_argument("--format", choices=[one.value for one in ExportFormat], default=ExportFormat.JSONL.value)
        parser.add_argument("--output", type=Path, help="write to this file instead of standard output")

    def run(self, *, progress: bool, **options: Any) -> Mapping[str, Any]:
        kind, file_format = ExportKind(options["kind"]), ExportFormat(options["format"])
        output: Path | None = options["output"]
        if output is None and options["json"]:
            raise CommandError("--json describes the file written; give --output too.", returncode=2)
        lines = export(get_store(), kind)
        if output is None:
            return {"lines": self._to_stdout(lines, kind, file_format), "output": None}
        part = output.with_name(f"{output.name}.{secrets.token_hex(4)}.part")
        try:
            with part.open("w", encoding="utf-8", newline="") as file:
                written = write_lines(lines, COLUMNS[kind], file, file_format)
            part.replace(output)
        except OSError as error:
            raise UnableToExportError(
                f"{output} cannot be written: {error.strerror}. Name another --output."
            ) from error
        finally:
            part.unlink(missing_ok=True)
        return {"lines": written, "output": str(output)}

    def _to_stdout(self, lines: Iterator[Line], kind: ExportKind, file_format: ExportFormat) -> int:
        try:
            return write_lines(lines, COLUMNS[kind], sys.stdout, file_format)
        except BrokenPipeError:  # `export faces | head`: whoever reads has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0

    def show(self, result: Mapping[str, Any]) -> None:
        if result["output"] is not None:  # else the lines themselves went to standard output
            self.stdout.write(
                f"{result['lines']} line{'' if result['lines'] == 1 else 's'} written to {result['output']}"
            )
