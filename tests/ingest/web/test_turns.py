"""Turns at a host, over all workers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ingest.web.turns import PIECE_SECONDS, StoreTurns
from personas.store.base import Store


class Time:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = datetime(2026, 5, 4, tzinfo=UTC)
        self.slept: list[float] = []

    def clock(self) -> datetime:
        return self.now

    def pause(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)


def test_two_workers_take_turns_at_a_host_and_hosts_do_not_wait_for_each_other(store: Store) -> None:
    time = Time()
    one, other = (StoreTurns(store, clock=time.clock, pause=time.pause) for _ in range(2))
    begun = time.now
    one.wait("a.example", 2.0)
    other.wait("b.example", 2.0)
    assert time.slept == []
    other.wait("a.example", 3.0)
    assert time.now - begun >= timedelta(seconds=2)
    one.wait("a.example", 1.0)
    assert time.now - begun >= timedelta(seconds=5)
    assert max(time.slept) <= PIECE_SECONDS


def test_a_worker_that_is_told_to_end_does_not_wait_for_its_turn(store: Store) -> None:
    def ends(seconds: float) -> None:
        raise InterruptedError

    turns = StoreTurns(store, clock=Time().clock, pause=ends)
    turns.wait("a.example", 60.0)
    with pytest.raises(InterruptedError):
        turns.wait("a.example", 60.0)
