"""What each process counts and measures, for Prometheus; `/metrics` on PROBE_PORT shows it.

Definitions alone: no Django, no store, so that every core may count. Labels never hold names of people, ids of pictures
or anything else without a small bound. All names begin with `faceproject_`; `_seconds` are seconds.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Histogram, disable_created_metrics

# A second series for each, which says when it began.
disable_created_metrics()  # type: ignore[no-untyped-call]

#: From an SQLite read to a request that waited for its turn (seconds).
_STORE_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
#: From three labels to a million faces (seconds).
_FIT_BUCKETS: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)

PICTURES_TAKEN_IN: Final = Counter(
    "faceproject_pictures_taken_in", "Pictures stored with their faces, new ones, by this process."
)
FACES_TAKEN_IN: Final = Counter("faceproject_faces_taken_in", "Faces stored with new pictures, by this process.")
FIT_SECONDS: Final = Histogram(
    "faceproject_fit_seconds", "Duration of a fit with its evaluation and gate.", buckets=_FIT_BUCKETS
)
STORE_SECONDS: Final = Histogram(
    "faceproject_store_seconds",
    "Duration of a call of the store port; of one that streams, until its first item.",
    ["operation"],
    buckets=_STORE_BUCKETS,
)
STORE_ERRORS: Final = Counter(
    "faceproject_store_errors", "Calls of the store port that raised, by kind of error.", ["operation", "error"]
)
DISPATCHER_LOOKS: Final = Counter(
    "faceproject_dispatcher_looks", "Comparisons of the logs with their followers, by outcome.", ["outcome"]
)
TASKS_SENT: Final = Counter("faceproject_tasks_sent", "Tasks that the dispatcher sent.", ["task"])
TASKS: Final = Counter("faceproject_tasks", "Attempts at a task that ended in this process.", ["task", "outcome"])
TASK_SECONDS: Final = Histogram(
    "faceproject_task_seconds", "Duration of an attempt at a task.", ["task"], buckets=_FIT_BUCKETS
)
SCORER_REQUESTS: Final = Counter(
    "faceproject_scorer_requests",
    "Requests to score that were answered, by what they held and status.",
    ["kind", "status"],
)
SCORER_ITEMS: Final = Counter(
    "faceproject_scorer_items", "Pictures and embeddings in answered requests, by outcome.", ["kind", "outcome"]
)
SCORER_SECONDS: Final = Histogram(
    "faceproject_scorer_seconds", "Duration of a request to score.", ["kind"], buckets=_STORE_BUCKETS
)
SCRAPE_ERRORS: Final = Counter(
    "faceproject_scrape_errors", "Times that a part of the metrics could not be found out.", ["part"]
)
