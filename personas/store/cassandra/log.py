"""The gapless event log: the next number is taken by insert-if-not-exists.

Whoever appends walks up from the last event it knows; a taken number shows who took it, so an event that another
process is recording at the same time is recognised there. `event_by_id` finds older ones. That table is filled with the
projections, so it is complete up to the projection's cursor, and what lies behind the cursor is looked through.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from personas.entities import Event, NewEvent
from personas.errors import TransientError
from personas.store.cassandra import statements as cql
from personas.store.cassandra.failures import UncertainError
from personas.store.cassandra.leases import CassandraLeases
from personas.store.cassandra.session import CqlRow
from personas.store.cassandra.values import from_blob, from_micros, to_blob, to_json, to_micros

#: Events in one partition.
EVENTS_A_CHUNK = 1000
#: How often an append is tried again when nobody knows whether it was carried out.
UNCERTAIN_TRIES = 10

#: By how much an event changes the number of pictures with faces, without faces, and of faces.
Tally = tuple[int, int, int]
NO_CHANGE: Tally = (0, 0, 0)


def chunk_of(seq: int) -> int:
    """Partition of an event, and of the blocks that came with it."""
    return (seq - 1) // EVENTS_A_CHUNK


def to_event(row: CqlRow) -> Event:
    return Event(
        stream=row.stream,
        seq=row.seq,
        event_id=row.event_id,
        command_id=row.command_id,
        kind=row.kind,
        actor=row.actor,
        at=from_micros(row.at),
        payload=from_blob(row.payload),
    )


def numbered(stream: str, seq: int, event: NewEvent) -> Event:
    """An event as it reads back."""
    return Event(
        stream=stream,
        seq=seq,
        event_id=event.event_id,
        command_id=event.command_id,
        kind=event.kind,
        actor=event.actor,
        at=event.at,
        payload=json.loads(to_json(dict(event.payload))),
    )


class CassandraLog(CassandraLeases):
    """Reading and appending."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._heads: dict[str, int] = {}  # what each stream's head was at least

    def head(self, stream: str) -> int:
        last = self._heads.get(stream) or self.cursor(projected(stream))
        while True:
            row = self._session.row(cql.LAST_EVENT, stream=stream, chunk=chunk_of(last + 1))
            if row is None or row.seq <= last:
                self._heads[stream] = last
                return last
            last = row.seq

    def events(self, stream: str, *, after: int, limit: int = 500) -> tuple[Event, ...]:
        found: list[Event] = []
        after = max(after, 0)
        through = after + limit
        while after < through:
            chunk = chunk_of(after + 1)
            end = min(through, (chunk + 1) * EVENTS_A_CHUNK)
            rows = self._session.rows(cql.EVENTS, stream=stream, chunk=chunk, after=after, through=end)
            found.extend(map(to_event, rows))
            if len(rows) < end - after:
                break
            after = end
        return tuple(found)

    def _ids_after(self, stream: str, after: int) -> dict[str, int]:
        """event_id -> seq of the events behind a number."""
        found: dict[str, int] = {}
        while True:
            chunk = chunk_of(after + 1)
            end = (chunk + 1) * EVENTS_A_CHUNK
            rows = self._session.rows(cql.EVENT_IDS, stream=stream, chunk=chunk, after=after, through=end)
            found.update((row.event_id, row.seq) for row in rows)
            if len(rows) < end - after:
                return found
            after = end

    def _seqs_of(self, stream: str, event_ids: Sequence[str]) -> tuple[dict[str, int], int]:
        """Numbers of those of these events that are in the log, and the log's head; the order of reads matters."""
        known = self._heads.get(stream, 0)  # before the reads: another thread may append while they run
        done = self.cursor(projected(stream))
        tail = self._ids_after(stream, done)
        params = [{"stream": stream, "event_id": event_id} for event_id in event_ids]
        indexed = self._session.rows_many(cql.SEQ_OF_EVENT, params)
        seqs = {event_id: rows[0].seq for event_id, rows in zip(event_ids, indexed, strict=True) if rows}
        seqs.update((event_id, tail[event_id]) for event_id in event_ids if event_id in tail)
        return seqs, max(done, *tail.values(), known)

    def _event_at(self, stream: str, seq: int) -> Event:
        row = self._session.row(cql.EVENT_AT, serial=True, stream=stream, chunk=chunk_of(seq), seq=seq)
        if row is None:
            raise TransientError(f"Event {seq} of {stream} cannot be read yet; try again in a moment.")
        return to_event(row)

    def _append(
        self,
        stream: str,
        event_at: Callable[[int], NewEvent],
        *,
        last: int,
        tally: Tally = NO_CHANGE,
        claimant: str = "",
    ) -> int:
        """Give an event the next free number behind `last`; `event_at` makes it for a number. Returns the number."""
        seq, uncertain = last + 1, 0
        event = event_at(seq)
        while True:
            try:
                standing = self._insert(stream, seq, event, tally, claimant)
                if standing is None:
                    break
            except UncertainError:
                uncertain += 1
                if uncertain > UNCERTAIN_TRIES:
                    raise
                # A plain read would miss a transaction in flight; a serial one finishes it first.
                standing = self._session.row(cql.EVENT_AT, serial=True, stream=stream, chunk=chunk_of(seq), seq=seq)
                if standing is None:
                    time.sleep(0.02 * uncertain)
                    continue
            if standing.event_id == event.event_id:
                break
            seq += 1
            event = event_at(seq)
        self._heads[stream] = max(self._heads.get(stream, 0), seq)
        return seq

    def _insert(self, stream: str, seq: int, event: NewEvent, tally: Tally, claimant: str) -> CqlRow | None:
        with_faces, without_faces, n_faces = tally
        return self._session.compare_and_set(
            cql.APPEND,
            stream=stream,
            chunk=chunk_of(seq),
            seq=seq,
            event_id=event.event_id,
            command_id=event.command_id,
            kind=event.kind,
            actor=event.actor,
            at=to_micros(event.at),
            payload=to_blob(dict(event.payload)),
            with_faces=with_faces,
            without_faces=without_faces,
            n_faces=n_faces,
            claimant=claimant,
        )


def projected(stream: str) -> str:
    """Name of the cursor up to which a stream is projected and indexed."""
    return f"projected/{stream}"
