"""The main loop of a worker role: Celery in this process, one task at a time, with a sign of life."""

from __future__ import annotations

import signal
import socket
import threading
from typing import Any, Final

from celery import current_app, signals
from celery.platforms import EX_OK
from celery.worker import state

from orchestration.heartbeat import Heartbeat
from orchestration.probes import Probes
from orchestration.queues import broker_answers
from orchestration.roles import Role
from personas.errors import TransientError

#: Between two requests to the main loop to show that it goes round.
PULSE_SECONDS: Final = 2.0
#: Between two looks whether it is the broker that a silent main loop waits for.
BROKER_SECONDS: Final = 10.0


def run_worker(role: Role, probes: Probes, heartbeat: Heartbeat) -> int:
    """Take tasks from the role's queue until SIGTERM, and finish the one in hand; returns an exit code."""
    assert role.queue is not None
    listeners = _Listeners(probes, heartbeat)
    listeners.connect()
    worker = current_app.Worker(
        hostname=f"{role.name}@{socket.gethostname()}",
        queues=[role.queue],
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    signal.signal(signal.SIGTERM, listeners.told_to_end)  # Celery's own takes over when its loop starts
    if probes.ending.is_set():  # told between two handlers
        return 0
    worker.start()
    return int(worker.exitcode or 0)


class _Listeners:
    """What Celery tells of the worker, passed on to the heartbeat and the probes."""

    def __init__(self, probes: Probes, heartbeat: Heartbeat) -> None:
        self.probes = probes
        self.heartbeat = heartbeat
        self.consumer: Any = None
        self.answered = threading.Event()

    def connect(self) -> None:
        """Celery keeps weak references; ours are held by the caller's frame."""
        signals.worker_ready.connect(self.ready)
        signals.worker_shutting_down.connect(self.ends)
        signals.task_prerun.connect(self.begins)
        signals.task_postrun.connect(self.ended)
        threading.Thread(target=self.pulse, name="pulse", daemon=True).start()

    def told_to_end(self, number: int, frame: object) -> None:
        """Before Celery listens itself: it starts, and ends at its first look."""
        self.probes.ending.set()
        state.should_stop = EX_OK

    def ready(self, sender: Any, **kwargs: Any) -> None:
        """sender: Celery's consumer, whose `call_soon` runs in the main loop (also when it reconnects)."""
        self.consumer = sender
        self.probes.working.set()

    def pulse(self) -> None:
        """Ask the main loop to beat, and once it did, ask again. While the broker is away, it is excused."""
        while not self.probes.ending.wait(PULSE_SECONDS):
            self.answered.clear()
            if self.consumer is not None:
                self.consumer.call_soon(self.beat)
            while not self.answered.wait(BROKER_SECONDS):
                self.excuse()
                if self.consumer is None:
                    break

    def beat(self) -> None:
        self.heartbeat.beat()
        self.answered.set()

    def excuse(self) -> None:
        try:
            broker_answers()
        except TransientError:
            self.heartbeat.excuse()

    def ends(self, **kwargs: Any) -> None:
        self.probes.ending.set()

    def begins(self, task: Any, **kwargs: Any) -> None:
        self.heartbeat.task_begins(task.name, seconds=task.time_limit)

    def ended(self, **kwargs: Any) -> None:
        self.heartbeat.beat()
