"""A few extractors, each for one request at a time: the scorer's, and the one of a web process."""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ingest.extraction import ExtractorSpec, ExtractorTags, extractor_spec
from ingest.vision import Extraction, FaceExtractor, PictureError
from personas.errors import FaceProjectError, TransientError

logger = logging.getLogger(__name__)

#: How long a page waits for the extractor of its web process, and for a detector elsewhere, in seconds.
WAIT_SECONDS = 20.0


class ExtractionFailedError(PictureError):
    """The picture broke the extractor in a way nobody foresaw."""

    reason = "extraction_failed"


class ExtractorsBusyError(TransientError):
    """Others have been using the extractors for too long."""


class ExtractorPool:
    """Extractors that are loaded once. Their models use one thread each, so one a core is right."""

    def __init__(self, spec: ExtractorSpec, *, size: int) -> None:
        """size: extractors; 0: one a core that this process may use. Raises WeightsError, RuntimeUnavailableError."""
        extractors = [spec.build() for _ in range(size or len(os.sched_getaffinity(0)))]
        self.tags = ExtractorTags.of(extractors[0])
        self._free: queue.SimpleQueue[FaceExtractor] = queue.SimpleQueue()
        for extractor in extractors:
            self._free.put(extractor)

    @contextmanager
    def borrowed(self, *, seconds: float | None = None) -> Iterator[FaceExtractor]:
        """An extractor of one's own. seconds: to wait for one (None: for ever). Raises ExtractorsBusyError."""
        try:
            extractor = self._free.get(timeout=seconds)
        except queue.Empty as error:
            raise ExtractorsBusyError("Other pictures are being looked at just now. Try again in a moment.") from error
        try:
            yield extractor
        finally:
            self._free.put(extractor)

    def extract_many(
        self, contents: Sequence[bytes], *, seconds: float | None = None
    ) -> list[Extraction | PictureError]:
        """One outcome a picture, in order; waits for an extractor that is free.

        Raises ExtractorsBusyError, and FaceProjectError where a detector elsewhere is away or refuses us.
        """
        if not contents:
            return []
        with self.borrowed(seconds=seconds) as extractor:
            return _outcomes(extractor, contents)


def _outcomes(extractor: FaceExtractor, contents: Sequence[bytes]) -> list[Extraction | PictureError]:
    try:
        return extractor.extract_many(contents)
    except FaceProjectError:  # of a detector elsewhere: no picture is to blame
        raise
    except Exception as error:  # one of them is to blame, and has the same trouble alone
        if len(contents) > 1:
            return [_outcomes(extractor, [content])[0] for content in contents]
        logger.exception("extraction failed")
        said = "does not fit into memory" if isinstance(error, MemoryError) else "could not be extracted"
        return [ExtractionFailedError(f"The picture {said} ({type(error).__name__}). The log says more.")]


_of_web: dict[ExtractorSpec, ExtractorPool] = {}
_lock = threading.Lock()


def web_extractors() -> ExtractorPool:
    """The one extractor of this web process, loaded when a page first needs it (a second or two, 150 MB).

    Raises WeightsError, RuntimeUnavailableError.
    """
    spec = extractor_spec().impatient(WAIT_SECONDS)
    with _lock:
        if spec not in _of_web:
            _of_web[spec] = ExtractorPool(spec, size=1)
        return _of_web[spec]
