"""The dispatcher: turns facts in the store into tasks, and finds again what a broker lost.

It holds no state that matters. Each look compares how far the log has come with how far the followers have; where there
is a gap it sends one task and waits for the follower to move. A follower that moved and is still behind gets the next
task at once (labels that arrive during a fit lead to a fit right after it); one that does not move gets another task
after a while, ever more rarely. Tasks are safe to run twice, and end at once when there is nothing to do.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from orchestration.erasing_watch import ErasingWatch
from orchestration.jobs import LONGEST_RESEND_SECONDS, RESEND_SECONDS, Send, ShareSweep
from orchestration.model_rollout import ModelRollout, product_rollout
from orchestration.queues import away
from orchestration.retention import JobRetention
from personas.entities import INGEST, LABELS, Job, JobStatus
from personas.errors import TransientError
from personas.metrics import DISPATCHER_LOOKS, TASKS_SENT
from personas.selectors.erasing import ERASED_CURSOR, LOOKED_THROUGH_CURSOR, withdrawal_is_due
from personas.selectors.groups import GROUPS_JOB, grouping_is_due
from personas.selectors.learning import TRAINER_CURSOR, TRAINER_JOB
from personas.services.cut_short import settle
from personas.store.base import Store

logger = logging.getLogger(__name__)

#: Between two looks; part of what a person waits for after labelling.
LOOK_SECONDS = 0.1
#: Before the next look, after one that failed.
AFTER_FAILURE_SECONDS = 1.0
#: Between two looks for jobs (while shares are being done: as often as for labels), and the largest share of time spent
#: on them.
JOBS_SECONDS, JOBS_SHARE = 0.25, 0.1
#: Between two looks for uploads, which read a folder and a job each, and the largest share of time spent on them.
UPLOADS_SECONDS, UPLOADS_SHARE = 1.0, 0.05
#: Between two looks for projections and commands a killed process left half done.
REPAIR_SECONDS = 60.0
#: Between two looks whether the endpoint serves the version in use.
ROLLOUT_SECONDS = 5.0

#: Between two looks whether unknown faces should be grouped.
GROUPS_SECONDS = 1.0
#: Grouping lets learning go first until learning has not moved for about this long.
LONGEST_WAIT_FOR_LEARNING = 60.0

#: Between two looks for deleted pictures that are to be erased, and for versions that learnt from them; the largest
#: share of time spent on them.
ERASING_SECONDS, ERASING_SHARE = 5.0, 0.05
#: Between two sweeps for details of old jobs, and between two steps of one; the largest share of time spent on them.
RETENTION_SECONDS, RETENTION_STEP_SECONDS, RETENTION_SHARE = 3600.0, 0.2, 0.05

TRAIN, SCORE, UPLOAD = "training.train", "training.score_new_faces", "ingest.process_upload"
GROUP, ERASE = "training.group_unknown_faces", "ingest.erase_pictures"
WITHDRAW = "training.withdraw_artefacts"
#: Tasks that are sent without arguments, by the key under which they are outstanding.
FOLLOWED = frozenset({(TRAIN,), (SCORE,), (GROUP,), (ERASE,), (WITHDRAW,)})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outstanding:
    """A task that was sent for a gap that is open yet."""

    gap: object  #: how far the log had come
    follower: object  #: how far the follower had come
    sent_at: float
    patience: float  #: seconds until it counts as lost


@dataclass(slots=True)
class Dispatcher:
    """Looks at one store and sends tasks by name."""

    store: Store
    send: Send
    pending_uploads: Callable[[Store], list[str]]
    monotonic: Callable[[], float] = time.monotonic
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    deleted_kept: timedelta = timedelta(days=30)  #: how long a deleted picture can be restored
    rollout: ModelRollout | None = None  #: None: nothing is rolled out
    retention: JobRetention | None = None  #: None: details of jobs are kept for ever
    _outstanding: dict[tuple[str, ...], _Outstanding] = field(default_factory=dict)
    _uploads_at: float = float("-inf")
    _jobs_at: float = float("-inf")
    _groups_at: float = float("-inf")
    _erasing_at: float = float("-inf")
    _retention_at: float = float("-inf")
    _repaired_at: float = float("-inf")
    _rollout_at: float = float("-inf")
    _rolling_out: threading.Thread | None = None
    _asked_again_at: datetime | None = None
    _refused: TransientError | None = None  #: by the broker, during this look
    _shares: ShareSweep = field(init=False)
    _erasing: ErasingWatch = field(init=False)

    def __post_init__(self) -> None:
        self._shares = ShareSweep(self.store, self._send, self.monotonic, self.clock)
        self._erasing = ErasingWatch(self.store, self.deleted_kept, self.monotonic, self.clock)

    def look(self) -> None:
        """Compare the logs with their followers once. One part that fails never keeps the others from their turn.

        Raises, after all were looked at, what failed: of several what nobody foresaw, rather than a TransientError.
        """
        failures: list[Exception] = []
        self._refused = None
        for part in (
            self._look_at_labels,
            self._look_at_pictures,
            self._look_at_groups,
            self._look_at_uploads,
            self._look_at_jobs,
            self._look_at_deleted,
            self._look_at_projections,
            self._look_at_old_jobs,
            self._look_at_rollout,
        ):
            try:
                part()
            except Exception as error:  # noqa: BLE001  raised below
                failures.append(error)
        if failures:
            raise next((error for error in failures if not isinstance(error, TransientError)), failures[0])

    def _look_at_labels(self) -> None:
        said, learnt = self.store.head(LABELS), self.store.cursor(TRAINER_CURSOR)
        if said > learnt:
            self._offer(TRAIN, gap=said, follower=learnt)
        else:
            self._outstanding.pop((TRAIN,), None)

    def _look_at_pictures(self) -> None:
        champion, ingested = self.store.champion(), self.store.head(INGEST)
        scored = self.store.fresh_through(champion.version) if champion else ingested
        if champion and ingested > scored:
            self._offer(SCORE, gap=(champion.version, ingested), follower=(champion.version, scored))
        else:
            self._outstanding.pop((SCORE,), None)

    def _look_at_groups(self) -> None:
        """Learning and naming come first: they change who is unknown, and people wait for them. Not for ever: they may
        fail again and again."""
        first = [self._outstanding.get((task,)) for task in (TRAIN, SCORE)]
        if any(each and each.patience < LONGEST_WAIT_FOR_LEARNING for each in first):
            return
        if self.monotonic() < self._groups_at:
            return
        self._groups_at = self.monotonic() + GROUPS_SECONDS
        job, champion, ingested = self.store.job(GROUPS_JOB), self.store.champion(), self.store.head(INGEST)
        revision = champion.revision if champion else 0
        if grouping_is_due(job, revision=revision, ingested=ingested, now=self.clock()):
            run = job.detail.get("run", 0) if job else 0
            self._offer(GROUP, gap=(revision, ingested), follower=run)
        else:
            self._outstanding.pop((GROUP,), None)

    def _look_at_uploads(self) -> None:
        if self.monotonic() < self._uploads_at:
            return
        began = self.monotonic()
        pending = self.pending_uploads(self.store)
        took = self.monotonic() - began
        self._uploads_at = self.monotonic() + max(UPLOADS_SECONDS, took / UPLOADS_SHARE)
        for gone in self._outstanding.keys() - {*FOLLOWED, *((UPLOAD, job_id) for job_id in pending)}:
            del self._outstanding[gone]
        for job_id in pending:
            self._offer(UPLOAD, job_id, gap=None, follower=None)

    def _look_at_jobs(self) -> None:
        if self.monotonic() < self._jobs_at:
            return
        began = self.monotonic()
        jobs = self.store.unfinished_jobs()
        for job in jobs:
            if job.job_id == TRAINER_JOB and job.status is JobStatus.QUEUED:
                self._train_again(job)
        at_work = self._shares.look(jobs)
        took = self.monotonic() - began
        self._jobs_at = self.monotonic() + max(LOOK_SECONDS if at_work else JOBS_SECONDS, took / JOBS_SHARE)

    def _look_at_deleted(self) -> None:
        if self.monotonic() < self._erasing_at:
            return
        began = self.monotonic()
        self._erasing_at = began + ERASING_SECONDS
        erased = self.store.cursor(ERASED_CURSOR)
        is_due = self._erasing.is_due()
        took = self.monotonic() - began
        self._erasing_at = self.monotonic() + max(ERASING_SECONDS, took / ERASING_SHARE)
        if is_due:
            self._offer(ERASE, gap=self._erasing.through, follower=erased)
        else:
            self._outstanding.pop((ERASE,), None)
        if withdrawal_is_due(self.store):
            self._offer(WITHDRAW, gap=erased, follower=self.store.cursor(LOOKED_THROUGH_CURSOR))
        else:
            self._outstanding.pop((WITHDRAW,), None)

    def _look_at_old_jobs(self) -> None:
        if self.retention is None or self.monotonic() < self._retention_at:
            return
        began = self.monotonic()
        self._retention_at = began + RETENTION_SECONDS  # also after a failure
        if self.retention.step():
            took = self.monotonic() - began
            self._retention_at = self.monotonic() + max(RETENTION_STEP_SECONDS, took / RETENTION_SHARE)

    def _look_at_projections(self) -> None:
        if self.monotonic() - self._repaired_at > REPAIR_SECONDS:
            self._repaired_at = self.monotonic()
            if repaired := self.store.repair():
                logger.warning("projections completed", extra={"events": repaired})
            if settled := settle(store=self.store, now=self.clock()):
                logger.warning("commands that were cut short were taken back", extra={"commands": settled})

    def _look_at_rollout(self) -> None:
        """In a thread of its own: it waits for Azure, and nothing else shall."""
        if self.rollout is None or self.monotonic() < self._rollout_at:
            return
        self._rollout_at = self.monotonic() + ROLLOUT_SECONDS
        if (self._rolling_out is None or not self._rolling_out.is_alive()) and self.rollout.is_due():
            self._rolling_out = threading.Thread(target=self._roll_out, args=(self.rollout,), daemon=True)
            self._rolling_out.start()

    def _roll_out(self, rollout: ModelRollout) -> None:
        try:
            rollout.run()
        finally:
            self.store.close()  # this thread's connection

    def _train_again(self, job: Job) -> None:
        """Somebody asked for a failed training once more: it need not wait as long as the failures would have it."""
        if self.store.head(LABELS) <= self.store.cursor(TRAINER_CURSOR):
            message = "Nothing was said since the last attempt."
            self.store.put_job(replace(job, status=JobStatus.DONE, message=message, updated_at=self.clock()))
        elif job.updated_at != self._asked_again_at:
            self._asked_again_at = job.updated_at
            self._outstanding.pop((TRAIN,), None)

    def _offer(self, task: str, *arguments: str, gap: object, follower: object) -> None:
        """Send, unless the last one sent for this is still on its way or at work.

        A follower that has not moved for RESEND_SECONDS after its task was sent is sent another one: the task was lost,
        or it failed. Doubled each time as long as nothing else changes.
        """
        last = self._outstanding.get((task, *arguments))
        patience = RESEND_SECONDS
        if last and last.follower == follower:
            # News behind a task that keeps failing is worth a try sooner than the failure alone.
            waited, news = self.monotonic() - last.sent_at, last.gap != gap
            if waited < (RESEND_SECONDS if news else last.patience):
                return
            patience = RESEND_SECONDS if news else min(last.patience * 2, LONGEST_RESEND_SECONDS)
        self._send(task, arguments)
        self._outstanding[task, *arguments] = _Outstanding(
            gap=gap, follower=follower, sent_at=self.monotonic(), patience=patience
        )

    def _send(self, task: str, arguments: tuple[str | int, ...]) -> None:
        """A broker that does not answer is asked once a look: each time takes seconds, and a look is soon over."""
        if self._refused:
            raise TransientError(str(self._refused)) from self._refused
        try:
            self.send(task, arguments)
        except TransientError as error:
            self._refused = error
            raise

    def run(self, should_stop: Callable[[], bool]) -> None:
        """Look until told to stop, whatever a look ends with: a store or broker that is away is waited for, and what
        nobody foresaw is logged and may be gone a second later, on a new connection."""
        logger.info("dispatcher started")
        while not should_stop():
            try:
                self.look()
                DISPATCHER_LOOKS.labels("done").inc()
            except TransientError as error:
                DISPATCHER_LOOKS.labels("put_off").inc()
                logger.warning("the dispatcher waits: %s", error)
                time.sleep(AFTER_FAILURE_SECONDS)
            except Exception:
                DISPATCHER_LOOKS.labels("errored").inc()
                logger.exception("a look ended with an error")
                self.store.close()  # the next look has a new connection
                time.sleep(AFTER_FAILURE_SECONDS)
            time.sleep(LOOK_SECONDS)


def send_by_celery(task: str, arguments: tuple[str | int, ...]) -> None:
    """Put a task on its queue. Raises TransientError, within some seconds, when the broker is away."""
    from celery import current_app
    from kombu.exceptions import OperationalError

    try:
        current_app.send_task(task, args=arguments)
    except (OperationalError, OSError) as error:
        raise away(error) from error
    TASKS_SENT.labels(task).inc()


def product_dispatcher(ending: threading.Event) -> Dispatcher:
    """The dispatcher of this installation. ending: set when the process is to end."""
    from django.conf import settings

    from ingest.uploads import pending_uploads
    from personas.store import get_store

    store, days = get_store(), settings.JOBS_KEPT_DAYS
    return Dispatcher(
        store,
        send_by_celery,
        pending_uploads,
        deleted_kept=timedelta(days=settings.DELETED_KEPT_DAYS),
        rollout=product_rollout(ending.wait),
        retention=JobRetention(store, timedelta(days=days)) if days > 0 else None,
    )
