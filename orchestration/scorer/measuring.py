"""What Prometheus sees of requests to score."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from orchestration.scorer.problems import ProblemError
from personas.metrics import SCORER_ITEMS, SCORER_REQUESTS, SCORER_SECONDS


@dataclass(slots=True)
class Measurement:
    """Of one request. kind: "pictures", "embeddings", or "none" when it was refused before anybody could tell."""

    kind: str = "none"

    def count(self, results: Sequence[Mapping[str, Any]]) -> None:
        failed = sum("error" in result for result in results)
        SCORER_ITEMS.labels(self.kind, "failed").inc(failed)
        SCORER_ITEMS.labels(self.kind, "answered").inc(len(results) - failed)


@contextmanager
def measured() -> Iterator[Measurement]:
    """Counts the request that is answered inside, however it ends."""
    measurement, started = Measurement(), time.perf_counter()
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    try:
        yield measurement
        status = HTTPStatus.OK
    except ProblemError as problem:
        status = problem.status
        raise
    finally:
        SCORER_REQUESTS.labels(measurement.kind, str(status.value)).inc()
        SCORER_SECONDS.labels(measurement.kind).observe(time.perf_counter() - started)
