"""Events first, then what follows from them: one process at a time projects, in the log's order.

The cursor moves when an event is projected whole, so what a kill cut short is projected again by whoever records next,
or by `repair`. Every write a projection makes is stamped with the number of its event: doing it again, or late, changes
nothing that a later event has said.
"""

from __future__ import annotations

import random
import threading
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from personas.entities import LABELS, Event, NewEvent
from personas.errors import TransientError
from personas.projection import Change, project
from personas.store.cassandra import statements as cql
from personas.store.cassandra.leases import Hold, LostLeaseError
from personas.store.cassandra.log import CassandraLog, chunk_of, numbered, projected, to_event
from personas.store.cassandra.marks import CassandraMarks

#: Seconds a process may stand still in the middle of a projection before another one takes over.
TURN_SECONDS = 12.0
#: Seconds to wait for somebody else's projection: a dead process's turn, and a large command or two.
PATIENCE_SECONDS = 60.0
#: Events projected between two moves of the cursor.
EVENTS_A_TURN = 50


class CassandraProjecting(CassandraLog, CassandraMarks, ABC):
    """The writing half of LabelStore's log."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._turns: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def record(self, stream: str, events: Sequence[NewEvent]) -> tuple[Event, ...]:
        if not events:
            return ()
        wanted = {event.event_id: event for event in events}
        seqs, last = self._seqs_of(stream, list(wanted))
        recorded = {event_id: self._event_at(stream, seq) for event_id, seq in seqs.items()}
        for event_id, event in wanted.items():
            if event_id in recorded:
                continue
            last = self._append(stream, lambda _, event=event: event, last=last)  # type: ignore[misc]
            recorded[event_id] = numbered(stream, last, event)
        if max(event.seq for event in recorded.values()) > self.cursor(projected(stream)):
            self._project_through(stream, max(event.seq for event in recorded.values()))
        return tuple(recorded[event.event_id] for event in events)

    def events_by_id(self, stream: str, event_ids: Collection[str]) -> dict[str, Event]:
        done = self.cursor(projected(stream))  # up to it everything is settled, and a plain read tells it
        seqs, _ = self._seqs_of(stream, list(event_ids))
        params = [
            {"stream": stream, "chunk": chunk_of(seq), "seq": seq} for seq in sorted(seqs.values()) if seq <= done
        ]
        found = [to_event(row) for rows in self._session.rows_many(cql.EVENT_AT, params) for row in rows]
        found += [self._event_at(stream, seq) for seq in seqs.values() if seq > done]
        return {event.event_id: event for event in found}

    def repair(self) -> int:
        behind = self.head(LABELS) - self.cursor(projected(LABELS))
        if behind > 0:
            self._project_through(LABELS, self.head(LABELS))
        return max(behind, 0)

    def _project_through(self, stream: str, seq: int) -> None:
        """Returns when every event up to `seq` is projected, by this process or another."""
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < give_up_at:
            with self._turns[stream]:  # threads of this process take turns without asking the cluster
                if self.cursor(projected(stream)) >= seq or self._take_turn(stream):
                    return
            time.sleep(0.01 * (1 + random.random()))  # noqa: S311 - jitter, not a secret
        raise TransientError(
            "What you said is recorded, but another process is still working through earlier changes; look again soon."
        )

    def _take_turn(self, stream: str) -> bool:
        """Projects all there is; False when another process has the turn."""
        hold = Hold(self, projected(stream), seconds=TURN_SECONDS)
        if not hold.acquire():
            return False
        try:
            done = self.cursor(projected(stream))
            while events := self.events(stream, after=done, limit=EVENTS_A_TURN):
                self._project_all(stream, events, hold)
                done = events[-1].seq
        except LostLeaseError:
            return False
        finally:
            hold.release()
        return True

    def _project_all(self, stream: str, events: Sequence[Event], hold: Hold) -> None:
        for event in events:
            hold.check()
            if stream == LABELS:
                for change in project(event):
                    self._apply(change, event.seq, hold)
        ids = [{"stream": stream, "event_id": event.event_id, "seq": event.seq} for event in events]
        self._session.run_many(cql.PUT_EVENT_ID, ids)
        hold.check()
        self.advance_cursor(projected(stream), events[-1].seq)

    @abstractmethod
    def _apply(self, change: Change, seq: int, hold: Hold) -> None:
        """Write what one event of the labels' stream changes; the labels' part knows how. Raises LostLeaseError."""
