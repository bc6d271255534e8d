"""Extraction processes that stay between two pieces of work: loading the models takes longer than a small share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from django.conf import settings

from ingest.messages import WorkOrder
from ingest.pool import Pool
from ingest.process_pool import ProcessPool
from ingest.services import default_workers
from ingest.sources.folder import FolderSource

#: A picture that an ingest-worker has not read within this time is rejected.
SECONDS_PER_PICTURE = 60.0
#: The pool of this process that nobody uses at the moment, with what it was made for.
_kept: dict[tuple[WorkOrder, int], ProcessPool] = {}
_NO_SOURCE = FolderSource(root=Path(), name="")


@contextmanager
def warm_pool(order: WorkOrder, *, workers: int | None = None) -> Iterator[Pool]:
    """A pool for this order; one that was left in good order by the work before is used again.

    workers: extraction processes (None: INGEST_PROCESSES).

    For one thread of a process. A pool whose work failed is ended: what it still had in hand nobody waits for.
    """
    workers = workers or settings.INGEST_PROCESSES or default_workers()
    made_for = (replace(order, source=_NO_SOURCE), workers)
    pool = _kept.pop(made_for, None)
    end_warm_pools()  # made for something else: its memory is wanted now
    if pool is None:
        pool = ProcessPool(order, workers=workers, seconds_per_picture=SECONDS_PER_PICTURE + order.spec.patience)
    try:
        pool.turn_to(order.source)
        yield pool
    except BaseException:
        pool.close()
        raise
    _kept[made_for] = pool


def end_warm_pools() -> None:
    """End processes that wait for more work."""
    while _kept:
        _kept.popitem()[1].close()
