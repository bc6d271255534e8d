"""A few extractors, each for one request at a time."""

from __future__ import annotations

import logging
import os
import queue
from collections.abc import Sequence

from ingest.extraction import ExtractorSpec, ExtractorTags
from ingest.vision import Extraction, FaceExtractor, PictureError

logger = logging.getLogger(__name__)


class ExtractionFailedError(PictureError):
    """The picture broke the extractor in a way nobody foresaw."""

    reason = "extraction_failed"


class ExtractorPool:
    """Extractors that are loaded once. Their models use one thread each, so one a core is right."""

    def __init__(self, spec: ExtractorSpec, *, size: int) -> None:
        """size: extractors; 0: one a core that this process may use. Raises WeightsError, RuntimeUnavailableError."""
        extractors = [spec.build() for _ in range(size or len(os.sched_getaffinity(0)))]
        self.tags = ExtractorTags.of(extractors[0])
        self._free: queue.SimpleQueue[FaceExtractor] = queue.SimpleQueue()
        for extractor in extractors:
            self._free.put(extractor)

    def extract_many(self, contents: Sequence[bytes]) -> list[Extraction | PictureError]:
        """One outcome a picture, in order; waits for an extractor that is free."""
        if not contents:
            return []
        extractor = self._free.get()
        try:
            return _outcomes(extractor, contents)
        finally:
            self._free.put(extractor)


def _outcomes(extractor: FaceExtractor, contents: Sequence[bytes]) -> list[Extraction | PictureError]:
    try:
        return extractor.extract_many(contents)
    except Exception as error:  # one of them is to blame, and has the same trouble alone
        if len(contents) > 1:
            return [_outcomes(extractor, [content])[0] for content in contents]
        logger.exception("extraction failed")
        said = "does not fit into memory" if isinstance(error, MemoryError) else "could not be extracted"
        return [ExtractionFailedError(f"The picture {said} ({type(error).__name__}). The scorer's log says more.")]
