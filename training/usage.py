"""Which version was in use when, and who put it there: read from the audit log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from personas.entities import AuditEntry
from personas.store.base import Store
from training.promotion import SWITCHED, TARGET

#: Switches that a page shows, and entries of the audit log (of switches and of everything else) it looks at for them.
MAX_SWITCHES, MAX_ENTRIES = 20, 300


@dataclass(frozen=True, slots=True, kw_only=True)
class InUse:
    """A version's time in use."""

    version: int
    since: datetime
    until: datetime | None  #: None: it is in use now
    actor: str
    why: str


def versions_in_use(store: Store) -> tuple[InUse, ...]:
    """The last switches, newest first."""
    found: list[InUse] = []
    until: datetime | None = None
    for entry in islice(_switches(store), MAX_SWITCHES):
        found.append(
            InUse(
                version=int(entry.target.removeprefix(TARGET)),
                since=entry.at,
                until=until,
                actor=entry.actor,
                why=str(entry.detail.get("why", "")),
            )
        )
        until = entry.at
    return tuple(found)


def _switches(store: Store) -> Iterator[AuditEntry]:
    return (entry for entry in store.audits(limit=MAX_ENTRIES).items if entry.action == SWITCHED)
