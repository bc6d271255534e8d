"""The version in use is what the endpoint serves: looks whether it is, and rolls it out where it is not.

The dispatcher asks `is_due` and runs `run` in a thread: Azure takes minutes for each step, and the queue of the
trainer-worker is no place to wait (a fit would wait for Azure, or a way back for a fit). A lease lets one process do it
at a time. What was done is read from Azure, so a kill loses nothing; what it means for people is in one job record.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from orchestration.azure.machine_learning_bodies import Release
from personas.entities import AuditEntry, Champion, Job, JobStatus, ModelVersion
from personas.errors import FaceProjectError, NotFoundError, TransientError
from personas.lease import LeaseBusyError, held_lease
from personas.store.base import Store
from training.deployment import (
    DEPLOYMENT_JOB,
    DEPLOYMENT_KIND,
    Deployment,
    DeploymentState,
    changed,
    recorded_in,
    to_detail,
)
from training.promotion import TARGET

if TYPE_CHECKING:
    from orchestration.azure.machine_learning import Seen
    from orchestration.azure.rollout import Rollout

logger = logging.getLogger(__name__)

LEASE: Final = "model-rollout"
#: In the audit log.
DEPLOYED, NOT_DEPLOYED = "version_deployed", "version_not_deployed"
ACTOR: Final = "dispatcher"
#: What a version took over from stays deployed this long, to go back to.
KEEP_BEFORE: Final = timedelta(hours=1)
#: A version is tried so often, first after this long, doubled each time; then not before it is put in use again.
MAX_ATTEMPTS, FIRST_WAIT = 3, timedelta(minutes=10)
#: A roll-out that takes longer has failed.
LONGEST: Final = timedelta(hours=3)
#: How often the endpoint is looked at when all is as it should be: somebody may have changed it.
CHECK_EVERY: Final = timedelta(minutes=10)
#: Times in a row that Azure or the store may be away before a run ends, and is begun anew later.
MAX_AWAY: Final = 5
#: Answers of Azure that say nothing about a version. 409 is not one: a quota that is too small is told by it, too.
PASSING_STATUSES: Final = frozenset({408, 412, 429, 500, 502, 503, 504})
#: Shares of the way that a job shows.
STEPS: Final = 4


@dataclass(slots=True, kw_only=True)
class ModelRollout:
    """Keeps one endpoint at the champion of one store.

    make: the steps, given what raises when the lease is lost and what is told of each look. export: writes the folder
    of a version to the share. pause: waits that many seconds; True: end.
    """

    store: Store
    endpoint: str
    make: Callable[[Callable[[], None], Callable[[Seen], None]], Rollout]
    export: Callable[[Release], None]
    pause: Callable[[float], bool]
    poll_seconds: float
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _looked_at: datetime | None = field(default=None, init=False)
    _away: int = field(default=0, init=False)

    # ---- whether -----------------------------------------------------------------------------------------------------
    def is_due(self) -> bool:
        """Whether there is something to do, or to look at again."""
        champion, job, now = self.store.champion(), self.store.job(DEPLOYMENT_JOB), self.clock()
        if champion is None:
            return False
        record = recorded_in(job).get(champion.version)
        if job is None or record is None or not job.status.ended:
            return True
        if record.state is DeploymentState.FAILED:
            return _tries_again(record, champion, now)
        if record.state is not DeploymentState.SERVING or (self._before(job, record) and self._retires(record)):
            return True
        return self._looked_at is None or now - self._looked_at > CHECK_EVERY

    @staticmethod
    def _before(job: Job, record: Deployment) -> bool:
        others = (each for each in recorded_in(job).values() if each.version != record.version)
        return any(each.state in (DeploymentState.STANDING_BY, DeploymentState.SERVING) for each in others)

    def _retires(self, record: Deployment) -> bool:
        return record.state is DeploymentState.SERVING and self.clock() - record.since > KEEP_BEFORE

    # ---- do ----------------------------------------------------------------------------------------------------------
    def run(self) -> None:
        """Step by step until the endpoint is as it should be, or is not to be changed now. Never raises."""
        try:
            with held_lease(self.store, LEASE, clock=self.clock) as lease:
                rollout = self.make(lease.require, self._show)
                self._away = 0
                while (seconds := self._guarded(rollout)) is not None:
                    if self.pause(seconds):
                        return
        except LeaseBusyError:
            logger.debug("another process rolls out")
        except TransientError as error:
            logger.warning("the roll-out waits: %s", error)
        except Exception:
            logger.exception("the roll-out ended with an error")

    def _guarded(self, rollout: Rollout) -> float | None:
        """One step; seconds until the next, None: that was the last."""
        try:
            seconds = self._step(rollout)
        except FaceProjectError as error:
            if not _passes(error):
                raise
            self._away += 1
            logger.warning("Azure Machine Learning is asked again: %s", error)
            return None if self._away >= MAX_AWAY else self.poll_seconds * 2**self._away
        self._away = 0
        return seconds

    def _step(self, rollout: Rollout) -> float | None:
        from orchestration.azure.errors import RefusedError
        from orchestration.azure.rollout import Outcome, RolloutFailedError

        champion = self.store.champion()
        if champion is None:
            return None
        release = release_of(self._version(champion.version))
        record = self._begun(champion)
        if record.state is DeploymentState.FAILED:
            return self._back(rollout, release, record)
        try:
            if record.state is DeploymentState.ROLLING_OUT and self.clock() - record.since > LONGEST:
                raise RolloutFailedError(f"It took longer than {LONGEST}.")
            outcome = rollout.forward(
                release,
                lambda: self.export(release),
                confirmed=record.state is DeploymentState.SERVING,
                retire=self._retires(record),
            )
        except (RolloutFailedError, RefusedError) as error:
            if _passes(error):
                raise
            self._failed(record, str(error))
            return 0.0
        if outcome is Outcome.CONFIRMED:
            self._confirmed(champion.version)
            return 0.0
        if outcome is Outcome.STANDS:
            self._looked_at = self.clock()
            self._put({}, JobStatus.DONE)
            return None
        return self.poll_seconds

    def _back(self, rollout: Rollout, release: Release, record: Deployment) -> float | None:
        from orchestration.azure.errors import RefusedError
        from orchestration.azure.rollout import Outcome

        message = record.sentence
        try:
            if rollout.back(release) is not Outcome.STANDS:
                return self.poll_seconds
        except RefusedError as error:
            if _passes(error):
                raise
            message = f"{message} The way back was refused: {error}"
            logger.warning(message, extra={"version": record.version})
        self._looked_at = self.clock()
        self._put({record.version: record}, JobStatus.FAILED, message)
        return None

    # ---- what is recorded --------------------------------------------------------------------------------------------
    def _begun(self, champion: Champion) -> Deployment:
        """The record of the champion, which may be a new try."""
        job, now = self.store.job(DEPLOYMENT_JOB), self.clock()
        record = recorded_in(job).get(champion.version)
        if record is not None and (
            record.state is DeploymentState.SERVING
            or (record.state is DeploymentState.ROLLING_OUT and record.revision == champion.revision)
        ):
            return record
        asked = job is not None and job.status is JobStatus.QUEUED
        attempts = 0
        if record is not None and record.state is DeploymentState.FAILED:
            if not (asked or _tries_again(record, champion, now)) or (
                job is not None and not job.status.ended and not asked
            ):
                return record
            attempts = 0 if asked or record.revision != champion.revision else record.attempts
        begun = Deployment(
            version=champion.version,
            endpoint=self.endpoint,
            state=DeploymentState.ROLLING_OUT,
            since=now,
            attempts=attempts,
            revision=champion.revision,
        )
        self._put({champion.version: begun}, JobStatus.RUNNING)
        logger.info("a version is rolled out", extra={"version": champion.version, "endpoint": self.endpoint})
        return begun

    def _failed(self, record: Deployment, reason: str) -> None:
        """Written before the way back is begun: whoever comes after a kill goes back, too."""
        now, attempts = self.clock(), record.attempts + 1
        failed = replace(
            record, state=DeploymentState.FAILED, since=now, reason=reason, attempts=attempts, traffic=0, mirrored=0
        )
        self._put({record.version: failed}, JobStatus.RUNNING, failed.sentence)
        self._audit(NOT_DEPLOYED, failed, {"reason": reason, "attempt": attempts})
        logger.warning("a version is taken back: %s", reason, extra={"version": record.version, "attempt": attempts})

    def _confirmed(self, version: int) -> None:
        record = recorded_in(self.store.job(DEPLOYMENT_JOB))[version]
        serving = replace(record, state=DeploymentState.SERVING, since=self.clock(), attempts=0)
        self._put({version: serving}, JobStatus.DONE)
        self._audit(DEPLOYED, serving, {"deployment": serving.name})
        logger.info("a version serves", extra={"version": version, "endpoint": self.endpoint})

    def _show(self, seen: Seen) -> None:
        """Bring the record to what the endpoint says."""
        known, now, champion = recorded_in(self.store.job(DEPLOYMENT_JOB)), self.clock(), self.store.champion()
        in_use = champion.version if champion else None
        lanes = {lane.version: lane for lane in seen.lanes.values() if lane.version}
        after: dict[int, Deployment] = {}
        for number, record in known.items():
            gone = number not in lanes and record.state is not DeploymentState.RETIRED
            if gone and not _is_only_recorded(record, in_use):
                after[number] = replace(record, state=DeploymentState.RETIRED, traffic=0, mirrored=0, since=now)
        for number, lane in lanes.items():
            before = known.get(number)
            state = DeploymentState.SERVING if lane.share else DeploymentState.STANDING_BY
            if before is not None and _is_only_recorded(before, in_use):
                state = before.state
            base = before or Deployment(version=number, endpoint=self.endpoint, state=state, since=now)
            if state is not DeploymentState.FAILED:
                looks = replace(base, state=state, name=lane.colour, traffic=lane.share, mirrored=lane.mirrored)
                since = base.since if state is DeploymentState.ROLLING_OUT else now
                after[number] = changed(before, replace(looks, since=since))
        if any(known.get(number) != each for number, each in after.items()):
            self._put(after, JobStatus.RUNNING)

    def _put(self, said: Mapping[int, Deployment], status: JobStatus, message: str = "") -> None:
        job, now = self.store.job(DEPLOYMENT_JOB), self.clock()
        known = {**recorded_in(job), **said}
        champion = self.store.champion()
        current = known.get(champion.version) if champion else None
        after = Job(
            job_id=DEPLOYMENT_JOB,
            kind=DEPLOYMENT_KIND,
            status=status,
            created_at=job.created_at if job else now,
            updated_at=now,
            actor=ACTOR,
            done=_steps_done(current),
            total=STEPS,
            message=message or (current.sentence if current else ""),
            detail=to_detail(known),
        )
        if job is None or replace(after, updated_at=job.updated_at, wish=job.wish) != job:
            self.store.put_job(after)

    def _audit(self, action: str, record: Deployment, detail: Mapping[str, object]) -> None:
        self.store.add_audit(
            AuditEntry(
                at=self.clock(),
                actor=ACTOR,
                action=action,
                target=f"{TARGET}{record.version}",
                detail={"endpoint": record.endpoint, **detail},
            )
        )

    def _version(self, number: int) -> ModelVersion:
        version = self.store.model_version(number)
        if version is None:
            raise NotFoundError(f"There is no version {number}, though it is champion.")
        return version


def release_of(version: ModelVersion) -> Release:
    """What Azure Machine Learning is told of a version: numbers and hashes."""
    metrics = {
        name: float(value)
        for name, value in version.metrics.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    return Release(
        version=version.version,
        embedder=version.embedder,
        data_hash=version.data_hash,
        artefact=version.artefact,
        metrics=metrics,
        folder=f"exported/{version.version}-{version.artefact[:12]}",
    )


def _tries_again(record: Deployment, champion: Champion, now: datetime) -> bool:
    """A version that failed: it was put in use anew, or has waited long enough, not too often."""
    if record.revision != champion.revision:
        return True
    waits = FIRST_WAIT * 2 ** (record.attempts - 1)
    return record.attempts < MAX_ATTEMPTS and now - record.since >= waits


def _is_only_recorded(record: Deployment, in_use: int | None) -> bool:
    """Whether its state is one that no endpoint tells: it failed, or is the one that is rolled out."""
    on_its_way = record.state is DeploymentState.ROLLING_OUT and record.version == in_use
    return on_its_way or record.state is DeploymentState.FAILED


def _steps_done(record: Deployment | None) -> int:
    if record is None or record.state is DeploymentState.FAILED:
        return 0
    if record.state is DeploymentState.SERVING:
        return STEPS
    return 3 if record.traffic == 100 else 2 if record.traffic else 1 if record.mirrored else 0


def _passes(error: FaceProjectError) -> bool:
    """Whether it says nothing about the version: the store, the network or Azure is away or busy."""
    from orchestration.azure.errors import PASSING, RefusedError, UnreachableError

    if isinstance(error, RefusedError):
        return error.code in PASSING or getattr(error.__cause__, "status_code", None) in PASSING_STATUSES
    return isinstance(error, TransientError | UnreachableError)


def product_rollout(pause: Callable[[float], bool]) -> ModelRollout | None:
    """That of this installation; None where the settings name no endpoint. Raises DeploymentError, NoTokenError."""
    from django.conf import settings

    if not settings.AZUREML_ENDPOINT:
        return None
    from orchestration.azure.clients import Azure
    from orchestration.azure.endpoint_probes import EndpointWatch
    from orchestration.azure.machine_learning import MachineLearning
    from orchestration.azure.machine_learning_bodies import Target
    from orchestration.azure.rollout import Rollout
    from orchestration.scorer.tokens import tokens_of_installation
    from personas.store import get_store
    from training.services import export_model

    target = Target(
        workspace=settings.AZUREML_WORKSPACE,
        endpoint=settings.AZUREML_ENDPOINT,
        datastore=settings.AZUREML_DATASTORE,
        path=settings.AZUREML_DATASTORE_PATH,
        image=settings.AZUREML_IMAGE,
        instance=settings.AZUREML_INSTANCE,
        instances=settings.AZUREML_INSTANCES,
        scorer_token=settings.AZUREML_SCORER_TOKEN,
    )
    azure = Azure(cloud=settings.AZURE_CLOUD, subscription=target.subscription, environment=settings.AZURE_ENVIRONMENT)
    service = MachineLearning(azure, target)
    watch = EndpointWatch(
        key=service.key,
        scorer_token=tokens_of_installation()[0],
        ca_bundle=azure.ca_bundle,
        pause_seconds=settings.AZUREML_PROBE_SECONDS,
    )

    def export(release: Release) -> None:
        export_model(folder=Path(settings.MEDIA_ROOT) / release.folder, version=release.version, with_names=False)

    return ModelRollout(
        store=get_store(),
        endpoint=target.endpoint,
        make=lambda require, show: Rollout(azure=service, watch=watch, require=require, show=show),
        export=export,
        pause=pause,
        poll_seconds=azure.poll_seconds,
    )
