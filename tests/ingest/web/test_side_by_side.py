"""Hosts side by side, on each host one thing after the other."""

from __future__ import annotations

import threading

import pytest

from ingest.web.side_by_side import side_by_side


def host_of(item: str) -> str:
    return item[0]


def test_hosts_do_not_wait_for_each_other_and_a_host_is_asked_once_at_a_time() -> None:
    both = threading.Barrier(2, timeout=60)  # breaks unless a and b are at work together
    at_work: set[str] = set()

    def do(item: str) -> str:
        assert item[0] not in at_work
        at_work.add(item[0])
        if item.endswith("1"):
            both.wait()
        at_work.discard(item[0])
        return item.upper()

    found = list(side_by_side(["a1", "a2", "b1", "b2"], do, host_of=host_of))
    assert sorted(found) == [("a1", "A1"), ("a2", "A2"), ("b1", "B1"), ("b2", "B2")]
    assert [item for item, _ in found if item[0] == "a"] == ["a1", "a2"]


def test_what_goes_wrong_in_a_thread_is_raised_and_every_thread_ends_in_order() -> None:
    ended = threading.Semaphore(0)

    def do(item: str) -> str:
        raise IndexError

    with pytest.raises(IndexError):
        list(side_by_side(["a", "b"], do, host_of=host_of, end=ended.release))
    assert ended.acquire(timeout=60)
    assert ended.acquire(timeout=60)


def test_who_is_told_to_end_does_not_wait_for_a_server() -> None:
    never = threading.Event()

    class Stopped(Exception):  # noqa: N818
        pass

    def go_on() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        list(side_by_side(["a"], lambda item: never.wait(60), host_of=host_of, go_on=go_on))
    never.set()


def test_nothing_gives_nothing() -> None:
    assert list(side_by_side([], str, host_of=host_of)) == []
