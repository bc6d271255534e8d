"""Ingest of real pictures with the real models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingest.services import folder_source
from personas.store.base import Store
from tests.ingest.conftest import Ingest
from tests.ingest.states import state_of


@pytest.mark.seed_data
def test_presidents(
    store: Store, folder: Path, ingest: Ingest, settings: Any, seed_data: Callable[[str], Path]
) -> None:
    settings.FACE_EXTRACTOR = "ingest.extraction.embedded"
    settings.CACHE_ROOT = str(settings.FACEPROJECT_HOME / "cache")
    source = folder_source(seed_data("presidents"))
    summary = ingest(workers=2, source=source)
    assert (summary.pictures, summary.new) == (457, 457)
    assert 16 <= summary.no_face <= 18
    assert summary.categories == {"no-face": 17, "noise": 200, "non-presidential": 47, "presidential": 193}
    assert len(store.personas().items) == 3
    assert summary.labels == 24
    assert set(summary.reasons) <= {"ambiguous"}
    state = state_of(store)
    again = ingest(workers=2, source=source)
    assert (again.new, again.known, again.labels, again.truths) == (0, 457, 0, 0)
    assert state_of(store) == state
