"""What a share of an ingest refused: the first few in the store, all of it in a file that the store names."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings

from ingest.rejections import Rejection
from ingest.settling import COUNTS, most_frequent
from ingest.summary import IngestSummary
from personas.entities import Job
from personas.media import MediaFolder
from personas.store.base import Store

#: Rejections kept in the result of a share, and characters of each text: a row of the store must stay small.
SHOWN_A_SHARE, SHOWN_CHARACTERS = 10, 500


def reports() -> MediaFolder:
    """Where full lists of what was rejected lie."""
    return MediaFolder(Path(settings.MEDIA_ROOT), "reports")


def report_of(rejections: Sequence[Rejection]) -> dict[str, Any]:
    """What the result of a share says of its rejections: how many, why, the first, and the file that has them all."""
    lines = [asdict(each) for each in rejections]
    shown = [{name: text[:SHOWN_CHARACTERS] for name, text in line.items()} for line in lines[:SHOWN_A_SHARE]]
    content = gzip.compress("\n".join(json.dumps(line, separators=(",", ":")) for line in lines).encode(), mtime=0)
    return {
        "n_rejected": len(lines),
        "reasons": dict(sorted(Counter(each.reason for each in rejections).items())),
        "rejected": shown,
        "report": reports().put(content) if shown != lines else "",
    }


def result_of(summary: IngestSummary) -> dict[str, Any]:
    """The result of a share that took pictures in."""
    counts = {name: getattr(summary, name) for name in COUNTS}
    return {**counts, "categories": most_frequent(summary.categories), **report_of(summary.rejected)}


def rejected_in(result: Mapping[str, Any]) -> Iterator[Rejection]:
    """All that a share refused. Raises MediaMissingError."""
    if result.get("report"):
        lines: Iterable[Any] = map(json.loads, gzip.decompress(reports().read(str(result["report"]))).splitlines())
    else:
        lines = result.get("rejected", ())
    for line in lines:
        yield Rejection(**line)


def rejected_by(store: Store, job: Job) -> Iterator[Rejection]:
    """All that a job refused, share by share; of one that has no shares, what it says itself."""
    shares = store.shares(job.job_id)
    for result in [share.result for share in shares] if shares else [job.detail]:
        yield from rejected_in(result)
