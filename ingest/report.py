"""What a share of an ingest refused: the first few in the store, all of it in a file that the store names."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from typing import Any

from ingest.job_files import reports_of
from ingest.rejections import Rejection
from ingest.settling import COUNTS, most_frequent
from ingest.summary import IngestSummary
from personas.entities import Job
from personas.errors import NotFoundError
from personas.services.jobs import REMOVED_AFTER_DAYS
from personas.store.base import Store

#: Rejections kept in the result of a share, and characters of each text: a row of the store must stay small.
SHOWN_A_SHARE, SHOWN_CHARACTERS = 10, 500


def report_of(rejections: Sequence[Rejection], *, job_id: str) -> dict[str, Any]:
    """What the result of a share says of its rejections: how many, why, the first, and the file that has them all."""
    lines = [asdict(each) for each in rejections]
    shown = [{name: text[:SHOWN_CHARACTERS] for name, text in line.items()} for line in lines[:SHOWN_A_SHARE]]
    content = gzip.compress("\n".join(json.dumps(line, separators=(",", ":")) for line in lines).encode(), mtime=0)
    return {
        "n_rejected": len(lines),
        "reasons": dict(sorted(Counter(each.reason for each in rejections).items())),
        "rejected": shown,
        "report": reports_of(job_id).put(content) if shown != lines else "",
    }


def result_of(summary: IngestSummary, *, job_id: str) -> dict[str, Any]:
    """The result of a share that took pictures in."""
    counts = {name: getattr(summary, name) for name in COUNTS}
    report = report_of(summary.rejected, job_id=job_id)
    return {**counts, "categories": most_frequent(summary.categories), **report}


def rejected_in(result: Mapping[str, Any], *, job_id: str) -> Iterator[Rejection]:
    """All that a share refused. Raises MediaMissingError."""
    if result.get("report"):
        content = reports_of(job_id).read(str(result["report"]))
        lines: Iterable[Any] = map(json.loads, gzip.decompress(content).splitlines())
    else:
        lines = result.get("rejected", ())
    for line in lines:
        yield Rejection(**line)


def rejected_by(store: Store, job: Job) -> Iterator[Rejection]:
    """All that a job refused, share by share; of one that has no shares, what it says itself.

    Raises NotFoundError when that was removed, as it is of jobs that ended long ago.
    """
    if REMOVED_AFTER_DAYS in job.detail:
        raise NotFoundError(
            "The full list of what this job did not take was removed, as its other details were. The job's page shows "
            "the first; to have the list anew, read the source again."
        )
    shares = store.shares(job.job_id)
    results = [share.result for share in shares] if shares else [job.detail]
    return chain.from_iterable(rejected_in(result, job_id=job.job_id) for result in results)
