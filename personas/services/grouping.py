"""Asking for the faces that nobody claims to be grouped now."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from personas.entities import Job, JobStatus
from personas.lease import LeaseBusyError, held_lease
from personas.selectors.groups import GROUPS_JOB, GROUPS_KIND
from personas.shares import settling_lease
from personas.store.base import Store


def ask_for_groups(*, store: Store, actor: str, at: datetime) -> Job | None:
    """Have unknown faces grouped by the next worker that is free. None: one is at it right now.

    The groups of the last run stay until the new ones are there.
    """
    try:
        with held_lease(store, settling_lease(GROUPS_JOB), clock=lambda: datetime.now(UTC)) as lease:
            job = store.job(GROUPS_JOB) or Job(
                job_id=GROUPS_JOB,
                kind=GROUPS_KIND,
                status=JobStatus.QUEUED,
                created_at=at,
                updated_at=at,
                actor=actor,
            )
            asked = replace(
                job,
                status=JobStatus.QUEUED,
                created_at=at,
                updated_at=at,
                actor=actor,
                done=0,
                total=0,
                message="Waiting for a worker.",
            )
            lease.require()
            store.put_job(asked)
            return asked
    except LeaseBusyError:
        return None
