"""What the dispatcher does for jobs in shares: offers shares to workers, says how far they are, settles what has ended.

A message is a hint, all truth is in the store: a share offered twice is done once, one whose message was lost, or whose
worker died, is offered again. No more shares are offered than the workers will soon begin, so that an upload, which
shares their queue, waits for a few shares and not for a million pictures.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from ingest import settling as ingest
from personas.entities import Job, JobStatus, JobWish, Share
from personas.errors import TransientError
from personas.lease import LeaseBusyError, held_lease, is_held
from personas.shares import begun, lease_of, settling_lease, waiting
from personas.store.base import Store

logger = logging.getLogger(__name__)

Send = Callable[[str, tuple[str | int, ...]], None]
#: The job with what its shares say, at that moment.
Said = Callable[[Job, Sequence[Share], datetime], Job]

#: Shares offered and not begun: two more than the workers have in hand, within these bounds.
FEWEST_OFFERED, MOST_OFFERED = 4, 64
#: A share that was offered and not begun is offered again when its job has stood still for this long, doubled each
#: time. One that was begun is looked at as often: is its worker still there?
RESEND_SECONDS, LONGEST_RESEND_SECONDS = 5.0, 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Jobs of one kind. moved: while shares are being done. settled: when all have ended.

    None: whoever made the job says how far it is and ends it, and is only helped with its shares.
    """

    task: str
    moved: Said | None = None
    settled: Said | None = None


KINDS: Final = {
    "ingest": Kind(task="ingest.do_share", moved=ingest.moved, settled=ingest.settled),
    "rescore": Kind(task="training.do_share"),
}


@dataclass(slots=True)
class _Offered:
    """A share that was sent, or looked at since, at that moment."""

    at: float
    patience: float = RESEND_SECONDS


@dataclass(slots=True)
class _Watched:
    """What is remembered of a job between two looks; losing it costs a message a share."""

    progress: tuple[int, int] = (-1, -1)  #: shares that wait, attempts at them
    moved_at: float = 0.0
    offered: dict[int, _Offered] = field(default_factory=dict)


@dataclass(slots=True)
class ShareSweep:
    """Looks after the jobs of one store that are done in shares."""

    store: Store
    send: Send
    monotonic: Callable[[], float] = time.monotonic
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _watched: dict[str, _Watched] = field(default_factory=dict)

    def look(self, jobs: Sequence[Job]) -> bool:
        """One look at unfinished jobs, oldest first. What is wrong with one job never keeps others waiting.

        Returns whether there are jobs whose shares are being done. Raises TransientError, after all were looked at,
        when the store or the broker was away.
        """
        mine = [job for job in jobs if job.kind in KINDS]
        for gone in self._watched.keys() - {job.job_id for job in mine}:
            del self._watched[gone]
        away: TransientError | None = None
        for job in mine:
            try:
                self._look_at(job, KINDS[job.kind])
            except TransientError as error:
                away = error
            except Exception:
                logger.exception("a job cannot be looked after", extra={"job_id": job.job_id})
        if away:
            raise away
        return any(job.status is not JobStatus.PAUSED for job in mine)

    def _look_at(self, job: Job, kind: Kind) -> None:
        shares = self.store.shares(job.job_id)
        left = waiting(shares)
        if not left:
            self._settle(job, kind)
        elif job.wish is JobWish.PAUSE and kind.moved:
            self._pause(job, kind.moved(job, shares, self.clock()), shares)
        else:
            if kind.moved:
                self._tell(job, kind.moved(job, shares, self.clock()))
            self._offer(job, kind, left)

    def _tell(self, job: Job, moved: Job) -> None:
        if moved != job:
            self.store.put_job(replace(moved, updated_at=self.clock()))

    # ---- ending and pausing ------------------------------------------------------------------------------------------
    def _settle(self, job: Job, kind: Kind) -> None:
        """Under a lease, and from what the store says then: somebody may have had failed shares wait again."""
        if kind.settled is None:
            return
        try:
            with held_lease(self.store, settling_lease(job.job_id), clock=self.clock) as lease:
                now = self.store.job(job.job_id)
                shares = self.store.shares(job.job_id)
                if now is None or now.status.ended or waiting(shares):
                    return
                ended = kind.settled(now, shares, self.clock())
                lease.require()
                self.store.put_job(ended)
        except LeaseBusyError:
            return  # by another dispatcher, or by somebody who retries
        logger.info("job settled", extra={"job_id": job.job_id, "kind": job.kind, "status": ended.status.value})

    def _pause(self, job: Job, moved: Job, shares: Sequence[Share]) -> None:
        """Paused is what has no share in any worker's hand."""
        in_hand = [share for share in begun(shares) if self._in_hand(share)]
        if in_hand:
            message = f"Pausing: {len(in_hand)} of its parts {'is' if len(in_hand) == 1 else 'are'} being finished."
            self._tell(job, replace(moved, message=message))
        else:
            self._tell(job, replace(moved, status=JobStatus.PAUSED, message="Paused. Resume it when you like."))

    def _in_hand(self, share: Share) -> bool:
        return is_held(self.store, lease_of(share.job_id, share.number), now=self.clock())

    # ---- offering ----------------------------------------------------------------------------------------------------
    def _offer(self, job: Job, kind: Kind, left: Sequence[Share]) -> None:
        watched = self._watched.setdefault(job.job_id, _Watched())
        started = begun(left)
        progress = (len(left), sum(share.attempts for share in left))
        if progress != watched.progress:
            watched.progress, watched.moved_at = progress, self.monotonic()
        window = min(max(2 * len(started) + 2, FEWEST_OFFERED), MOST_OFFERED)
        offered = {share.number: share for share in left[:window]}
        watched.offered = {number: each for number, each in watched.offered.items() if number in offered}
        for number, share in offered.items():
            last = watched.offered.get(number)
            if last is None or self._is_lost(share, last, watched, started):
                self.send(kind.task, (job.job_id, number))
                patience = min(last.patience * 2, LONGEST_RESEND_SECONDS) if last else RESEND_SECONDS
                watched.offered[number] = _Offered(at=self.monotonic(), patience=patience)

    def _is_lost(self, share: Share, last: _Offered, watched: _Watched, started: Sequence[Share]) -> bool:
        """Whether the message, or the worker that took it, is gone for all one can tell."""
        now = self.monotonic()
        if share.attempts:
            if now - last.at < last.patience:
                return False
            if not self._in_hand(share):  # nobody came for it yet: ever more rarely, so that messages do not pile up
                return True
            last.at, last.patience = now, RESEND_SECONDS
            return False
        if now - max(last.at, watched.moved_at) < last.patience:
            return False
        if any(self._in_hand(each) for each in started):  # its workers are busy, with something large
            watched.moved_at = now
            return False
        return True
