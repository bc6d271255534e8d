"""Work on several hosts at once, on each host one thing after the other."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

#: Hosts that are asked at once.
HOSTS_AT_ONCE = 8
#: Between two looks whether to go on.
LOOK_SECONDS = 0.2


def side_by_side(
    items: Sequence[T],
    do: Callable[[T], R],
    *,
    host_of: Callable[[T], str],
    go_on: Callable[[], None] = lambda: None,
    end: Callable[[], None] = lambda: None,
) -> Iterator[tuple[T, R]]:
    """Each item with what came of it, as it comes.

    do: in a thread; what it raises is raised here, and no more is begun. go_on: called often while waiting; raises to
    end it all. end: called at the end of each thread, to let go of connections. A thread that still waits for a server
    when nobody waits for it ends with it, and does not keep the process.
    """
    by_host: dict[str, list[T]] = {}
    for item in items:
        by_host.setdefault(host_of(item), []).append(item)
    waiting = deque(by_host.values())
    done: queue.SimpleQueue[tuple[T, R] | BaseException] = queue.SimpleQueue()
    stopped = threading.Event()
    for number in range(min(HOSTS_AT_ONCE, len(by_host))):
        arguments = (waiting, do, done, stopped, end)
        threading.Thread(target=_work, args=arguments, name=f"crawl {number}", daemon=True).start()
    try:
        for _ in items:
            yield _next(done, go_on)
    finally:
        stopped.set()


def _work(
    waiting: deque[list[T]],
    do: Callable[[T], R],
    done: queue.SimpleQueue[tuple[T, R] | BaseException],
    stopped: threading.Event,
    end: Callable[[], None],
) -> None:
    """Host after host, in a thread."""
    try:
        while group := _taken(waiting):
            for item in group:
                if stopped.is_set():
                    return
                done.put((item, do(item)))
    except BaseException as error:  # noqa: BLE001  raised where it is waited for
        done.put(error)
    finally:
        end()


def _taken(waiting: deque[list[T]]) -> list[T]:
    """What is left of a host that nobody is at; nothing when there is none."""
    try:
        return waiting.popleft()
    except IndexError:
        return []


def _next(done: queue.SimpleQueue[tuple[T, R] | BaseException], go_on: Callable[[], None]) -> tuple[T, R]:
    while True:
        go_on()
        try:
            found = done.get(timeout=LOOK_SECONDS)
        except queue.Empty:
            continue
        if isinstance(found, BaseException):
            raise found
        return found
