"""`manage.py copy_store`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError, CommandParser

from personas.management.product_command import ProductCommand
from personas.store import open_store
from personas.store.copying import copy_store

STORES = ("sql", "cassandra")


class Command(ProductCommand):
    help = (
        "Copy all state from one store to the other and compare the two by state_hash. Needs STORES=sql,cassandra, an "
        "empty target with its schema (`migrate`, `migrate_store`), and that nothing else runs. Interrupted, it goes "
        "on when started again. Users and sessions stay in DATABASE_URL, originals and artefacts in MEDIA_ROOT."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--from", dest="source", choices=STORES, required=True)
        parser.add_argument("--to", dest="target", choices=STORES, required=True)

    def run(self, *, progress: bool, **options: Any) -> Mapping[str, Any]:
        if options["source"] == options["target"]:
            raise CommandError("--from and --to name the same store.", returncode=2)

        def say(step: str, done: int, total: int) -> None:
            if progress:
                sys.stderr.write(f"\r{step}: {done} of {total}".ljust(60))

        copied = copy_store(open_store(options["source"]), open_store(options["target"]), say=say)
        return {"state_hash": copied.state_hash, "counts": dict(copied.counts)}

    def show(self, result: Mapping[str, Any]) -> None:
        for name, count in result["counts"].items():
            self.stdout.write(f"{name:<14}{count:>10}")
        self.stdout.write(f"Both stores hash to {result['state_hash']}")
