"""What happens to one picture outside the store: read, hash, decode, find faces, embed, keep the original.

`Bench` does it; `main` is the loop of a worker process around a bench. Nothing here imports Django: a worker is up as
soon as its models are loaded. The parent decides between hashing and extracting, for it alone knows what the store has.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import logging
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import TypeVar

from ingest.extraction import ExtractorSpec, ExtractorTags
from ingest.messages import (
    Broken,
    Decide,
    Done,
    Extracted,
    Look,
    Looked,
    LookedAll,
    Paused,
    Ready,
    Seen,
    Turn,
    WorkOrder,
)
from ingest.rejections import (
    FAILED_EXTRACTION,
    NOT_A_PICTURE,
    OUT_OF_MEMORY,
    SIDECAR_UNREADABLE,
    TOO_MANY_BYTES,
    RejectedError,
)
from ingest.sidecar import MAX_SIDECAR_BYTES
from ingest.sources.base import Content, Source, SourceFile, SourcePicture
from ingest.vision import Extraction, FaceExtractor, PictureError
from ingest.vision.pictures import sniff
from ingest.vision.protocols import RemoteDetector
from personas.entities import Box, NewFace
from personas.errors import FaceProjectError
from personas.media import MediaFolder

logger = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

_SNIFFED_BYTES = 64
#: Pictures that are extracted in one go: the last layer of the embedder costs .7 ms for one face and 1.1 for four.
PICTURES_TOGETHER = 4
#: … as long as they are small.
BYTES_TOGETHER = 2 * 2**20
#: … or, where a detector elsewhere looks at several side by side, not huge.
BYTES_UNDER_WAY = 32 * 2**20


class OriginalsError(FaceProjectError):
    """The folder of originals cannot be written: no room, no permission."""


class Bench:
    """Reads and extracts pictures one by one. Between `look` and `extract` it holds their bytes."""

    def __init__(self, order: WorkOrder, extractor: FaceExtractor) -> None:
        self.order = order
        self.extractor = extractor
        self.originals = MediaFolder(order.originals.parent, order.originals.name)

    def turn_to(self, source: Source) -> None:
        """Read from another source from here on."""
        self.order = replace(self.order, source=source)

    def look(self, picture: SourcePicture) -> tuple[Seen, bytes]:
        """Read and hash. Raises RejectedError."""
        limit = self.order.max_bytes
        try:
            if picture.sniff:
                head = self.order.source.read(picture.file, limit=_SNIFFED_BYTES)
                if head.content and sniff(head.content) is None:
                    raise RejectedError(NOT_A_PICTURE, "The file is not a picture. Convert it, or remove it.")
            content = self._read(picture.file, limit)
        except MemoryError as error:
            raise RejectedError(OUT_OF_MEMORY, "The file does not fit into memory. Use fewer workers.") from error
        image_id = hashlib.sha256(content.content).hexdigest()
        return Seen(image_id=image_id, size=content.size, mtime_ns=content.mtime_ns), content.content

    def _read(self, file: SourceFile, limit: int) -> Content:
        if file.size <= limit:
            content = self.order.source.read(file, limit=limit)
            if content.size <= limit:
                return content
        raise RejectedError(
            TOO_MANY_BYTES, f"The file has over {limit:,} bytes. Save a smaller copy, or raise MAX_IMAGE_BYTES."
        )

    def extract(self, image_id: str, content: bytes) -> Extracted:
        """Find and embed the faces, then keep the original. Raises RejectedError."""
        outcome = self.find_faces(image_id, content)
        if isinstance(outcome, RejectedError):
            raise outcome
        self.keep(image_id, content)
        return outcome

    def find_faces_in_all(self, pictures: Sequence[tuple[str, bytes]]) -> list[Extracted | RejectedError]:
        """Find and embed the faces of pictures, image_id and content each.

        Faces of all are embedded together, which is faster by a tenth; what comes out does not depend on neighbours.
        Raises FaceProjectError where a detector elsewhere is away, or refuses us: that is no picture's fault.
        """
        if len(pictures) > 1:
            try:
                outcomes = self.extractor.extract_many(content for _, content in pictures)
                return [_refused(each) if isinstance(each, PictureError) else _extracted(each) for each in outcomes]
            except FaceProjectError:
                raise
            except Exception as error:  # noqa: BLE001  one of them is to blame, and has the same trouble alone
                logger.debug("several pictures together failed: %r", error)
        return [self.find_faces(*picture) for picture in pictures]

    def find_faces(self, image_id: str, content: bytes) -> Extracted | RejectedError:
        """Find and embed the faces of one picture. Raises as `find_faces_in_all`."""
        try:
            return _extracted(self.extractor.extract(content))
        except PictureError as error:
            return _refused(error)
        except FaceProjectError:
            raise
        except MemoryError:
            return RejectedError(OUT_OF_MEMORY, "The picture does not fit into memory. Use fewer workers.")
        except Exception as error:
            logger.exception("extraction failed", extra={"image_id": image_id})
            message = f"The picture could not be extracted ({type(error).__name__}). Report it with the log."
            return RejectedError(FAILED_EXTRACTION, message)

    def keep(self, image_id: str, content: bytes) -> None:
        """Store the original, unless it is there. Raises OriginalsError."""
        try:
            self.originals.put(content, sha256=image_id)
        except OSError as error:
            raise OriginalsError(
                f"The original cannot be stored in {self.originals.folder} ({error.strerror}). "
                "Make room there or set MEDIA_ROOT, then start again; what is done stays done."
            ) from error


def _refused(error: PictureError) -> RejectedError:
    return RejectedError(error.reason, str(error))


def _extracted(extraction: Extraction) -> Extracted:
    faces = tuple(
        NewFace(
            box=Box(*face.box),
            landmarks=tuple((x, y) for x, y in face.landmarks.tolist()),
            score=face.score,
            quality=face.quality,
            embedding=face.embedding,
        )
        for face in extraction.faces
    )
    return Extracted(width=extraction.width, height=extraction.height, format=extraction.format, faces=faces)


def read_sidecar(source: Source, sidecar: SourceFile | None) -> bytes | RejectedError | None:
    """One byte more than allowed at most, so that the parser sees that it is too large."""
    if sidecar is None:
        return None
    try:
        return source.read(sidecar, limit=MAX_SIDECAR_BYTES + 1).content
    except RejectedError as error:
        return RejectedError(SIDECAR_UNREADABLE, str(error))


def read_sidecars(source: Source, sidecars: Sequence[SourceFile | None]) -> list[bytes | RejectedError | None]:
    """`read_sidecar` of each, as many at once as the source likes."""
    return side_by_side(lambda sidecar: read_sidecar(source, sidecar), sidecars, at_once=source.at_once)


def side_by_side(do: Callable[[T], R], items: Sequence[T], *, at_once: int) -> list[R]:
    """What `do` makes of each, in order."""
    if at_once <= 1 or len(items) <= 1:
        return [do(item) for item in items]
    with ThreadPoolExecutor(min(at_once, len(items))) as threads:
        return list(threads.map(do, items))


def main(pipe: Connection, parent: int, order: WorkOrder) -> None:
    """A worker process. Ends when the parent closes the pipe, and dies with the parent however that one dies."""
    _die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends us in order
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            extractor = order.spec.build()
        except FaceProjectError as error:
            pipe.send(Broken.by(error))
            return
        except Exception as error:
            logger.exception("models cannot be loaded")
            pipe.send(Broken(message=f"The face models cannot be loaded ({error!r})."))
            return
        line = _Line(pipe)
        line.send(Ready(tags=ExtractorTags.of(extractor)))
        if isinstance(extractor.detector, RemoteDetector):
            extractor.detector.on_pause = lambda seconds: line.send(Paused(seconds=seconds))
        try:
            _serve(line, Bench(order, extractor))
        except FaceProjectError as error:
            line.send(Broken.by(error))


class _Line:
    """The pipe to the parent, for several threads that send."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._sending = threading.Lock()
        self.poll, self.recv = pipe.poll, pipe.recv

    def send(self, message: object) -> None:
        with self._sending:
            self._pipe.send(message)


