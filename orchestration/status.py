"""How the whole installation is, from the store and this machine's disks: what the status page shows.

Nothing is asked of the broker or of another process, so a web with no way to them shows the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ingest.detector_pause import paused_until
from orchestration.disk import Place, places
from orchestration.installed import Versions, libraries, versions_in_use
from orchestration.roles import DISPATCHER, INGEST_WORKER, TRAINER_WORKER
from orchestration.signs_of_life import RoleAtWork, roles_at_work
from personas.entities import Job, JobStatus, ModelVersion
from personas.readiness import OK, WEB_CHECKS, all_ok, readiness
from personas.selectors.jobs import JobView, tag_of, view_of
from personas.selectors.learning import TRAINER_JOB, LearningState, learning_state
from personas.store.base import Store
from personas.words import count_of

#: Failures are looked for among so many of the newest jobs, and so many of them are shown.
LOOKED_THROUGH: Final = 50
FAILURES_SHOWN: Final = 10
#: Kinds of jobs that bring pictures in.
BRINGING: Final = frozenset({"ingest", "upload"})
GIGABYTE: Final = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Work that waits, and for which role."""

    title: str
    number: int
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemStatus:
    """What the page shows; `tag` changes whenever it would look different."""

    checks: Mapping[str, str]
    learning: LearningState
    last_version: ModelVersion | None
    learning_sentence: str
    waiting: tuple[Waiting, ...]
    roles: tuple[RoleAtWork, ...]
    failures: tuple[JobView, ...]
    places: tuple[Place, ...]
    versions: Versions
    libraries: Versions
    detector_paused_until: datetime | None  #: as the service that finds faces asked for; None: it did not

    @property
    def problems(self) -> tuple[str, ...]:
        """What somebody should look at, in sentences; none: all is well."""
        return tuple(_problems(self))

    @property
    def roles_missing(self) -> bool:
        """Some role has no process."""
        return not all(role.alive for role in self.roles)

    @property
    def tag(self) -> str:
        rooms = [(place.setting, place.free * 10 // GIGABYTE, place.low) for place in self.places]
        roles = [(role.name, role.n_alive, role.last_heard) for role in self.roles]
        failures = [view.tag for view in self.failures]
        learning = (self.learning.tag, self.learning_sentence, self.waiting)
        return tag_of((*learning, roles, failures, rooms, self.versions, self.checks, self.detector_paused_until))


def system_status(store: Store, *, now: datetime) -> SystemStatus:
    """Raises what the store raises when it does not answer."""
    checks = readiness(WEB_CHECKS)
    state, roles, unfinished = learning_state(store), roles_at_work(store, now=now), store.unfinished_jobs()
    newest = store.model_versions(limit=1).items
    last_version = newest[0] if newest else None
    failed = [job for job in store.jobs(limit=LOOKED_THROUGH).items if job.status is JobStatus.FAILED]
    return SystemStatus(
        checks=checks,
        learning=state,
        last_version=last_version,
        learning_sentence=why_no_newer_version(state, last_version, roles),
        waiting=_waiting(state, unfinished),
        roles=roles,
        failures=tuple(map(view_of, failed[:FAILURES_SHOWN])),
        places=places(),
        versions=versions_in_use(store, store.champion()),
        libraries=libraries(),
        detector_paused_until=paused_until(store, at=now),
    )


def why_no_newer_version(state: LearningState, last: ModelVersion | None, roles: Sequence[RoleAtWork]) -> str:
    """Why nothing newer than the last version is in use, in a sentence."""
    trainer, behind = state.trainer, state.n_events_behind
    if trainer is not None and trainer.status is JobStatus.RUNNING:
        return f"An attempt goes on now: {trainer.message}."
    if trainer is not None and trainer.status is JobStatus.FAILED:
        return f"The last attempt failed: {trainer.message}"
    if behind > 0:
        away = [role.name for role in roles if role.name in (TRAINER_WORKER, DISPATCHER) and not role.alive]
        waits = f"{count_of(behind, 'label event')} {'waits' if behind == 1 else 'wait'}"
        return f"{waits}, and no {' and no '.join(away)} is at work." if away else f"{waits} for the next attempt."
    if trainer is not None and (last is None or trainer.created_at > last.created_at):
        return f"The last attempt made no version: {trainer.message}"
    return "Nothing was said since: a new label starts the next attempt." if last else "Nothing was labelled yet."


def _waiting(state: LearningState, unfinished: Sequence[Job]) -> tuple[Waiting, ...]:
    bringing = [job for job in unfinished if job.kind in BRINGING and job.status is not JobStatus.PAUSED]
    others = [job for job in unfinished if job.kind not in BRINGING and job.job_id != TRAINER_JOB]
    pictures = sum(max(job.total - job.done, 0) for job in bringing)
    return (
        Waiting(title="Ingests and uploads", number=len(bringing), role=INGEST_WORKER),
        Waiting(title="Pictures in them, still to be read", number=pictures, role=INGEST_WORKER),
        Waiting(title="Events not learnt from", number=max(state.n_events_behind, 0), role=TRAINER_WORKER),
        Waiting(title="Batches of new pictures not named", number=state.n_batches_unscored, role=TRAINER_WORKER),
        Waiting(title="Other jobs", number=len(others), role=TRAINER_WORKER),
    )


def _problems(status: SystemStatus) -> Iterator[str]:
    if not all_ok(status.checks):
        yield from (said for said in status.checks.values() if said != OK)
    for role in status.roles:
        if not role.alive:
            ended = "ended without a word" if role.last_heard else "is not running"
            yield f"The {role.name} {ended}; what it does waits until one is started."
    for place in status.places:
        if place.low:
            yield f"{place.title}: {place.free / GIGABYTE:.1f} GB are free. Make room before pictures are refused."
    trainer = status.learning.trainer
    if trainer is not None and trainer.status is JobStatus.FAILED:
        yield "Learning stopped; the reason stands below."
