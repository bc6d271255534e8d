"""`manage.py check_store`."""

from __future__ import annotations

import math
import sys
import uuid
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from personas.management.product_command import ProductCommand
from personas.store.base import StoreError


def _milliseconds(seconds: Sequence[float], share: float) -> float:
    """The time within which this share of them ended."""
    return round(sorted(seconds)[math.ceil(share * len(seconds)) - 1] * 1000, 2)


class Command(ProductCommand):
    help = (
        "Exercise every statement the Cassandra adapter has on a scratch keyspace, dropped afterwards, and print what "
        "each took (and cost, on Azure Cosmos DB). Exit code 3: a statement was never needed, so it is not proven."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--rounds", type=int, default=20, help="how often everything is done (default 20, 2 at least)"
        )
        parser.add_argument("--keyspace", help="the scratch keyspace; it must not exist")

    def run(self, *, progress: bool, **options: Any) -> Mapping[str, Any]:
        if "cassandra" not in settings.STORES:
            raise StoreError("check_store is for STATE_STORE=cassandra; the SQL store needs no such check.")
        from personas.store.cassandra.adapter import session_options
        from personas.store.cassandra.checking import MeasuringSession, exercise
        from personas.store.cassandra.schema import Schema

        keyspace = options["keyspace"] or f"check_{uuid.uuid4().hex[:12]}"
        session = MeasuringSession(**{**session_options(), "keyspace": keyspace, "side_keyspace": ""})

        def say(step: str) -> None:
            if progress:
                sys.stderr.write(f"\r{step} ")

        schema = Schema(session)
        schema.create_keyspace(settings.CASSANDRA_REPLICATION)
        try:
            schema.migrate()
            unused = exercise(session, rounds=max(2, options["rounds"]), say=say)
        finally:
            schema.drop_keyspace()
        statements = {
            name: {
                "times": len(one.seconds),
                "p50_ms": _milliseconds(one.seconds, 0.5),
                "p99_ms": _milliseconds(one.seconds, 0.99),
                "request_units": round(median(one.request_units), 2) if one.request_units else None,
            }
            for name, one in sorted(session.measured.items())
        }
        return {"statements": statements, "unused": unused, "exit_code": 3 if unused else 0}

    def show(self, result: Mapping[str, Any]) -> None:
        from rich.table import Table

        table = Table("statement", "times", "p50 ms", "p99 ms", "RU")
        for name, one in result["statements"].items():
            units = "" if one["request_units"] is None else str(one["request_units"])
            table.add_row(name, str(one["times"]), str(one["p50_ms"]), str(one["p99_ms"]), units)
        self.print_rich(table)
        for name in result["unused"]:
            self.stdout.write(f"not exercised: {name}")
        self.stdout.write(f"{len(result['statements'])} statements work.")
