"""What every command of the product shares: `--json`, named errors as one line, exit codes that mean something."""

from __future__ import annotations

import json
import sys
from abc import abstractmethod
from collections.abc import Mapping
from typing import IO, Any, cast

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from personas.errors import FaceProjectError
from personas.management.schema import bring_up_to_date


class ProductCommand(BaseCommand):
    """Parses, makes one service call in `run`, shows its result.

    Exit codes: 0 done, 1 an error (named on stderr, what to do next in its message), 2 wrong usage, 3 done but
    something was refused or rejected (`run` returns a mapping with "exit_code").
    """

    #: Embedded, from the command line: bring the schema to this version's first. Not for what does so itself.
    needs_schema = True
    _from_command_line = False

    def run_from_argv(self, argv: list[str]) -> None:
        self._from_command_line = True
        super().run_from_argv(argv)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the result as one JSON document")

    @abstractmethod
    def run(self, *, progress: bool, **options: Any) -> Mapping[str, Any]:
        """Do the work; `progress` says whether a progress bar is wanted. The mapping returned must be JSON-able."""

    def show(self, result: Mapping[str, Any]) -> None:
        """Print the result for a reader; commands override this."""
        for name, value in result.items():
            self.stdout.write(f"{name}: {value}")

    def print_rich(self, *renderables: Any) -> None:
        """Print rich tables and the like where the command's output goes."""
        from rich.console import Console

        console = Console(file=cast("IO[str]", self.stdout._out))
        for renderable in renderables:
            console.print(renderable)

    def handle(self, *args: Any, **options: Any) -> None:
        as_json = options.get("json", False)
        try:
            if self._from_command_line and self.needs_schema and settings.EMBEDDED:
                bring_up_to_date()
            result = dict(self.run(progress=not as_json and sys.stderr.isatty(), **options))
        except FaceProjectError as error:
            if as_json:
                self.stdout.write(json.dumps({"error": str(error), "kind": type(error).__name__}))
            raise CommandError(str(error)) from error
        except DatabaseError as error:  # what no store has translated
            if as_json:
                self.stdout.write(json.dumps({"error": str(error), "kind": type(error).__name__}))
            raise CommandError(f"The database refused: {error}.") from error
        exit_code = int(result.pop("exit_code", 0))
        if as_json:
            self.stdout.write(json.dumps(result))
        else:
            self.show(result)
        if exit_code:
            sys.exit(exit_code)
