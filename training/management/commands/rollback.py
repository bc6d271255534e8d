"""Go back to the version before the champion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from personas.management.product_command import ProductCommand


class Command(ProductCommand):
    help = "Make the newest earlier version that passed the gate champion again."

    def run(self, *, progress: bool, **options: Any) -> Mapping[str, Any]:
        from personas.store import get_store
        from training.services import rollback

        champion = rollback(store=get_store(), actor="command", at=timezone.now())
        return {"champion": champion.version, "revision": champion.revision}

    def show(self, result: Mapping[str, Any]) -> None:
        self.stdout.write(f"Version {result['champion']} is champion again.")
