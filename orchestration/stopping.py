"""What Celery's worker does otherwise in the product: how it stops.

SIGTERM (or Ctrl-C): nothing new is taken, the task in hand is finished, up to STOP_GRACE_SECONDS. A second one, or
SIGQUIT: the process ends at once. Celery's own handlers know no second SIGTERM, print to standard output, and with the
solo pool wait for the task without a limit.
"""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import Any

from celery import bootsteps, signals
from celery.worker import state
from django.conf import settings

from personas.watchdog import WATCHDOG

#: What a shell reports for a process that a signal ended.
SIGNALLED = 128


def stop(number: int, frame: FrameType | None) -> None:
    """Handler of the signals that end a worker. It logs nothing: the interrupted code may be holding a log's lock."""
    if number == signal.SIGQUIT or WATCHDOG.stopping:
        os._exit(SIGNALLED + number)
    state.should_stop = os.EX_OK
    WATCHDOG.stop_within(settings.STOP_GRACE_SECONDS)
    signals.worker_shutting_down.send(sender=None, sig=signal.Signals(number).name, how="Warm", exitcode=os.EX_OK)


class StopInOrder(bootsteps.StartStopStep):  # type: ignore[misc]  # celery ships no types
    """Installs the handlers, after Celery has installed its own, and starts the watchdog."""

    requires = ("celery.worker.components:Pool",)

    def start(self, parent: Any) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, stop)
        WATCHDOG.start()

    def stop(self, parent: Any) -> None:
        """The handlers stay until the process ends."""

    terminate = stop
