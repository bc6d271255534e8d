"""Roles that show in the store that they are at work."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestration.heartbeat import Heartbeat
from orchestration.roles import DISPATCHER, INGEST_WORKER, TRAINER_WORKER
from orchestration.signs_of_life import (
    PLACES,
    SILENCE_SECONDS,
    RoleAtWork,
    SignOfLife,
    roles_at_work,
    shown_at_work,
)
from personas.errors import TransientError
from personas.store import get_store
from personas.store.base import Store
from tests import factories

pytestmark = pytest.mark.django_db


class Clock:
    """Both kinds of time, moved by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self):
        return factories.at(self.seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> Store:
    return get_store()


def sign(store: Store, clock: Clock, role: str = INGEST_WORKER) -> SignOfLife:
    return SignOfLife(store, role, Heartbeat(clock.monotonic), clock=clock.now)


def seen(store: Store, clock: Clock, name: str = INGEST_WORKER) -> RoleAtWork:
    return next(role for role in roles_at_work(store, now=clock.now()) if role.name == name)


def test_roles_that_nobody_ever_was_are_not_at_work(store: Store, clock: Clock) -> None:
    found = roles_at_work(store, now=clock.now())
    assert [role.name for role in found] == [INGEST_WORKER, TRAINER_WORKER, DISPATCHER]
    assert not any(role.alive or role.last_heard for role in found)


def test_processes_of_a_role_are_counted_as_long_as_they_beat(store: Store, clock: Clock) -> None:
    first, second = sign(store, clock), sign(store, clock)
    for _ in range(3):
        first.beat()
        second.beat()
    assert seen(store, clock).n_alive == 2
    clock.seconds = SILENCE_SECONDS - 1
    first.beat()
    clock.seconds = SILENCE_SECONDS + 1
    assert seen(store, clock).n_alive == 1


def test_one_that_ends_in_order_leaves_nothing_behind(store: Store, clock: Clock) -> None:
    one = sign(store, clock)
    one.beat()
    one.end()
    role = seen(store, clock)
    assert (role.alive, role.last_heard) == (False, None)


def test_of_one_that_was_killed_it_is_known_when_it_was_last_heard_of(store: Store, clock: Clock) -> None:
    sign(store, clock).beat()
    clock.seconds = 3600.0
    role = seen(store, clock)
    assert not role.alive
    assert role.last_heard == factories.NOW + timedelta(seconds=SILENCE_SECONDS)
    sign(store, clock).beat()  # its follower takes the place
    assert (seen(store, clock).n_alive, seen(store, clock).last_heard) == (1, None)


def test_one_whose_main_loop_is_stuck_is_not_at_work(store: Store, clock: Clock) -> None:
    one = sign(store, clock)
    one.beat()
    clock.seconds = 3600.0
    one.beat()  # its thread lives, its main loop has said nothing for an hour
    assert not seen(store, clock).alive


def test_one_that_lost_its_place_takes_another(store: Store, clock: Clock) -> None:
    slow, fast = sign(store, clock), sign(store, clock)
    slow.beat()
    clock.seconds = SILENCE_SECONDS + 1
    fast.beat()
    slow.beat()
    assert seen(store, clock).n_alive == 2


def test_more_than_are_counted_are_many(store: Store, clock: Clock) -> None:
    for _ in range(PLACES + 2):
        sign(store, clock).beat()
    role = seen(store, clock)
    assert (role.n_alive, role.many) == (PLACES, True)


class AwayStore:
    """A store that does not answer."""

    def __init__(self) -> None:
        self.asked = self.closed = 0

    def acquire_lease(self, *args: object, **kwargs: object) -> bool:
        self.asked += 1
        raise TransientError("away")

    def close(self) -> None:
        self.closed += 1


def test_a_store_that_is_away_stops_no_role(clock: Clock) -> None:
    away = AwayStore()
    with shown_at_work(SignOfLife(away, DISPATCHER, Heartbeat(clock.monotonic), clock=clock.now)):  # type: ignore[arg-type]
        pass
    assert (away.asked, away.closed) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_a_role_shows_itself_while_its_work_goes_on(store: Store, clock: Clock) -> None:
    import threading

    beaten = threading.Event()

    class Telling(SignOfLife):
        def beat(self) -> None:
            SignOfLife.beat(self)
            beaten.set()

    with shown_at_work(Telling(store, DISPATCHER, Heartbeat(clock.monotonic), clock=clock.now)):
        assert beaten.wait(60)
        assert seen(store, clock, DISPATCHER).alive
    assert not seen(store, clock, DISPATCHER).alive
