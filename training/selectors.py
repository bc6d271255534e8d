"""What commands and pages read about versions."""

from __future__ import annotations

from typing import Any

from personas.entities import ModelVersion
from personas.store import get_store
from personas.store.base import Store


def version_summary(version: ModelVersion, *, champion: int | None) -> dict[str, Any]:
    """A version as JSON."""
    return {
        "version": version.version,
        "champion": version.version == champion,
        "status": version.status.value,
        "created_at": version.created_at.isoformat(),
        "n_labels": version.n_labels,
        "n_personas": version.n_personas,
        "n_scored": version.n_scored,
        "label_seq": version.label_seq,
        "scored_through": version.scored_through,
        "embedder": version.embedder,
        "data_hash": version.data_hash,
        "artefact": version.artefact,
        "fit_seconds": version.fit_seconds,
        "reasons": list(version.reasons),
        "metrics": dict(version.metrics),
    }


def list_versions(*, limit: int = 20, store: Store | None = None) -> dict[str, Any]:
    """Newest first."""
    store = store or get_store()
    champion = store.champion()
    page = store.model_versions(limit=limit)
    return {
        "champion": champion.version if champion else None,
        "versions": [version_summary(v, champion=champion.version if champion else None) for v in page.items],
    }