def _serve(pipe: _Line, bench: Bench) -> None:
    """Reading goes before extracting, so that the parent's decision is there when the models fall idle.

    Originals are flushed to disk while the next pictures are extracted; a picture is done when its original is there.
    """
    held: dict[int, tuple[str, bytes]] = {}
    queue: deque[tuple[int, bool]] = deque()
    finished: list[_Finished] = []
    with ThreadPoolExecutor(PICTURES_TOGETHER) as disk:
        while True:
            while not queue or pipe.poll():
                if not queue:
                    _send(pipe, finished)
                    finished = []
                message: Turn | Look | Decide = pipe.recv()
                if isinstance(message, Turn):
                    bench.turn_to(message.source)
                elif isinstance(message, Look):
                    pipe.send(LookedAll(looked=_look_at_all(bench, message.pictures, held)))
                else:
                    queue.extend((ticket, True) for ticket in message.extract)
                    queue.extend((ticket, False) for ticket in message.keep)
                    for ticket in message.drop:
                        held.pop(ticket, None)
            latest = _finish(bench, _together(queue, held, bench.order.spec), disk)
            _send(pipe, finished)
            finished = latest


def _look_at_all(
    bench: Bench, pictures: Sequence[tuple[int, SourcePicture]], held: dict[int, tuple[str, bytes]]
) -> tuple[Looked, ...]:
    at_once = bench.order.source.at_once
    return tuple(side_by_side(lambda each: _look(bench, *each, held), pictures, at_once=at_once))


