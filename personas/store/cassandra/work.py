"""Jobs and the audit log: timelines, newest first, a partition a day."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

from personas.entities import AuditEntry, Job, JobStatus, Slice
from personas.store.cassandra import statements as cql
from personas.store.cassandra.leases import CassandraLeases
from personas.store.cassandra.session import CqlRow
from personas.store.cassandra.values import from_micros, to_json, to_micros, unknown_cursor

JOBS, AUDITS = "jobs", "audits"
MICROS_A_DAY = 86_400 * 10**6
#: After everything.
END_OF_TIME = (2**62, "\U0010ffff")
#: Days asked for at once are found one by one; entries of one day in pages of this many.
ENTRIES_A_PAGE = 500

Place = tuple[int, str]


def to_job(row: CqlRow) -> Job:
    return Job(
        job_id=row.job_id,
        kind=row.kind,
        status=JobStatus(row.status),
        created_at=from_micros(row.created_at),
        updated_at=from_micros(row.updated_at),
        actor=row.actor,
        done=row.done,
        total=row.total,
        message=row.message,
        detail=json.loads(row.detail),
    )


def to_place(cursor: str) -> Place:
    moment, _, last = cursor.partition("~")
    try:
        return to_micros(datetime.fromisoformat(moment).astimezone(UTC)), last
    except ValueError as error:
        raise unknown_cursor(cursor) from error


class CassandraWork(CassandraLeases):
    """WorkStore, with the leases and cursors it inherits."""

    def put_job(self, job: Job) -> None:
        created_at = to_micros(job.created_at)
        self._put_entry(JOBS, created_at, job.job_id, "")
        self._session.run(
            cql.PUT_JOB,
            job_id=job.job_id,
            kind=job.kind,
            status=job.status.value,
            created_at=created_at,
            updated_at=to_micros(job.updated_at),
            actor=job.actor,
            done=job.done,
            total=job.total,
            message=job.message,
            detail=to_json(dict(job.detail)),
        )

    def job(self, job_id: str) -> Job | None:
        row = self._session.row(cql.JOB, job_id=job_id)
        return to_job(row) if row else None

    def jobs(self, *, cursor: str | None = None, limit: int = 50) -> Slice[Job]:
        found: list[Job] = []
        for entry in self._entries(JOBS, cursor, limit + 1):
            job = self.job(entry.id)
            if job is not None and to_micros(job.created_at) == entry.at:  # else a write that was cut short
                found.append(job)
            if len(found) > limit:
                break
        page = tuple(found[:limit])
        more = len(found) > limit
        return Slice(items=page, next_cursor=f"{page[-1].created_at.isoformat()}~{page[-1].job_id}" if more else None)

    def add_audit(self, entry: AuditEntry) -> None:
        body = {"actor": entry.actor, "action": entry.action, "target": entry.target, "detail": dict(entry.detail)}
        unique = f"{time.time_ns():020d}{uuid.uuid4().int:039d}"
        self._put_entry(AUDITS, to_micros(entry.at), unique, to_json(body))

    def audits(self, *, cursor: str | None = None, limit: int = 50) -> Slice[AuditEntry]:
        if cursor is not None and not cursor.rpartition("~")[2].isdecimal():
            raise unknown_cursor(cursor)
        rows: list[CqlRow] = []
        for row in self._entries(AUDITS, cursor, limit + 1):
            rows.append(row)
            if len(rows) > limit:
                break
        items = tuple(AuditEntry(at=from_micros(row.at), **json.loads(row.body)) for row in rows[:limit])
        more = len(rows) > limit
        return Slice(items=items, next_cursor=f"{items[-1].at.isoformat()}~{rows[limit - 1].id}" if more else None)

    # ---- timelines ---------------------------------------------------------------------------------------------------

    def _put_entry(self, timeline: str, at: int, entry_id: str, body: str) -> None:
        day = at // MICROS_A_DAY
        self._session.run(cql.PUT_DAY, list=timeline, day=day)
        self._session.run(cql.PUT_ENTRY, list=timeline, day=day, at=at, id=entry_id, body=body)

    def _entries(self, timeline: str, cursor: str | None, rows: int) -> Iterator[CqlRow]:
        """Entries strictly behind a cursor, newest first."""
        at, last = END_OF_TIME if cursor is None else to_place(cursor)
        newest = min(at // MICROS_A_DAY, 2**31 - 1)
        for row in self._session.rows(cql.DAYS, list=timeline, day=newest):
            place = (at, last)
            while True:
                where = {"list": timeline, "day": row.day, "at": place[0], "id": place[1]}
                page = self._session.rows(cql.ENTRIES, **where, rows=min(rows, ENTRIES_A_PAGE))
                yield from page
                if len(page) < min(rows, ENTRIES_A_PAGE):
                    break
                place = (page[-1].at, page[-1].id)
