"""A store, a folder, and ingest with an extractor that needs no weights."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ingest.pool import InlinePool
from ingest.services import folder_source, ingest_source
from ingest.summary import IngestSummary
from personas.store import get_store
from personas.store.base import Store
from tests.ingest.drawing import draw
from tests.ingest.fakes import BLUE

Ingest = Callable[..., IngestSummary]


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def store(db: None) -> Store:
    return get_store()


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    """An empty source; the product's own files lie beside it."""
    settings.MEDIA_ROOT = str(tmp_path / "media")
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path / "media" / "receiving")
    settings.CACHE_ROOT = str(tmp_path / "cache")
    settings.FACE_EXTRACTOR = "tests.ingest.fakes.squares"
    source = tmp_path / "source"
    source.mkdir()
    return source


@pytest.fixture
def ingest(store: Store, folder: Path) -> Ingest:
    """`ingest()` takes in the folder, in this process unless workers are asked for."""

    def run(workers: int = 0, **options: Any) -> IngestSummary:
        source = options.pop("source", None) or folder_source(folder)
        return ingest_source(store=store, source=source, workers=workers, actor="test", clock=now, **options)

    return run


def reasons(summary: IngestSummary) -> dict[str, str]:
    """Reason of each rejected path."""
    return {each.path: each.reason for each in summary.rejected}


@pytest.fixture
def picture(folder: Path) -> bytes:
    return draw(folder / "a.png").read_bytes()


@pytest.fixture
def other(folder: Path) -> bytes:
    return draw(folder / "b.png", [(20, 20, 80, BLUE), (200, 100, 60, BLUE)]).read_bytes()


@pytest.fixture
def inline_extraction(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading pictures here instead of in a process of their own saves each test a second."""
    monkeypatch.setattr("ingest.uploads.warm_pool", lambda order: closing(InlinePool(order)))
