"""`manage.py check_store`."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Mapping
from statistics import median
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from personas.management.product_command import ProductCommand
from personas.store.base import StoreError


class Command(ProductCommand):
    help = (
        "Exercise every statement the Cassandra adapter has on a scratch keyspace, dropped afterwards, and print what "
        "each took (and cost, on Azure Cosmos DB). Exit code 3: a statement was never needed, so it is not proven."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--rounds", type=int, default=5, help="how often everything is done (default 5, 2 at least)"
        )
        parser.add_argument("--keyspace", help="the scratch keyspace; it must not exist")

    def run(self, *, progress: bool, **options: Any) -> Mapping[str, Any]:
        if "cassandra" not in settings.STORES:
            raise StoreError("check_store is for STATE_STORE=cassandra; the SQL store needs no such check.")
        from personas.store.cassandra.adapter import session_options
        from personas.store.cassandra.checking import MeasuringSession, exercise
        from personas.store.cassandra.schema import Schema

        keyspace = options["keyspace"] or f"check_{uuid.uuid4().hex[:12]}"
        session = MeasuringSession(**{**session_options(), "keyspace": keyspace})

        def say(step: str) -> None:
            if progress:
                sys.stderr.write(f"\r{step} ")

        schema = Schema(session)
        schema.create_keyspace()
        try:
            schema.migrate()
            unused = exercise(session, rounds=max(2, options["rounds"]), say=say)
        finally:
            schema.drop_keyspace()
        statements = {
            name: {
                "times": len(one.seconds),
                "median_ms": round(median(one.seconds) * 1000, 2),
                "worst_ms": round(max(one.seconds) * 1000, 2),
                "request_units": round(median(one.request_units), 2) if one.request_units else None,
            }
            for name, one in sorted(session.measured.items())
        }
        return {"statements": statements, "unused": unused, "exit_code": 3 if unused else 0}

    def show(self, result: Mapping[str, Any]) -> None:
        from rich.table import Table

        table = Table("statement", "times", "median ms", "worst ms", "RU")
        for name, one in result["statements"].items():
            units = "" if one["request_units"] is None else str(one["request_units"])
            table.add_row(name, str(one["times"]), str(one["median_ms"]), str(one["worst_ms"]), units)
        self.print_rich(table)
        for name in result["unused"]:
            self.stdout.write(f"not exercised: {name}")
        self.stdout.write(f"{len(result['statements'])} statements work.")
