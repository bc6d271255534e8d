"""Shares of a job: parts that any worker may take, one worker at a time, and do again with the same result.

A share is done under a lease of its own. A worker that dies leaves the share waiting, and the lease runs out; whoever
does it next begins it anew, so what a share writes must be an upsert. A share that ended its worker MAX_ATTEMPTS times
is set aside: it fails, says so, and the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from personas.entities import JobWish, Share, ShareStatus
from personas.errors import FaceProjectError, TransientError
from personas.lease import Lease, held_lease
from personas.patience import patiently
from personas.store.base import Store

#: A share is begun this often at most.
MAX_ATTEMPTS = 3

#: The rate of a job is that of its shares that ended this long ago at most, when they are this many.
RATE_OVER, RATE_SHARES = timedelta(seconds=300), 3

#: Does a share and returns its result; calls `lease.require()` before a step that only its holder may take.
Doer = Callable[[Share, Lease], Mapping[str, Any]]


def lease_of(job_id: str, number: int) -> str:
    """Name of the lease under which a share is done."""
    return f"share:{job_id}:{number}"


def settling_lease(job_id: str) -> str:
    """Name of the lease under which a job ends, or is made to go on after its end."""
    return f"job:{job_id}"


def do_share(
    store: Store, job_id: str, number: int, *, do: Doer, clock: Callable[[], datetime], attempts: int = MAX_ATTEMPTS
) -> Share | None:
    """Do a share that waits; returns it as it ended, or None where there is nothing to do now.

    There is nothing to do when the job is not there, has ended or is wished to pause, or the share has ended. A failure
    that may pass (TransientError, and OSError, raised as one: a folder that is away for a while) leaves the share
    waiting, without counting the attempt, and is raised; another anticipated one ends this share alone, as failed, with
    its message. Raises LeaseBusyError when another worker is at it, LeaseLostError when another one took it over.
    """
    job = store.job(job_id)
    if job is None or job.status.ended or job.wish is JobWish.PAUSE:
        return None
    with held_lease(store, lease_of(job_id, number), clock=clock) as lease:
        share = store.share(job_id, number)
        if share is None or share.status is not ShareStatus.WAITING:
            return None

        def put(share: Share, **changes: Any) -> Share:
            lease.require()
            changed = replace(share, updated_at=clock(), **changes)
            store.put_shares([changed])
            return changed

        def hand_back() -> None:
            """The attempt is not counted, also where it was the store that was away, and is back within a minute."""
            patiently(put, share)

        if share.attempts >= attempts:
            why = f"It was begun {share.attempts} times and never ended: it seems to end the worker that does it."
            return put(share, status=ShareStatus.FAILED, message=share.message or why)
        started = put(share, attempts=share.attempts + 1)
        try:
            result = do(started, lease)
        except TransientError:
            hand_back()
            raise
        except OSError as error:  # of the product's own files, or of the source: it says nothing of this share
            hand_back()
            raise TransientError(f"A file of this share cannot be used ({error.strerror or error}).") from error
        except FaceProjectError as error:
            return put(started, status=ShareStatus.FAILED, message=str(error))
        return put(started, status=ShareStatus.DONE, message="", result=result)


def waiting(shares: Iterable[Share]) -> list[Share]:
    """Shares nobody has ended yet."""
    return [share for share in shares if share.status is ShareStatus.WAITING]


def begun(shares: Iterable[Share]) -> list[Share]:
    """Shares that are in a worker's hand, or in that of one that died."""
    return [share for share in shares if share.status is ShareStatus.WAITING and share.attempts]


def n_done(shares: Iterable[Share]) -> int:
    """Things in shares that are done."""
    return sum(share.total for share in shares if share.status is ShareStatus.DONE)


def per_second(shares: Iterable[Share], *, at: datetime) -> float | None:
    """Things done a second of late, by whoever did them; None: too little was done of late to say."""
    ended = sorted(
        (share.updated_at, share.total)
        for share in shares
        if share.status is ShareStatus.DONE and share.total and share.updated_at > at - RATE_OVER
    )
    if len(ended) < RATE_SHARES:
        return None
    took = (ended[-1][0] - ended[0][0]).total_seconds()
    return round(sum(total for _, total in ended[1:]) / took, 2) if took > 0 else None


def wait_again(store: Store, shares: Iterable[Share], *, at: datetime) -> int:
    """Have failed shares done once more, with all their attempts; returns how many."""
    again = [
        replace(share, status=ShareStatus.WAITING, attempts=0, updated_at=at, message="")
        for share in shares
        if share.status is ShareStatus.FAILED
    ]
    store.put_shares(again)
    return len(again)
