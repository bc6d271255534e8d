"""One process of the product, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandParser

from orchestration.roles import ROLES
from personas.management.product_command import ProductCommand


class Command(ProductCommand):
    help = (
        "Run this process as a role, until SIGTERM: "
        + "; ".join(f"{role.name} ({role.about})" for role in ROLES.values())
        + ". Roles wait for the schema that init brings. Exit codes of init: 0 prepared, 1 failed, 143 ended before it "
        "was done."
    )
    needs_schema = False  # `init` brings it

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name", choices=list(ROLES), metavar="NAME", help=", ".join(ROLES))
        parser.add_argument("--host", default="127.0.0.1", help="address that web and scorer listen on")
        parser.add_argument("--port", type=int, default=8000, help="port that web and scorer listen on")

    def run(self, *, progress: bool, **options: Any) -> Mapping[str, Any]:
        from orchestration.processes import run_role

        return {"exit_code": run_role(options["name"], host=options["host"], port=options["port"])}

    def show(self, result: Mapping[str, Any]) -> None:
        """The log has said it."""
