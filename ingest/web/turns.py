"""Whose turn it is to ask a host, over all ingest-workers of an installation."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime

from personas.patience import patiently
from personas.store.base import Store

#: A wait is cut into pieces, so that a worker that is told to end does not sleep through it.
PIECE_SECONDS = 0.5


class StoreTurns:
    """A turn is a lease on the host that nobody lets go: until it runs out, nobody else gets one.

    pause: sleeps for so many seconds, or raises when it is time to end.
    """

    def __init__(self, store: Store, *, clock: Callable[[], datetime], pause: Callable[[float], None]) -> None:
        self._store = store
        self._clock = clock
        self._pause = pause

    def wait(self, host: str, seconds: float) -> None:
        """See `ingest.web.crawler.Turns`. Raises TransientError."""
        name, owner = f"crawl:{host}", secrets.token_hex(8)  # of this turn alone: a renewed one would be no turn
        while not patiently(self._store.acquire_lease, name, owner=owner, seconds=seconds, now=self._clock()):
            until = self._store.lease_until(name)
            left = (until - self._clock()).total_seconds() if until else 0.0
            self._pause(min(max(left, 0.01), PIECE_SECONDS))
