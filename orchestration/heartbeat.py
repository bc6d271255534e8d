"""Whether a process gets on with its work: its main loop says so now and then, and a task in hand has its time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from personas.errors import FaceProjectError

#: A main loop that says nothing for this long, with no task in hand, is stuck. Longer than the pauses between two tries
#: to reach a broker that is away.
SILENCE_SECONDS = 60.0
#: What a task may take that has no time limit of its own.
TASK_SECONDS = 3600.0


class NotAliveError(FaceProjectError):
    """The process makes no progress, and had better be started again."""


class Heartbeat:
    """Written by the main loop, read by the probes' threads."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._until = monotonic() + SILENCE_SECONDS
        self._in_hand = ""

    def beat(self) -> None:
        """The main loop goes round."""
        self._expect(SILENCE_SECONDS, in_hand="")

    def task_begins(self, name: str, *, seconds: float | None = None) -> None:
        """The main loop is at a task until `beat`; it may take that long."""
        self._expect(TASK_SECONDS if seconds is None else seconds, in_hand=name)

    def excuse(self) -> None:
        """The main loop waits for something that is away, and has the usual time from now on; not so a task in hand."""
        with self._lock:
            if not self._in_hand:
                self._until = max(self._until, self._monotonic() + SILENCE_SECONDS)

    def require(self) -> None:
        """Raises NotAliveError."""
        with self._lock:
            late, in_hand = self._monotonic() - self._until, self._in_hand
        if late > 0:
            what = f"The task {in_hand} is over its time" if in_hand else "The main loop has not gone round in time"
            raise NotAliveError(f"{what}, by {late:.0f} s: start the process again; nothing is lost.")

    def _expect(self, seconds: float, *, in_hand: str) -> None:
        with self._lock:
            self._until = self._monotonic() + seconds
            self._in_hand = in_hand
