"""The dispatcher: turns facts in the store into tasks, and finds again what a broker lost.

It holds no state that matters. Each look compares how far the log has come with how far the followers have; where there
is a gap it sends a task, and sends it again when the gap is still there after a while. Tasks are safe to run twice.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from personas.entities import INGEST, LABELS
from personas.errors import TransientError
from personas.selectors.learning import TRAINER_CURSOR
from personas.store.base import Store

logger = logging.getLogger(__name__)

#: Between two looks; part of what a person waits for after labelling.
LOOK_SECONDS = 0.1
#: A gap that is unchanged this long after its task was sent is sent again: the task, or its worker, was lost.
RESEND_SECONDS = 5.0
#: Between two looks for projections a killed process left half done.
REPAIR_SECONDS = 60.0

Send = Callable[[str, tuple[str, ...]], None]


@dataclass(slots=True)
class Dispatcher:
    """Looks at one store and sends tasks by name."""

    store: Store
    send: Send
    pending_uploads: Callable[[Store], list[str]]
    monotonic: Callable[[], float] = time.monotonic
    _sent: dict[tuple[str, tuple[str, ...]], tuple[object, float]] = field(default_factory=dict)
    _repaired_at: float = float("-inf")

    def look(self) -> None:
        """Compare the logs with their followers once."""
        labels = self.store.head(LABELS)
        if labels > self.store.cursor(TRAINER_CURSOR):
            self._offer("training.train", (), gap=labels)
        champion = self.store.champion()
        ingested = self.store.head(INGEST)
        if champion and ingested > self.store.fresh_through(champion.version):
            self._offer("training.score_new_faces", (), gap=(champion.revision, ingested))
        for job_id in self.pending_uploads(self.store):
            self._offer("ingest.process_upload", (job_id,), gap=job_id)
        if self.monotonic() - self._repaired_at > REPAIR_SECONDS:
            self._repaired_at = self.monotonic()
            if repaired := self.store.repair():
                logger.warning("projections completed", extra={"events": repaired})

    def _offer(self, task: str, arguments: tuple[str, ...], *, gap: object) -> None:
        """Send unless this very gap was sent a short while ago."""
        sent_gap, at = self._sent.get((task, arguments), (None, float("-inf")))
        if gap == sent_gap and self.monotonic() - at < RESEND_SECONDS:
            return
        self.send(task, arguments)
        self._sent[task, arguments] = (gap, self.monotonic())

    def run(self, should_stop: Callable[[], bool]) -> None:
        """Look until told to stop; a store or broker that is away for a while is waited for."""
        logger.info("dispatcher started")
        while not should_stop():
            try:
                self.look()
            except TransientError as error:
                logger.warning("the dispatcher waits: %s", error)
                time.sleep(1.0)
            time.sleep(LOOK_SECONDS)


def send_by_celery(task: str, arguments: tuple[str, ...]) -> None:
    """Put a task on its queue. Raises TransientError when the broker is away."""
    from celery import current_app
    from kombu.exceptions import OperationalError

    try:
        current_app.send_task(task, args=arguments)
    except (OperationalError, OSError) as error:
        raise TransientError(f"The broker cannot be reached ({error}); tasks wait in the store.") from error
