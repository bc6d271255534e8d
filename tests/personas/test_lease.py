"""Leases: held, renewed, lost, and busy stores ridden out."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest
from django.utils import timezone

from personas import lease as leases
from personas.errors import TransientError
from personas.lease import Lease, LeaseBusyError, LeaseLostError, held_lease
from personas.store.base import StoreError


class OneLease:
    """The part of the store port that leases need; a clock decides who owns the lease."""

    def __init__(self) -> None:
        self.owner, self.until, self.failures, self.asked = "", 0.0, 0, 0
        self.error: Exception = TransientError("busy")
        self.closed = False

    def renew_lease(self, name, *, owner, seconds, now):
        self._ask()
        if self.owner == owner:
            self.until = time.monotonic() + seconds
        return self.owner == owner

    def _ask(self):
        self.asked += 1
        if self.failures:
            self.failures -= 1
            raise self.error

    def acquire_lease(self, name, *, owner, seconds, now):
        self._ask()
        if self.owner not in ("", owner) and time.monotonic() < self.until:
            return False
        self.owner, self.until = owner, time.monotonic() + seconds
        return True

    def release_lease(self, name, *, owner):
        if self.owner == owner:
            self.owner = ""

    def close(self):
        self.closed = True


@pytest.fixture
def store(monkeypatch):
    monkeypatch.setattr(leases, "LEASE_SECONDS", 0.15)
    monkeypatch.setattr(leases, "RETRY_SECONDS", 0.01)
    return OneLease()


def wait_until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_lease_is_renewed_while_its_block_runs_and_free_afterwards(store):
    with held_lease(store, "work", clock=timezone.now) as lease:
        wait_until(lambda: store.asked > 3)
        lease.require()
        with pytest.raises(LeaseBusyError, match="work"), held_lease(store, "work", clock=timezone.now):
            pass
    assert store.owner == ""


def test_a_waiting_process_gets_the_lease_of_one_that_was_killed(store):
    store.owner, store.until = "killed", time.monotonic() + 0.1
    with held_lease(store, "work", clock=timezone.now, wait_seconds=5):
        assert store.owner != "killed"


@pytest.mark.parametrize("error", [TransientError("busy"), StoreError("cannot say what it means")])
def test_a_store_that_fails_does_not_end_the_renewing(store, error):
    with held_lease(store, "work", clock=timezone.now) as lease:
        store.error, store.failures = error, 2
        wait_until(lambda: not store.failures and store.asked > 4)
        lease.require()


def test_the_renewing_lets_go_of_its_connection_whatever_ends_it(store):
    store.error, store.failures = RuntimeError("a mistake of ours"), 1
    lease = Lease("work", lambda: store.renew_lease("work", owner="me", seconds=1, now=timezone.now()))
    with pytest.raises(RuntimeError):
        leases._keep(store, lease, threading.Event())
    assert store.closed


def test_a_holder_whose_lease_somebody_took_is_told(store):
    with held_lease(store, "work", clock=timezone.now) as lease:
        store.owner, store.until = "somebody else", time.monotonic() + 60
        wait_until(lease.lost.is_set)
        with pytest.raises(LeaseLostError):
            lease.require()
    assert store.owner == "somebody else"


def test_a_holder_that_was_stopped_learns_before_its_next_step_that_somebody_had_the_lease_meanwhile(store):
    with held_lease(store, "work", clock=timezone.now) as lease:
        store.owner = ""  # ran out, was taken, and was let go again
        lease.good_until = time.monotonic() - 1
        with pytest.raises(LeaseLostError):
            lease.require()
    assert lease.lost.is_set()


def test_a_holder_that_was_stopped_goes_on_when_nobody_took_the_lease(store):
    with held_lease(store, "work", clock=timezone.now) as lease:
        lease.good_until = time.monotonic() - 1
        lease.require()
        assert lease.good_until > time.monotonic() - 1


def test_in_the_second_half_of_its_time_a_lease_is_looked_at_before_each_step(monkeypatch):
    """Another machine, whose clock is ahead, may have taken it by then."""
    now = 100.0
    monkeypatch.setattr(leases, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(leases, "LEASE_SECONDS", 1000.0)  # the renewing thread sleeps through this test
    store = OneLease()
    with held_lease(store, "work", clock=timezone.now) as lease:
        for times_asked in (1, 2):  # as it was taken, and as it was renewed
            now += 400
            lease.require()
            assert store.asked == times_asked
            now += 200
            lease.require()
            assert store.asked == times_asked + 1
        store.owner = "another"
        lease.require()
        now += 600
        with pytest.raises(LeaseLostError):
            lease.require()
