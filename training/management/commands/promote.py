"""Make a version champion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from personas.entities import VersionStatus
from personas.management.product_command import ProductCommand


class Command(ProductCommand):
    help = "Make a version champion, whatever the gate said of it; its predictions appear in one switch."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("version", type=int, help="number of the version (see `manage.py models`)")

    def run(self, *, progress: bool, **options: Any) -> Mapping[str, Any]:
        from personas.store import get_store
        from training.report import with_names
        from training.services import promote

        store = get_store()
        version = store.model_version(options["version"])  # as the gate left it
        refused = version is not None and version.status is VersionStatus.REFUSED
        champion = promote(store=store, version=options["version"], actor="command", at=timezone.now())
        reasons = [with_names(store, reason) for reason in version.reasons] if version and refused else []
        return {"champion": champion.version, "revision": champion.revision, "reasons": reasons}

    def show(self, result: Mapping[str, Any]) -> None:
        self.stdout.write(f"Version {result['champion']} is champion.")
        if result["reasons"]:
            self.stderr.write(
                self.style.WARNING(f"Warning: the gate had refused it. {' '.join(result['reasons'])}"),
                lambda line: line,
            )
