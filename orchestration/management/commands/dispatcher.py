"""The dispatcher role."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any

from personas.management.product_command import ProductCommand


class Command(ProductCommand):
    help = "Turn events and uploads into tasks, and find again what the broker lost, until SIGTERM."

    def run(self, *, progress: bool, **options: Any) -> Mapping[str, Any]:
        from ingest.uploads import pending_uploads
        from orchestration.dispatcher import Dispatcher, send_by_celery
        from personas.store import get_store

        stopping = False

        def stop(number: int, frame: object) -> None:
            nonlocal stopping
            stopping = True

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        dispatcher = Dispatcher(get_store(), send_by_celery, pending_uploads)
        dispatcher.run(lambda: stopping)
        return {"ended": True}

    def show(self, result: Mapping[str, Any]) -> None:
        """Nothing to say at the end."""
