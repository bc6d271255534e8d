"""Everything on one machine, in one command."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandParser

from personas.management.product_command import ProductCommand


class Command(ProductCommand):
    help = "Run web, workers and dispatcher on this machine; Ctrl-C ends all."
    needs_schema = False  # `prepare` does it

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (embedded: loopback only)")
        parser.add_argument("--port", type=int, default=8000, help="port to listen on (default: 8000)")

    def run(self, *, progress: bool, **options: Any) -> Mapping[str, Any]:
        from orchestration.serving import serve

        return {"exit_code": serve(host=options["host"], port=options["port"], say=self.say)}

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()

    def show(self, result: Mapping[str, Any]) -> None:
        self.stdout.write("All processes have ended.")
