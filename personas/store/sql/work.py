"""Jobs and their shares, cursors, leases and the audit log, in SQL."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from django.db import IntegrityError
from django.db.models import QuerySet

from personas.entities import AuditEntry, Job, JobStatus, JobWish, Share, ShareStatus, Slice
from personas.store.sql.connection import R, SqlConnection, as_slice, to_json, translating, unknown_cursor
from personas.store.sql.models import AuditRow, CursorRow, JobRow, LeaseRow, ShareRow

JOB_FIELDS = ("kind", "status", "created_at", "updated_at", "actor", "done", "total", "message", "detail")
SHARE_FIELDS = ("status", "updated_at", "attempts", "total", "message", "work", "result")
UNFINISHED = [status.value for status in JobStatus if not status.ended]


def to_job(row: JobRow) -> Job:
    return Job(
        job_id=row.job_id,
        kind=row.kind,
        status=JobStatus(row.status),
        created_at=row.created_at,
        updated_at=row.updated_at,
        actor=row.actor,
        done=row.done,
        total=row.total,
        message=row.message,
        detail=json.loads(row.detail),
        wish=JobWish(row.wish),
    )


def to_job_row(job: Job) -> JobRow:
    return JobRow(
        job_id=job.job_id,
        kind=job.kind,
        status=job.status.value,
        created_at=job.created_at,
        updated_at=job.updated_at,
        actor=job.actor,
        done=job.done,
        total=job.total,
        message=job.message,
        detail=to_json(dict(job.detail)),
    )


def to_share(row: ShareRow) -> Share:
    return Share(
        job_id=row.job_id,
        number=row.number,
        status=ShareStatus(row.status),
        updated_at=row.updated_at,
        attempts=row.attempts,
        total=row.total,
        message=row.message,
        work=json.loads(row.work),
        result=json.loads(row.result),
    )


def to_share_row(share: Share) -> ShareRow:
    return ShareRow(
        job_id=share.job_id,
        number=share.number,
        status=share.status.value,
        updated_at=share.updated_at,
        attempts=share.attempts,
        total=share.total,
        message=share.message,
        work=to_json(dict(share.work)),
        result=to_json(dict(share.result)),
    )


def to_audit(row: AuditRow) -> AuditEntry:
    return AuditEntry(at=row.at, actor=row.actor, action=row.action, target=row.target, detail=json.loads(row.detail))


def before(rows: QuerySet[R], cursor: str, time: str, tie: str) -> QuerySet[R]:
    """Rows strictly behind a cursor in a list that is newest first, `tie` deciding between equal times."""
    moment, _, last = cursor.partition("~")
    try:
        at = datetime.fromisoformat(moment).astimezone(UTC)
    except ValueError as error:
        raise unknown_cursor(cursor) from error
    return rows.filter(**{f"{time}__lte": at}).exclude(**{time: at, f"{tie}__gte": last})


class SqlWork(SqlConnection):
    """WorkStore."""

    @translating()
    def put_job(self, job: Job) -> None:
        self._rows(JobRow).bulk_create(
            [to_job_row(job)], update_conflicts=True, unique_fields=["job_id"], update_fields=JOB_FIELDS
        )

    @translating()
    def job(self, job_id: str) -> Job | None:
        row = self._rows(JobRow).filter(job_id=job_id).first()
        return to_job(row) if row else None

    @translating()
    def jobs(self, *, cursor: str | None = None, limit: int = 50, created_before: datetime | None = None) -> Slice[Job]:
        rows = self._rows(JobRow).order_by("-created_at", "-job_id")
        if created_before is not None:
            rows = rows.filter(created_at__lt=created_before)
        if cursor is not None:
            rows = before(rows, cursor, "created_at", "job_id")
        return as_slice(
            list(rows[: limit + 1]), limit, to_job, lambda row: f"{row.created_at.isoformat()}~{row.job_id}"
        )

    @translating()
    def set_wish(self, job_id: str, wish: JobWish) -> None:
        self._rows(JobRow).filter(job_id=job_id).update(wish=wish.value)

    @translating()
    def unfinished_jobs(self) -> tuple[Job, ...]:
        rows = self._rows(JobRow).filter(status__in=UNFINISHED).order_by("created_at", "job_id")
        return tuple(map(to_job, rows))

    @translating()
    def put_shares(self, shares: Sequence[Share]) -> None:
        with self._transaction():
            self._rows(ShareRow).bulk_create(
                [to_share_row(share) for share in shares],
                update_conflicts=True,
                unique_fields=["job_id", "number"],
                update_fields=SHARE_FIELDS,
            )

    @translating()
    def share(self, job_id: str, number: int) -> Share | None:
        row = self._rows(ShareRow).filter(job_id=job_id, number=number).first()
        return to_share(row) if row else None

    @translating()
    def shares(self, job_id: str) -> tuple[Share, ...]:
        return tuple(map(to_share, self._rows(ShareRow).filter(job_id=job_id).order_by("number")))

    @translating()
    def drop_shares(self, job_id: str) -> None:
        self._rows(ShareRow).filter(job_id=job_id).delete()

    @translating()
    def cursor(self, name: str) -> int:
        return self._rows(CursorRow).filter(name=name).values_list("seq", flat=True).first() or 0

    @translating()
    def advance_cursor(self, name: str, seq: int) -> None:
        with self._transaction():
            self._rows(CursorRow).bulk_create([CursorRow(name=name, seq=0)], ignore_conflicts=True)
            self._rows(CursorRow).filter(name=name, seq__lt=seq).update(seq=seq)

    @translating()
    def acquire_lease(self, name: str, *, owner: str, seconds: float, now: datetime) -> bool:
        until = now + timedelta(seconds=seconds)
        lease = self._rows(LeaseRow).filter(name=name)
        if lease.filter(owner=owner).update(until=until) or lease.filter(until__lte=now).update(
            owner=owner, until=until
        ):
            return True
        try:
            with self._transaction():
                self._rows(LeaseRow).bulk_create([LeaseRow(name=name, owner=owner, until=until)])
        except IntegrityError:
            return False  # somebody holds it
        return True

    @translating()
    def renew_lease(self, name: str, *, owner: str, seconds: float, now: datetime) -> bool:
        until = now + timedelta(seconds=seconds)
        return bool(self._rows(LeaseRow).filter(name=name, owner=owner).update(until=until))

    @translating()
    def release_lease(self, name: str, *, owner: str) -> None:
        self._rows(LeaseRow).filter(name=name, owner=owner).delete()

    @translating()
    def lease_until(self, name: str) -> datetime | None:
        return self._rows(LeaseRow).filter(name=name).values_list("until", flat=True).first()

    @translating()
    def add_audit(self, entry: AuditEntry) -> None:
        row = AuditRow(
            at=entry.at, actor=entry.actor, action=entry.action, target=entry.target, detail=to_json(dict(entry.detail))
        )
        self._rows(AuditRow).bulk_create([row])

    @translating()
    def audits(self, *, cursor: str | None = None, limit: int = 50) -> Slice[AuditEntry]:
        rows = self._rows(AuditRow).order_by("-at", "-id")
        if cursor is not None:
            if not cursor.rpartition("~")[2].isdecimal():
                raise unknown_cursor(cursor)
            rows = before(rows, cursor, "at", "id")
        return as_slice(list(rows[: limit + 1]), limit, to_audit, lambda row: f"{row.at.isoformat()}~{row.id}")
