"""Takes pictures, gives events: what an ingest run reads and extracts by, with processes (process_pool.py) or without.

`LookedAt` and `Finished` events come back for every picture submitted: first LookedAt (or a Finished that rejects it),
then, once `decide` was called, Finished.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ingest.extraction import ExtractorTags, extractor_of_process
from ingest.messages import Extracted, Paused, Seen, WorkOrder
from ingest.rejections import RejectedError
from ingest.sources.base import SourcePicture
from ingest.worker import Bench, read_sidecar
from personas.errors import FaceProjectError, TransientError


class ExtractionError(FaceProjectError):
    """Extraction as a whole cannot work here."""


class ExtractionAwayError(TransientError):
    """Extraction as a whole cannot work now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedAt:
    """A picture was read; `decide` what becomes of it."""

    ticket: int
    seen: Seen
    sidecar: bytes | RejectedError | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Finished:
    """A picture left the pool. None: the original was kept, as decided."""

    ticket: int
    outcome: Extracted | RejectedError | None


PoolEvent = LookedAt | Finished | Paused


class Pool(Protocol):
    """Takes pictures, gives events."""

    def tags(self) -> ExtractorTags:
        """Waits until the models are loaded. Raises FaceProjectError."""

    def room(self) -> bool:
        """Whether another picture may be submitted now."""

    def submit(self, ticket: int, picture: SourcePicture) -> None: ...

    def decide(self, *, extract: Sequence[int] = (), keep: Sequence[int] = (), drop: Sequence[int] = ()) -> None:
        """What becomes of pictures that were looked at: faces wanted, only the original wanted, nothing wanted.

        A dropped one is out of the pool without another event.
        """

    def events(self, *, timeout: float) -> list[PoolEvent]:
        """What happened; waits up to `timeout` seconds for the first."""

    def close(self) -> None: ...


class InlinePool:
    """No processes and no time limit, for a source one trusts: a picture that crashes its reader ends this process."""

    def __init__(self, order: WorkOrder) -> None:
        self._bench = Bench(order, extractor_of_process(order.spec))
        self._held: dict[int, tuple[str, bytes]] = {}
        self._events: deque[PoolEvent] = deque()
        self._queue: deque[tuple[int, bool]] = deque()

    def tags(self) -> ExtractorTags:
        return ExtractorTags.of(self._bench.extractor)

    def room(self) -> bool:
        return not self._held and not self._events

    def submit(self, ticket: int, picture: SourcePicture) -> None:
        try:
            seen, content = self._bench.look(picture)
        except RejectedError as error:
            self._events.append(Finished(ticket=ticket, outcome=error))
            return
        self._held[ticket] = (seen.image_id, content)
        sidecar = read_sidecar(self._bench.order.source, picture.sidecar)
        self._events.append(LookedAt(ticket=ticket, seen=seen, sidecar=sidecar))

    def decide(self, *, extract: Sequence[int] = (), keep: Sequence[int] = (), drop: Sequence[int] = ()) -> None:
        self._queue.extend((ticket, True) for ticket in extract)
        self._queue.extend((ticket, False) for ticket in keep)
        for ticket in drop:
            del self._held[ticket]

    def events(self, *, timeout: float) -> list[PoolEvent]:
        if not self._events and self._queue:
            ticket, extract = self._queue.popleft()
            self._events.append(Finished(ticket=ticket, outcome=self._finish(*self._held.pop(ticket), extract=extract)))
        events = list(self._events)
        self._events.clear()
        return events

    def _finish(self, image_id: str, content: bytes, *, extract: bool) -> Extracted | RejectedError | None:
        if not extract:
            self._bench.keep(image_id, content)
            return None
        try:
            return self._bench.extract(image_id, content)
        except RejectedError as error:
            return error

    def close(self) -> None:
        self._held.clear()
