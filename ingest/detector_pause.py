"""Pauses that a detector elsewhere asks for, kept in the store: the status page asks neither it nor the broker."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from personas.store.base import Store

#: A lease that everybody takes in the same name: it lasts as long as the pause.
_LEASE: Final = "detector:paused"
_OWNER: Final = "detector"


def note_pause(store: Store, seconds: float, *, at: datetime) -> None:
    """The detector's service wants silence for so many seconds. Raises what the store raises."""
    store.acquire_lease(_LEASE, owner=_OWNER, seconds=seconds, now=at)


def paused_until(store: Store, *, at: datetime) -> datetime | None:
    """When the pause ends; None: there is none."""
    until = store.lease_until(_LEASE)
    return until if until is not None and until > at else None
