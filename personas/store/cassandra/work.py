"""Jobs and their shares, and the audit log. Jobs and audits are timelines: newest first, a partition a day."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice

from personas.entities import AuditEntry, Job, JobStatus, JobWish, Share, ShareStatus, Slice
from personas.store.cassandra import statements as cql
from personas.store.cassandra.base import SPACE
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


def to_job(row: CqlRow, wish: str) -> Job:
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
        wish=JobWish(wish),
    )


def to_share(row: CqlRow) -> Share:
    return Share(
        job_id=row.job_id,
        number=row.number,
        status=ShareStatus(row.status),
        updated_at=from_micros(row.updated_at),
        attempts=row.attempts,
        total=row.total,
        message=row.message,
        work=json.loads(row.work),
        result=json.loads(row.result),
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
        """A job that was created anew moves in the list: its entry is written before the job, the one it had is
        deleted after it, so that a process that is killed in between leaves an entry too many, which `jobs` knows.

        That a job is unfinished is written before it, for it may be all that is written, and again after it, for
        another process may have ended the job and deleted the row meanwhile. Who deletes it looks at the job once more.
        """
        created_at = to_micros(job.created_at)
        before = self._session.row(cql.JOB, job_id=job.job_id)
        if not job.status.ended:
            self._put_unfinished(job.job_id)
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
        if before is not None and before.created_at != created_at:
            self._drop_entry(JOBS, before.created_at, job.job_id)
        if not job.status.ended:
            self._put_unfinished(job.job_id)
            return
        self._session.run(cql.DROP_UNFINISHED, space=SPACE, job_id=job.job_id)
        after = self._session.row(cql.JOB, job_id=job.job_id)
        if after is not None and not JobStatus(after.status).ended:
            self._put_unfinished(job.job_id)

    def _put_unfinished(self, job_id: str) -> None:
        self._session.run(cql.PUT_UNFINISHED, space=SPACE, job_id=job_id)

    def index_unfinished(self) -> None:
        """Of a store whose jobs were put before there was `job_unfinished`."""
        cursor: str | None = None
        while True:
            page = self.jobs(cursor=cursor, limit=ENTRIES_A_PAGE)
            for job in page.items:
                if not job.status.ended:
                    self._put_unfinished(job.job_id)
            cursor = page.next_cursor
            if cursor is None:
                return

    def set_wish(self, job_id: str, wish: JobWish) -> None:
        self._session.run(cql.PUT_WISH, job_id=job_id, wish=wish.value)

    def job(self, job_id: str) -> Job | None:
        return next(self._jobs_by_id([job_id]), None)

    def _jobs_by_id(self, job_ids: Sequence[str]) -> Iterator[Job]:
        """Those that exist, in this order."""
        which = [{"job_id": job_id} for job_id in job_ids]
        found = self._session.rows_many(cql.JOB, which)
        wishes = self._session.rows_many(cql.WISH, which)
        for rows, wish in zip(found, wishes, strict=True):
            if rows:
                yield to_job(rows[0], wish[0].wish if wish else "")

    def jobs(self, *, cursor: str | None = None, limit: int = 50, created_before: datetime | None = None) -> Slice[Job]:
        found: list[Job] = []
        behind = END_OF_TIME if created_before is None else (to_micros(created_before), "")
        entries = self._entries(JOBS, behind if cursor is None else min(behind, to_place(cursor)), limit + 1)
        while len(found) <= limit and (some := list(islice(entries, limit + 1 - len(found)))):
            jobs = {job.job_id: job for job in self._jobs_by_id(sorted({entry.id for entry in some}))}
            listed = ((entry.at, jobs[entry.id]) for entry in some if entry.id in jobs)
            found.extend(job for at, job in listed if to_micros(job.created_at) == at)  # else cut short
        page = tuple(found[:limit])
        more = len(found) > limit
        return Slice(items=page, next_cursor=f"{page[-1].created_at.isoformat()}~{page[-1].job_id}" if more else None)

    def unfinished_jobs(self) -> tuple[Job, ...]:
        ids = [row.job_id for row in self._session.rows(cql.UNFINISHED, space=SPACE)]
        unfinished = [job for job in self._jobs_by_id(ids) if not job.status.ended]
        return tuple(sorted(unfinished, key=lambda job: (job.created_at, job.job_id)))

    def put_shares(self, shares: Sequence[Share]) -> None:
        self._session.run_many(
            cql.PUT_SHARE,
            [
                {
                    "job_id": share.job_id,
                    "number": share.number,
                    "status": share.status.value,
                    "updated_at": to_micros(share.updated_at),
                    "attempts": share.attempts,
                    "total": share.total,
                    "message": share.message,
                    "work": to_json(dict(share.work)),
                    "result": to_json(dict(share.result)),
                }
                for share in shares
            ],
        )

    def share(self, job_id: str, number: int) -> Share | None:
        row = self._session.row(cql.SHARE, job_id=job_id, number=number)
        return to_share(row) if row else None

    def shares(self, job_id: str) -> tuple[Share, ...]:
        return tuple(map(to_share, self._session.rows(cql.SHARES, job_id=job_id)))

    def drop_shares(self, job_id: str) -> None:
        self._session.run(cql.DROP_SHARES, job_id=job_id)

    def add_audit(self, entry: AuditEntry) -> None:
        body = {"actor": entry.actor, "action": entry.action, "target": entry.target, "detail": dict(entry.detail)}
        unique = f"{time.time_ns():020d}{uuid.uuid4().int:039d}"
        self._put_entry(AUDITS, to_micros(entry.at), unique, to_json(body))

    def audits(self, *, cursor: str | None = None, limit: int = 50) -> Slice[AuditEntry]:
        if cursor is not None and not cursor.rpartition("~")[2].isdecimal():
            raise unknown_cursor(cursor)
        rows: list[CqlRow] = []
        for row in self._entries(AUDITS, END_OF_TIME if cursor is None else to_place(cursor), limit + 1):
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

    def _drop_entry(self, timeline: str, at: int, entry_id: str) -> None:
        self._session.run(cql.DROP_ENTRY, list=timeline, day=at // MICROS_A_DAY, at=at, id=entry_id)

    def _entries(self, timeline: str, behind: Place, rows: int) -> Iterator[CqlRow]:
        """Entries strictly behind a place, newest first."""
        newest = min(behind[0] // MICROS_A_DAY, 2**31 - 1)
        for row in self._session.rows(cql.DAYS, list=timeline, day=newest):
            place = behind
            while True:
                where = {"list": timeline, "day": row.day, "at": place[0], "id": place[1]}
                page = self._session.rows(cql.ENTRIES, **where, rows=min(rows, ENTRIES_A_PAGE))
                yield from page
                if len(page) < min(rows, ENTRIES_A_PAGE):
                    break
                place = (page[-1].at, page[-1].id)
