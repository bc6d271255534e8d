"""Leases by lightweight transactions, and cursors that never move back."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime, timedelta

from personas.errors import TransientError
from personas.store.cassandra import statements as cql
from personas.store.cassandra.base import CassandraBase
from personas.store.cassandra.failures import UncertainError
from personas.store.cassandra.values import from_micros, to_micros


class LostLeaseError(TransientError):
    """Somebody else may hold the lease by now, so this process must not write any more."""


class CassandraLeases(CassandraBase):
    """Part of WorkStore, and what the adapter itself uses to let one process at a time project."""

    def cursor(self, name: str) -> int:
        row = self._session.row(cql.FOLLOWER, name=name)
        return int(row.seq) if row else 0

    def advance_cursor(self, name: str, seq: int) -> None:
        """Safe to repeat, so when nobody knows whether it was done it is done again."""
        for last_try in (False, True):
            try:
                standing = self._session.compare_and_set(cql.NEXT_FOLLOWER, name=name, seq=seq, below=seq)
                if standing is not None and getattr(standing, "seq", None) is None:  # no such row yet
                    standing = self._session.compare_and_set(cql.FIRST_FOLLOWER, name=name, seq=seq)
                    if standing is not None:  # another one was first
                        self._session.compare_and_set(cql.NEXT_FOLLOWER, name=name, seq=seq, below=seq)
                return
            except UncertainError:
                if last_try:
                    raise

    def acquire_lease(self, name: str, *, owner: str, seconds: float, now: datetime) -> bool:
        until = to_micros(now + timedelta(seconds=seconds))
        try:
            return self._acquire(name, owner, to_micros(now), until)
        except UncertainError:
            return self._acquire(name, owner, to_micros(now), until)  # renews it, if it was taken after all

    def renew_lease(self, name: str, *, owner: str, seconds: float, now: datetime) -> bool:
        renewed = {"name": name, "owner": owner, "until": to_micros(now + timedelta(seconds=seconds))}
        try:
            return self._session.compare_and_set(cql.RENEW_LEASE, **renewed) is None
        except UncertainError:
            return self._session.compare_and_set(cql.RENEW_LEASE, **renewed) is None

    def _acquire(self, name: str, owner: str, now: int, until: int) -> bool:
        standing = self._session.compare_and_set(cql.FIRST_LEASE, name=name, owner=owner, until=until)
        if standing is None:
            return True
        if standing.owner == owner:
            return self._session.compare_and_set(cql.RENEW_LEASE, name=name, owner=owner, until=until) is None
        if standing.until is None or standing.until > now:
            return False
        taken = {"name": name, "owner": owner, "until": until, "old": standing.owner, "now": now}
        return self._session.compare_and_set(cql.TAKE_LEASE, **taken) is None

    def release_lease(self, name: str, *, owner: str) -> None:
        try:
            self._session.compare_and_set(cql.DROP_LEASE, name=name, owner=owner)
        except UncertainError:
            self._session.compare_and_set(cql.DROP_LEASE, name=name, owner=owner)

    def lease_until(self, name: str) -> datetime | None:
        row = self._session.row(cql.LEASE, serial=True, name=name)  # serial: a lease is written by transactions alone
        return from_micros(row.until) if row else None


class Hold:
    """A lease of this thread's own. `check`, called before each lot of writes, renews it or says that it is lost."""

    def __init__(self, leases: CassandraLeases, name: str, *, seconds: float) -> None:
        self._leases = leases
        self._name = name
        self._seconds = seconds
        self._owner = f"hold-{uuid.uuid4()}"
        self._good_until = 0.0

    def acquire(self) -> bool:
        """Take or renew."""
        asked = time.monotonic()
        held = self._leases.acquire_lease(self._name, owner=self._owner, seconds=self._seconds, now=datetime.now(UTC))
        self._good_until = asked + self._seconds / 2 if held else 0.0  # half: clocks of machines differ
        return held

    def release(self) -> None:
        self._leases.release_lease(self._name, owner=self._owner)

    def check(self) -> None:
        """Renews when a good part has passed. Raises LostLeaseError."""
        left = self._good_until - time.monotonic()
        if left < self._seconds / 4 and (left < 0 or not self.acquire()):
            raise LostLeaseError("This process was too slow to keep its turn; another one goes on. Try again.")
