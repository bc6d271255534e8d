"""The rate that processes share: by Redis, or on one machine by a file."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ingest.vision.azure_errors import DetectorBusyError
from ingest.vision.azure_rate import (
    BURST,
    JITTER,
    MachineRate,
    RateLimit,
    RedisRate,
    interval_of,
    key_of,
    wait_for_slot,
)
from personas.errors import TransientError
from tests.processes import free_port
from tests.servers import RedisServer

INTERVAL = 2.0  # seconds: longer than what a busy machine loses between two calls
NewRate = Callable[[], RateLimit]


@pytest.fixture(params=["file", "redis"])
def new_rate(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NewRate]:
    """Makes the rate as another process would: all that are made share one."""
    if request.param == "file":
        yield lambda: MachineRate(tmp_path / "new" / "rate", interval=INTERVAL)
        return
    server: RedisServer = request.getfixturevalue("redis_server")
    server.flush()
    yield lambda: RedisRate(server.url, key=key_of("test:", "https://a"), interval=INTERVAL)


def reserved(rate: RateLimit, *, patience: float = 60.0) -> float:
    seconds = rate.reserve(patience=patience)
    assert seconds is not None
    return seconds


def test_the_first_slot_is_now_and_the_next_ones_follow_evenly_whoever_asks(new_rate: NewRate) -> None:
    waits = [reserved(new_rate()) for _ in range(5)]
    assert waits[0] == 0
    for number, wait in enumerate(waits[1:], start=1):
        assert (number * (1 - JITTER) - 1) * INTERVAL < wait <= number * (1 + JITTER) * INTERVAL


def test_slots_are_as_many_as_the_rate_allows(new_rate: NewRate) -> None:
    """So many that what is random about them evens out."""
    rate = new_rate()
    slots = [time.monotonic() + reserved(rate, patience=1e6) for _ in range(400)]
    assert slots[-1] - slots[0] == pytest.approx(399 * INTERVAL, rel=0.05)


def test_who_cannot_wait_gets_no_slot_and_takes_none_from_others(new_rate: NewRate) -> None:
    rate = new_rate()
    reserved(rate)
    assert [rate.reserve(patience=0.05) for _ in range(5)] == [None] * 5
    assert reserved(rate) <= INTERVAL * (1 + JITTER)


def test_no_slot_lies_in_a_pause_and_the_longest_pause_counts(new_rate: NewRate) -> None:
    rate = new_rate()
    assert rate.paused() == 0
    rate.pause(30.0)
    new_rate().pause(2.0)
    assert 25 < new_rate().paused() <= 30
    assert reserved(new_rate()) > 25
    assert new_rate().reserve(patience=20.0) is None


def test_a_slot_that_a_pause_swallowed_is_not_used(new_rate: NewRate) -> None:
    rate = new_rate()
    reserved(rate)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 1:
            new_rate().pause(2.0)  # of another process, while we wait for our slot
        else:
            threading.Event().wait(seconds)

    wait_for_slot(rate, patience=60.0, sleep=sleep)
    assert len(slept) >= 3  # the first slot, one behind the pause, and what its claim says
    assert rate.paused() == 0


def test_those_who_wake_late_and_together_are_spaced_anew(new_rate: NewRate) -> None:
    claims = [new_rate().claim() for _ in range(6)]
    assert claims[:BURST] == [0.0] * BURST
    for number, seconds in enumerate(claims[BURST:], start=1):
        assert seconds is not None
        assert (number - 1) * INTERVAL < seconds <= number * INTERVAL


def test_a_slot_cannot_be_claimed_in_a_pause(new_rate: NewRate) -> None:
    new_rate().pause(30.0)
    assert new_rate().claim() is None


def test_a_rate_that_is_used_up_is_said_with_a_message(new_rate: NewRate) -> None:
    new_rate().pause(60.0)
    with pytest.raises(DetectorBusyError, match="nothing is lost"):
        wait_for_slot(new_rate(), patience=1.0)


def test_two_endpoints_have_two_rates_however_the_address_is_written() -> None:
    assert key_of("p:", "https://A.example/") == key_of("p:", "https://a.example")
    assert key_of("p:", "https://a.example") != key_of("p:", "https://b.example")
    assert "example" not in key_of("p:", "https://a.example")


def test_a_file_that_was_cut_off_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "rate"
    path.write_bytes(b"half")
    assert MachineRate(path, interval=INTERVAL).reserve(patience=1.0) == 0


def test_a_redis_that_is_away_is_a_matter_of_time() -> None:
    rate = RedisRate(f"redis://127.0.0.1:{free_port()}/0", key="k", interval=INTERVAL)
    with pytest.raises(TransientError, match="Redis"):
        rate.reserve(patience=1.0)


def test_the_key_in_redis_goes_away_when_nobody_asks(redis_server: RedisServer) -> None:
    redis_server.flush()
    rate = RedisRate(redis_server.url, key="gone", interval=INTERVAL)
    rate.reserve(patience=1.0)
    with redis_server.client() as client:
        assert 0 < client.ttl("gone") <= 3600
        rate.pause(7200.0)
        assert client.ttl("gone") > 7200


def test_the_tiers_are_kept_with_a_margin() -> None:
    assert 0.1 < interval_of("S0") < 0.11
    assert 3.0 < interval_of("F0") < 3.3
