"""What one process of the scorer holds: tokens, extractors, the version in use, and how much it takes on."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

from django.conf import settings

from ingest.extraction import extractor_spec
from ingest.extractors import ExtractorPool
from orchestration.scorer.problems import ProblemError
from orchestration.scorer.serving import ChampionFollower, FolderSource, Served, Source
from orchestration.scorer.tokens import tokens_of_installation
from personas.errors import FaceProjectError
from personas.readiness import Check, NotReadyError

#: The least that each limit may be.
LEAST: Final = {
    "SCORER_CONCURRENCY": 1,
    "SCORER_EXTRACTORS": 0,
    "SCORER_MAX_BODY_BYTES": 1,
    "SCORER_MAX_EMBEDDINGS": 1,
    "SCORER_MAX_PICTURES": 1,
}


class LimitError(FaceProjectError):
    """A limit that would let nothing through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """slots: requests that may be worked on at once."""

    tokens: tuple[str, ...]
    extractors: ExtractorPool
    source: Source
    slots: threading.BoundedSemaphore

    def served(self) -> Served:
        """The version to answer one request with. Raises ProblemError (503)."""
        served = self.source.served
        if served is None:
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "no_model", self.source.problem, Retry_After="5")
        return served

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Work on one request. Raises ProblemError (429) at once when there is enough to do."""
        if not self.slots.acquire(blocking=False):
            raise ProblemError(
                HTTPStatus.TOO_MANY_REQUESTS, "busy", "The scorer has all the requests it can work on.", Retry_After="1"
            )
        try:
            yield
        finally:
            self.slots.release()


def build() -> Scorer:
    """What the settings describe; models are loaded here. Raises FaceProjectError."""
    for name, least in LEAST.items():
        if getattr(settings, name) < least:
            raise LimitError(f"{name}={getattr(settings, name)} lets nothing through. Set it to {least} or more.")
    tokens = tokens_of_installation()
    extractors = ExtractorPool(extractor_spec(), size=settings.SCORER_EXTRACTORS)
    return Scorer(
        tokens=tokens,
        extractors=extractors,
        source=_source(extractors.tags.embedder),
        slots=threading.BoundedSemaphore(settings.SCORER_CONCURRENCY),
    )


def _source(embedder: str) -> Source:
    if settings.SCORER_MODEL_DIR:
        return FolderSource(Path(settings.SCORER_MODEL_DIR), embedder=embedder)
    from personas.store import get_store

    return ChampionFollower(get_store, media_root=settings.MEDIA_ROOT, embedder=embedder)


def check_model() -> None:
    """There is a version to answer with. Raises NotReadyError."""
    source = current_scorer().source
    if source.served is None:
        raise NotReadyError(source.problem)


#: What the scorer's work depends on; its extractors are loaded before it listens.
CHECKS: Final[Mapping[str, Check]] = {"models": check_model}
_scorer: Scorer | None = None


def install(scorer: Scorer | None) -> None:
    """What this process answers with."""
    global _scorer
    _scorer = scorer


def current_scorer() -> Scorer:
    assert _scorer is not None, "orchestration.scorer.wsgi installs one before the first request"
    return _scorer
