"""Watches the task a worker has in hand: one that outlives its limit, or a stop's grace, ends the worker process.

A worker does one task at a time in its main thread, and nothing can interrupt that thread inside a library's code. So
the process is ended; whoever supervises it starts it again, the message or the dispatcher brings the task back, and
attempts are counted in the store.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

logger = logging.getLogger(__name__)

#: Between two looks at the clock.
LOOK_SECONDS = 0.5
#: A task that keeps even the watching thread from running (native code that never lets go of the interpreter) is ended
#: without our line, with a traceback, this long after its limit.
BACKSTOP_SECONDS = 60.0
#: "A temporary failure; try again", as sysexits(3) has it.
EXIT_CODE = os.EX_TEMPFAIL


@dataclass(frozen=True, slots=True, kw_only=True)
class InHand:
    """A task at work. Times are seconds of the monotonic clock."""

    name: str
    task_id: str
    begun_at: float
    limit_seconds: float

    def is_overdue(self, now: float) -> bool:
        return now - self.begun_at > self.limit_seconds


def end_process(code: int) -> None:
    """End this process at once, with all its log lines written; nothing else is cleaned up."""
    for handler in logging.getLogger().handlers:
        handler.flush()
    os._exit(code)


class Watchdog:
    """One a process. `in_hand` and `stop_within` take no lock: a signal handler may interrupt anything else here."""

    def __init__(
        self, *, end: Callable[[int], None] = end_process, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._end = end
        self._monotonic = monotonic
        self._in_hand: InHand | None = None
        self._stop: tuple[float, float] | None = None  # when it was asked for, and the grace
        self._stop_told = False
        self._thread: threading.Thread | None = None

    @property
    def in_hand(self) -> InHand | None:
        """The task at work now: a process with one that is not overdue is alive, however long it says nothing."""
        return self._in_hand

    @property
    def stopping(self) -> bool:
        return self._stop is not None

    def start(self) -> None:
        """Begin to watch, from a thread of its own."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
            self._thread.start()

    @contextmanager
    def hand(self, *, name: str, task_id: str, limit_seconds: float) -> Iterator[None]:
        """Watch over the block as one task."""
        self._in_hand = InHand(name=name, task_id=task_id, begun_at=self._monotonic(), limit_seconds=limit_seconds)
        if self._thread is not None and sys.__stderr__ is not None:
            faulthandler.dump_traceback_later(limit_seconds + BACKSTOP_SECONDS, exit=True, file=sys.__stderr__)
        try:
            yield
        finally:
            self._in_hand = None
            if self._thread is not None:
                faulthandler.cancel_dump_traceback_later()

    def stop_within(self, seconds: float) -> None:
        """The process was asked to end: what it has in hand may take this much longer. Safe in a signal handler."""
        if self._stop is None:
            self._stop = (self._monotonic(), seconds)

    def look(self) -> None:
        """Compare the clock with what is allowed once."""
        now, task, stop = self._monotonic(), self._in_hand, self._stop
        if stop and not self._stop_told:
            self._stop_told = True
            logger.info("asked to stop", extra={"in_hand": task.name if task else None, "grace_seconds": stop[1]})
        if task and task.is_overdue(now):
            logger.critical(
                "a task outlived its limit; this worker ends, its supervisor starts it again, and the task is tried "
                "again as often as its attempts allow",
                extra={
                    "task": task.name,
                    "task_id": task.task_id,
                    "limit_seconds": task.limit_seconds,
                    "stood_at": _main_thread_stands_at(),
                },
            )
            self._end(EXIT_CODE)
        elif stop and now - stop[0] > stop[1]:
            logger.warning(
                "not stopped in time; this worker ends, and what it had in hand is begun again by another",
                extra={
                    "in_hand": task.name if task else None,
                    "grace_seconds": stop[1],
                    "stood_at": _main_thread_stands_at(),
                },
            )
            self._end(EXIT_CODE)

    def _watch(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            self.look()


def _main_thread_stands_at() -> str:
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else "unknown"


#: This process's.
WATCHDOG = Watchdog()