def _look(bench: Bench, ticket: int, picture: SourcePicture, held: dict[int, tuple[str, bytes]]) -> Looked:
    try:
        seen, content = bench.look(picture)
    except RejectedError as error:
        return Looked(ticket=ticket, outcome=error)
    held[ticket] = (seen.image_id, content)
    return Looked(ticket=ticket, outcome=seen, sidecar=read_sidecar(bench.order.source, picture.sidecar))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Task:
    """A decision the parent has made, with the picture it is about."""

    ticket: int
    extract: bool
    image_id: str
    content: bytes


#: What there is to say of a picture, and its original on the way to disk (None: it is not kept).
_Finished = tuple[Done, Future[None] | None]


def _together(queue: deque[tuple[int, bool]], held: dict[int, tuple[str, bytes]], spec: ExtractorSpec) -> list[_Task]:
    """The next few pictures, or one that is large."""
    pictures = max(PICTURES_TOGETHER, spec.pictures_under_way)
    most = BYTES_UNDER_WAY if spec.pictures_under_way > 1 else BYTES_TOGETHER
    tasks: list[_Task] = []
    n_bytes = 0
    while queue and len(tasks) < pictures:
        ticket, extract = queue[0]
        if ticket in held:  # not, when the parent decided again after another worker died over it
            n_bytes += len(held[ticket][1])
            if tasks and n_bytes > most:
                break
            image_id, content = held.pop(ticket)
            tasks.append(_Task(ticket=ticket, extract=extract, image_id=image_id, content=content))
        queue.popleft()
    return tasks


def _finish(bench: Bench, tasks: Sequence[_Task], disk: ThreadPoolExecutor) -> list[_Finished]:
    wanted = [task for task in tasks if task.extract]
    found = bench.find_faces_in_all([(task.image_id, task.content) for task in wanted])
    outcomes = {task.ticket: outcome for task, outcome in zip(wanted, found, strict=True)}
    finished: list[_Finished] = []
    for task in tasks:
        outcome = outcomes.get(task.ticket)
        refused = isinstance(outcome, RejectedError)
        original = None if refused else disk.submit(bench.keep, task.image_id, task.content)
        finished.append((Done(ticket=task.ticket, outcome=outcome), original))
    return finished


def _send(pipe: _Line, finished: Sequence[_Finished]) -> None:
    """Waits for originals. Raises OriginalsError."""
    for done, original in finished:
        if original is not None:
            original.result()
        pipe.send(done)


_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def _die_with(parent: int) -> None:
    """Have the kernel end this process when its parent ends, even by SIGKILL. Elsewhere than on Linux the closed pipe
    ends it after the picture at hand."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the kernel was asked
        os._exit(1)
