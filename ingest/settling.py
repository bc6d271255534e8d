"""How far an ingest in shares has come, and what is said of it at its end. Pure over the job and its shares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from personas.entities import Job, JobStatus, Share, ShareStatus
from personas.shares import n_done, per_second
from personas.words import count_of

#: Numbers that are summed over shares. A content that lies in two shares counts in both.
COUNTS = ("pictures", "new", "known", "faces", "no_face", "labels", "truths", "labels_kept")
#: Categories of sidecars that are kept, the most frequent: anybody may write any into a sidecar.
MAX_CATEGORIES = 50
#: Rejections that a job shows; all of them can be downloaded.
SHOWN_A_JOB = 100


def moved(job: Job, shares: Sequence[Share], at: datetime) -> Job:
    """The job as its shares have it now. shares: the first one lists the source."""
    done = n_done(shares)
    total = sum(share.total for share in shares)
    listing = shares[0].status is ShareStatus.WAITING
    n_failed = sum(share.status is ShareStatus.FAILED for share in shares)
    where = "Looking at the addresses" if "addresses" in job.detail else "Listing the folder"
    message = f"{where}, and looking for faces meanwhile." if listing else "Looking for faces."
    message += f" {count_of(n_failed, 'part')} failed so far." if n_failed else ""
    detail = {
        **job.detail,
        "listing": listing,
        "parts": len(shares) - 1,
        "n_failed": n_failed,
        "per_second": per_second(shares, at=at),
        **totals(shares),
    }
    return replace(job, status=JobStatus.RUNNING, done=done, total=total, message=message, detail=detail)


def settled(job: Job, shares: Sequence[Share], at: datetime) -> Job:
    """The job at its end: all shares have ended."""
    job = moved(job, shares, at)
    failed = [share for share in shares if share.status is ShareStatus.FAILED]
    counts = job.detail
    rejected = [each for share in shares for each in share.result.get("rejected", ())]
    detail = {**counts, "rejected": rejected[:SHOWN_A_JOB], "per_second": None}
    taken = f"{count_of(counts['pictures'], 'picture')} with {count_of(counts['faces'], 'face')} taken in"
    taken += f"; {counts['known']} known before" if counts["known"] else ""
    taken += f"; {count_of(counts['n_rejected'], 'file')} rejected" if counts["n_rejected"] else ""
    if not failed:
        return replace(job, status=JobStatus.DONE, message=f"{taken}.", detail=detail, updated_at=at)
    what = "The listing" if failed[0] is shares[0] else f"{len(failed)} of {count_of(len(shares) - 1, 'part')}"
    message = f"{what} failed: {failed[0].message} {taken}."
    return replace(job, status=JobStatus.FAILED, message=message, detail=detail, updated_at=at)


def totals(shares: Iterable[Share]) -> dict[str, Any]:
    """Counts over the shares that are done."""
    sums: Counter[str] = Counter(dict.fromkeys((*COUNTS, "n_rejected"), 0))
    reasons: Counter[str] = Counter()
    categories: Counter[str] = Counter()
    for share in shares:
        result = share.result
        sums.update({name: result.get(name, 0) for name in sums})
        reasons.update(result.get("reasons", {}))
        categories.update(result.get("categories", {}))
    return {**sums, "reasons": dict(sorted(reasons.items())), "categories": most_frequent(categories)}


def most_frequent(categories: Mapping[str, int]) -> dict[str, int]:
    """MAX_CATEGORIES of them at most, by name."""
    return dict(sorted(Counter(categories).most_common(MAX_CATEGORIES)))
