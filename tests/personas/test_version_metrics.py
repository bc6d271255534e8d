"""Metrics of versions: the row stays small, readers see everything."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from personas.media import MediaMissingError
from personas.selectors.gallery import persona_grid
from personas.store import get_store
from personas.version_metrics import DETAILS, metrics_of, put_details
from tests import factories as make

METRICS: dict[str, Any] = {
    "macro_f1": 0.75,
    "reliability": [{"n": 3}],
    "labels_sha256": "a" * 64,
    "per_persona": {f"persona-{n:032}": {"n": 5, "recall": 0.5, "precision": 1.0, "f1": 0.667} for n in range(10_000)},
    "covers": {f"persona-{n:032}": str(make.key(n)) for n in range(10_000)},
    "contradictions": [],
    "flagged": {"personas": [], "faces": []},
}


def test_the_row_keeps_the_summary_and_readers_see_everything(tmp_path: Path) -> None:
    row = put_details(METRICS, tmp_path)
    assert len(json.dumps(row)) < 1000
    assert row["macro_f1"] == 0.75
    version = make.model_version(metrics=row)
    seen = dict(metrics_of(version, media_root=tmp_path))
    assert seen.pop(DETAILS) == row[DETAILS]
    assert seen == METRICS
    assert put_details(METRICS, tmp_path) == row


def test_a_version_written_before_has_everything_in_its_row(tmp_path: Path) -> None:
    assert metrics_of(make.model_version(metrics=METRICS), media_root=tmp_path) == METRICS


def test_lost_details_are_named(tmp_path: Path) -> None:
    version = make.model_version(metrics={DETAILS: "b" * 64})
    with pytest.raises(MediaMissingError, match="MEDIA_ROOT"):
        metrics_of(version, media_root=tmp_path)


@pytest.mark.django_db
def test_the_grid_shows_any_labelled_face_where_details_are_lost(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = str(tmp_path)
    store = get_store()
    keys = make.save_pictures(store, 3)
    make.add_personas(store, "Ann")
    make.label(store, "ann", *keys)
    version = store.add_model_version(
        make.model_version(said_through=10**6, metrics=put_details({"covers": {"ann": str(keys[2])}}, tmp_path))
    )
    store.switch_champion(version.version, expected_revision=0, actor="zoe", at=make.NOW)
    assert persona_grid(store).items[0].cover == keys[2]
    store.update_model_version(replace(version, metrics={DETAILS: "b" * 64}))
    assert persona_grid(store).items[0].cover == keys[0]
