"""`manage.py migrate_store`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from personas.management.product_command import ProductCommand


class Command(ProductCommand):
    help = (
        "Bring the state repository's schema up to date (STATE_STORE=cassandra; the SQL store is migrated by "
        "`migrate`). Run it from one place, before the processes of a new version start; a second run waits for nobody "
        "and says that the first is at it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--plan", action="store_true", help="only say what would be applied")
        parser.add_argument("--no-keyspace", action="store_true", help="the keyspace exists; do not create it")
        parser.add_argument(
            "--replication",
            help="copies a new keyspace keeps: 3, or dc1:3,dc2:3, or a CQL map (default: CASSANDRA_REPLICATION)",
        )

    def run(self, *, progress: bool, **options: Any) -> Mapping[str, Any]:
        if "cassandra" not in settings.STORES:
            return {"applied": [], "pending": [], "message": "The SQL store is migrated by `manage.py migrate`."}
        from personas.store.cassandra.adapter import product_session
        from personas.store.cassandra.schema import Schema

        schema = Schema(product_session())
        if options["plan"]:
            pending = [f"{one.number:04d}_{one.name}" for one in schema.pending()]
            return {"applied": [], "pending": pending, "message": f"{len(pending)} to be applied."}
        if not options["no_keyspace"]:
            schema.create_keyspace(options["replication"] or settings.CASSANDRA_REPLICATION)
        applied = [f"{one.number:04d}_{one.name}" for one in schema.migrate()]
        said = f"Applied {', '.join(applied)}." if applied else "The store's schema is up to date."
        return {"applied": applied, "pending": [], "message": said}

    def show(self, result: Mapping[str, Any]) -> None:
        for name in result["pending"]:
            self.stdout.write(name)
        self.stdout.write(result["message"])
