"""Worker processes that a crash cannot stop, as a pool.

A worker that dies takes at most a few pictures with it; they are done again one at a time by a fresh worker, and the
one that goes on killing is rejected as `crashed_extraction`.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from ingest.extraction import ExtractorTags
from ingest.messages import Broken, Decide, Done, Look, Looked, LookedAll, Paused, Ready, Turn, WorkOrder
from ingest.pool import ExtractionAwayError, ExtractionError, Finished, LookedAt, PoolEvent
from ingest.rejections import CRASHED_EXTRACTION, RejectedError
from ingest.sources.base import Source, SourcePicture
from ingest.worker import main

logger = logging.getLogger(__name__)

#: Pictures a worker has in hand: enough to stay busy while the parent writes a batch (some 0.3 s).
PICTURES_IN_HAND = 16
#: … and bytes, so that a folder of large scans does not fill the memory.
BYTES_IN_HAND = 64 * 2**20
#: Pictures handed out together; the store is asked about them together.
PICTURES_AT_ONCE = 4
#: Times that a picture may end a worker it has for itself: once may be the out-of-memory killer's doing.
MAX_DEATHS_ALONE = 2
#: Deaths in a row before a worker was ever ready: the machine cannot run it.
MAX_STILLBORN = 3
#: A decoder that has not said anything for this long never will.
SECONDS_PER_PICTURE = 300.0
#: Models load in a second or two; a worker that needs this long will never be ready.
SECONDS_TO_LOAD = 300.0


@dataclass(slots=True, eq=False)
class _Worker:
    process: SpawnProcess
    pipe: Connection
    source: Source  #: it was told to read from
    ready: bool = False
    in_hand: dict[int, SourcePicture] = field(default_factory=dict)
    #: alone: holds one picture only, which a worker died over before
    alone: bool = False
    heard_at: float = field(default_factory=time.monotonic)
    #: killed by us, for it had been silent too long
    overdue: bool = False

    @property
    def has_room(self) -> bool:
        held = len(self.in_hand)
        n_bytes = sum(picture.file.size for picture in self.in_hand.values())
        return not self.alone and held <= PICTURES_IN_HAND - PICTURES_AT_ONCE and (n_bytes < BYTES_IN_HAND or not held)


class ProcessPool:
    """Up to `workers` processes, started as there is work for them. Use it from one thread; `close` it.

    seconds_per_picture: a worker that has been silent for this long is ended, as if it had crashed.
    """

    def __init__(self, order: WorkOrder, *, workers: int, seconds_per_picture: float = SECONDS_PER_PICTURE) -> None:
        self._order = order
        self._size = max(1, workers)
        self._seconds_per_picture = seconds_per_picture
        self._workers: list[_Worker] = []
        self._waiting: deque[tuple[int, SourcePicture]] = deque()
        self._suspects: deque[tuple[int, SourcePicture]] = deque()
        self._out: list[PoolEvent] = []
        self._tags: ExtractorTags | None = None
        self._stillborn = 0
        self._deaths_alone: Counter[int] = Counter()
        self._start_worker()

    def turn_to(self, source: Source) -> None:
        """Begin on another source, or on the same one anew: ticket numbers may be used again.

        Everything that was submitted before has come back.
        """
        self._order = replace(self._order, source=source)
        self._deaths_alone.clear()
        self._out.clear()

    # -- the interface -------------------------------------------------------------------------------------------------
    def tags(self) -> ExtractorTags:
        while self._tags is None:
            self._listen(timeout=1.0)
        return self._tags

    def room(self) -> bool:
        return len(self._waiting) + len(self._suspects) < self._size * PICTURES_IN_HAND // 2

    def submit(self, ticket: int, picture: SourcePicture) -> None:
        self._waiting.append((ticket, picture))  # `events` hands out, several at once

    def decide(self, *, extract: Sequence[int] = (), keep: Sequence[int] = (), drop: Sequence[int] = ()) -> None:
        for worker in self._workers:
            mine = Decide(
                extract=tuple(ticket for ticket in extract if ticket in worker.in_hand),
                keep=tuple(ticket for ticket in keep if ticket in worker.in_hand),
                drop=tuple(ticket for ticket in drop if ticket in worker.in_hand),
            )
            if mine.extract or mine.keep or mine.drop:
                self._send(worker, mine)
            for ticket in mine.drop:
                del worker.in_hand[ticket]
                worker.alone = False
        if drop:  # of a worker that has died meanwhile
            self._suspects = deque(each for each in self._suspects if each[0] not in drop)

    def events(self, *, timeout: float) -> list[PoolEvent]:
        self._hand_out()
        if not self._out:
            self._listen(timeout=timeout)
        events, self._out = self._out, []
        self._hand_out()
        return events

    def close(self) -> None:
        for worker in self._workers:
            worker.pipe.close()
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join(timeout=5)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._workers.clear()

    # -- processes -----------------------------------------------------------------------------------------------------
    def _start_worker(self) -> _Worker:
        # spawn: a forked child would inherit store connections and the threads' locks of ONNX Runtime
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=main, args=(theirs, os.getpid(), self._order), daemon=True)
        process.start()
        theirs.close()
        worker = _Worker(process=process, pipe=ours, source=self._order.source)
        self._workers.append(worker)
        return worker

    def _hand_out(self) -> None:
        """Give waiting pictures to the workers with the least in hand; start workers while there is work for them."""
        while self._suspects:
            worker = self._idle_worker()
            if worker is None:
                break
            worker.alone = True
            self._give(worker, [self._suspects.popleft()])
        while self._waiting and not self._suspects:  # suspects first, else no worker would ever be free for them
            worker = min(
                (worker for worker in self._workers if worker.has_room),
                key=lambda each: len(each.in_hand),
                default=None,
            )
            if (worker is None or worker.in_hand) and len(self._workers) < self._size:
                worker = self._start_worker()
            if worker is None:
                return
            self._give(worker, self._next_waiting())

    def _next_waiting(self) -> list[tuple[int, SourcePicture]]:
        """A few that are small, or one that is large."""
        taken = [self._waiting.popleft()]
        n_bytes = taken[0][1].file.size
        while self._waiting and len(taken) < PICTURES_AT_ONCE:
            n_bytes += self._waiting[0][1].file.size
            if n_bytes > BYTES_IN_HAND // PICTURES_AT_ONCE:
                break
            taken.append(self._waiting.popleft())
        return taken

    def _idle_worker(self) -> _Worker | None:
        for worker in self._workers:
            if not worker.in_hand:
                return worker
        return self._start_worker() if len(self._workers) < self._size else None

    def _give(self, worker: _Worker, pictures: Iterable[tuple[int, SourcePicture]]) -> None:
        given = tuple(pictures)
        if not worker.in_hand:
            worker.heard_at = time.monotonic()
        worker.in_hand.update(given)
        if worker.source != self._order.source:
            worker.source = self._order.source
            self._send(worker, Turn(source=worker.source))
        self._send(worker, Look(pictures=given))

    def _send(self, worker: _Worker, message: Turn | Look | Decide) -> None:
        try:
            worker.pipe.send(message)
        except OSError:
            logger.debug("a worker is gone; listening will notice")

    def _listen(self, *, timeout: float) -> None:
        by_handle: dict[Any, _Worker] = {}
        for worker in self._workers:
            by_handle[worker.pipe] = worker
            by_handle[worker.process.sentinel] = worker
        heard = {id(by_handle[handle]): by_handle[handle] for handle in wait(list(by_handle), timeout=timeout)}
        for worker in heard.values():
            self._receive(worker)
        now = time.monotonic()
        for worker in self._workers:
            patience = self._seconds_per_picture if worker.ready else SECONDS_TO_LOAD
            if worker.in_hand and now - worker.heard_at > patience:
                worker.overdue = True
                worker.process.kill()

    def _receive(self, worker: _Worker) -> None:
        """Take what a worker says; what it said before it died counts."""
        try:
            while worker.pipe.poll():
                worker.heard_at = time.monotonic()
                self._understand(worker, worker.pipe.recv())
        except (EOFError, OSError):
            self._bury(worker)
            return
        if not worker.process.is_alive() and not worker.pipe.poll():
            self._bury(worker)

    def _understand(self, worker: _Worker, message: Ready | Broken | LookedAll | Done | Paused) -> None:
        match message:
            case Ready():
                worker.ready = True
                self._stillborn = 0
                if self._tags not in (None, message.tags):  # a fallback began, or ended, in between
                    raise ExtractionAwayError(f"Pictures are now looked at by {message.tags.detector}; begin anew.")
                self._tags = message.tags
            case Broken():
                raise (ExtractionAwayError if message.passing else ExtractionError)(message.message)
            case Paused():
                self._out.append(message)
            case LookedAll():
                for looked in message.looked:
                    self._understand_look(worker, looked)
            case Done():
                self._let_go(worker, Finished(ticket=message.ticket, outcome=message.outcome))

    def _understand_look(self, worker: _Worker, looked: Looked) -> None:
        if isinstance(looked.outcome, RejectedError):
            self._let_go(worker, Finished(ticket=looked.ticket, outcome=looked.outcome))
        else:
            self._out.append(LookedAt(ticket=looked.ticket, seen=looked.outcome, sidecar=looked.sidecar))

    def _let_go(self, worker: _Worker, finished: Finished) -> None:
        del worker.in_hand[finished.ticket]
        worker.alone = False
        self._out.append(finished)

    def _bury(self, worker: _Worker) -> None:
        worker.process.join(timeout=5)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        worker.pipe.close()
        self._workers.remove(worker)
        code = worker.process.exitcode
        logger.warning("an extraction worker died", extra={"exit_code": code, "in_hand": len(worker.in_hand)})
        if not worker.ready:
            self._stillborn += 1
            self._waiting.extendleft(reversed(worker.in_hand.items()))
            if self._stillborn >= MAX_STILLBORN:
                raise ExtractionError(
                    f"Extraction processes end while they start (exit code {code}). Look for what ended them in the "
                    "system log (memory?), or use fewer workers."
                )
            self._start_worker()
            return
        # events of theirs that nobody has seen yet belong to a reading that is lost
        self._out = [each for each in self._out if isinstance(each, Paused) or each.ticket not in worker.in_hand]
        for ticket, picture in worker.in_hand.items():
            self._deaths_alone[ticket] += worker.alone
            if self._deaths_alone[ticket] < (1 if worker.overdue else MAX_DEATHS_ALONE):
                self._suspects.append((ticket, picture))
                continue
            what = f"ended the process that read it, again and again (exit code {code})"
            if worker.overdue:
                what = f"took longer to read than {self._seconds_per_picture:.0f} s"
            message = f"The file {what}. Open it in a picture editor and save it again."
            self._out.append(Finished(ticket=ticket, outcome=RejectedError(CRASHED_EXTRACTION, message)))
