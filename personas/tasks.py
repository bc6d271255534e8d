"""What every task of the product is: its errors, retries, time limit, log lines and counts, in one place.

A message is a hint; the truth is in the store. So a task that cannot go on is dropped with a log line rather than kept:
the dispatcher sees that its follower did not move, and sends another one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from celery import Task, shared_task
from celery.exceptions import Reject
from celery.utils.time import get_exponential_backoff_interval
from django.conf import settings
from kombu.exceptions import OperationalError

from personas.errors import FaceProjectError, TransientError
from personas.lease import LeaseBusyError, LeaseLostError
from personas.log_context import bound
from personas.metrics import TASK_SECONDS, TASKS
from personas.watchdog import WATCHDOG

logger = logging.getLogger(__name__)

#: How often a task is tried again by message after a transient error; after that the dispatcher's sweep asks again.
MAX_RETRIES = 5
#: A pause before a retry is drawn evenly from zero to first * 2 ** retries seconds (full jitter), at most the longest.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1, 60
#: What may work when tried again: the store or the broker away, throttled or busy.
TRANSIENT = (TransientError, OperationalError, ConnectionError)


class Outcome(StrEnum):
    """How an attempt at a task ended."""

    DONE = "done"
    BUSY = "busy"  #: another worker is at it
    RETRIED = "retried"
    GIVEN_UP = "given_up"  #: after the last retry; the dispatcher asks again
    FAILED = "failed"  #: an anticipated failure, with a message
    ERRORED = "errored"  #: anything else, with a traceback


class ProductTask(Task):  # type: ignore[misc]  # celery ships no types
    """Base class of all tasks. A worker runs it as below; called directly, it is just its function."""

    abstract = True
    max_retries = MAX_RETRIES

    @property
    def time_limit(self) -> float:
        """Seconds; the watchdog holds it, for Celery's solo pool has no limits."""
        return float(settings.TASK_LIMIT_SECONDS[queue_of(self.name)])

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.request.called_directly:
            return super().__call__(*args, **kwargs)
        if WATCHDOG.stopping:  # it was on its way when the stop came: another worker's
            raise Reject("The worker ends.", requeue=True)
        task_id = str(self.request.id)
        with (
            bound(task=self.name, task_id=task_id),
            WATCHDOG.hand(name=self.name, task_id=task_id, limit_seconds=self.time_limit),
        ):
            return self._attempt(args, kwargs)

    def _attempt(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """Returns a sentence without names. Raises celery.exceptions.Retry."""
        began = time.monotonic()
        transient: Exception | None = None
        said = ""
        try:
            said = str(self.run(*args, **kwargs))
            outcome = Outcome.DONE
        except (LeaseBusyError, LeaseLostError):
            outcome, said = Outcome.BUSY, "Another worker is at it."
        except TRANSIENT as error:
            transient = error
            outcome = Outcome.GIVEN_UP if self.request.retries >= self.max_retries else Outcome.RETRIED
        except FaceProjectError as error:
            outcome, said = Outcome.FAILED, str(error)
            logger.warning("the task failed: %s", error)
        except Exception:  # whatever it is, the worker goes on with other tasks
            outcome = Outcome.ERRORED
            logger.exception("the task ended with an error")
        seconds = time.monotonic() - began
        TASK_SECONDS.labels(self.name).observe(seconds)
        TASKS.labels(self.name, outcome.value).inc()
        logger.info("task ended", extra={"outcome": outcome.value, "seconds": round(seconds, 3)})
        return self._after_transient(transient, outcome) if transient else said

    def _after_transient(self, error: Exception, outcome: Outcome) -> str:
        if outcome is Outcome.GIVEN_UP:
            logger.warning("dropped after %d retries, the dispatcher asks again: %s", self.request.retries, error)
            return "Given up after a transient error."
        pause = get_exponential_backoff_interval(
            FIRST_PAUSE_SECONDS, self.request.retries, LONGEST_PAUSE_SECONDS, full_jitter=True
        )
        logger.warning("tried again in %d s: %s", pause, error)
        try:
            raise self.retry(exc=error, countdown=pause)
        except Reject as unsent:
            logger.warning("the retry cannot be sent, the dispatcher asks again: %s", unsent.reason)
            return "Given up after a transient error."


def queue_of(task: str) -> str:
    """Tasks are named `<queue>.<what>`."""
    return task.partition(".")[0]


def task(name: str) -> Callable[[Callable[..., str]], Any]:
    """Declare a task of the product. What it returns is a sentence that holds no names of people."""
    return shared_task(name=name, base=ProductTask)  # type: ignore[no-any-return]
