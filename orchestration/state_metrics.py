"""How the whole installation is, asked when Prometheus asks: the dispatcher shows it, for it is one process.

A part that cannot be found out (store or broker away) is left out and counted in `faceproject_scrape_errors_total`; the
others are shown.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from orchestration.queues import queue_lengths
from personas.entities import JobStatus
from personas.metrics import SCRAPE_ERRORS
from personas.selectors.learning import learning_state
from personas.store import get_store

logger = logging.getLogger(__name__)

#: Ended jobs are counted among this many of the newest.
RECENT_JOBS: Final = 100
Part = Callable[[], Iterable[Metric]]


class StateMetrics(Collector):
    """Queue lengths, how far the followers are behind, the champion, jobs."""

    def collect(self) -> Iterator[Metric]:
        parts: dict[str, Part] = {"queues": _queues, "learning": _learning, "jobs": _jobs}
        for name, part in parts.items():
            try:
                yield from list(part())
            except Exception:  # whatever it is, the role goes on
                SCRAPE_ERRORS.labels(name).inc()
                logger.debug("a part of the metrics is left out", exc_info=True, extra={"part": name})

    def describe(self) -> Iterable[Metric]:
        """Nothing is asked of store and broker while the collector is registered."""
        return ()


def _queues() -> Iterator[Metric]:
    lengths = GaugeMetricFamily("faceproject_queue_length", "Messages that wait for a worker.", labels=["queue"])
    for queue, length in queue_lengths().items():
        lengths.add_metric([queue], length)
    yield lengths


def _learning() -> Iterator[Metric]:
    state = learning_state(get_store())
    behind = GaugeMetricFamily(
        "faceproject_events_behind",
        "Events that a follower has not dealt with: labels not learnt from, batches of pictures not scored.",
        labels=["follower"],
    )
    behind.add_metric(["trainer"], state.n_events_behind)
    behind.add_metric(["scoring"], state.n_batches_unscored)
    yield behind
    yield GaugeMetricFamily(
        "faceproject_champion_version", "The version in use; 0 before the first.", value=state.version or 0
    )


def _jobs() -> Iterator[Metric]:
    store = get_store()
    numbers = Counter(job.status for job in store.unfinished_jobs())
    numbers.update(job.status for job in store.jobs(limit=RECENT_JOBS).items if job.status.ended)
    jobs = GaugeMetricFamily(
        "faceproject_jobs",
        f"Jobs by status; those that have ended among the newest {RECENT_JOBS}.",
        labels=["status"],
    )
    for status in JobStatus:
        jobs.add_metric([status.value], numbers[status])
    yield jobs
