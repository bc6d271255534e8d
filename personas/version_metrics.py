"""Metrics of model versions: a summary in the row; what grows with the number of personas in a file beside it.

Ten thousand personas make two megabytes of details, more than a row may hold. The file lies in `MEDIA_ROOT/metrics`,
named by its content; the row keeps that name under DETAILS. Versions written before have everything in the row.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from personas.entities import ModelVersion
from personas.media import MediaFolder

#: In the row: SHA-256 of the file of details.
DETAILS = "details"
#: What the file holds: a line a persona, or a face; and what lists of versions do not show.
IN_FILE = ("per_persona", "contradictions", "flagged", "covers", "thresholds", "histograms", "confusion")


def metrics_of(version: ModelVersion, *, media_root: str | Path | None = None) -> Mapping[str, Any]:
    """Summary and details together. Raises MediaMissingError.

    media_root: None means this installation's.
    """
    sha256 = version.metrics.get(DETAILS)
    if sha256 is None:
        return version.metrics
    if media_root is None:
        from django.conf import settings

        media_root = settings.MEDIA_ROOT
    return {**version.metrics, **_details(str(sha256), str(media_root))}


def put_details(metrics: Mapping[str, Any], media_root: str | Path) -> dict[str, Any]:
    """The summary that goes into the row; the details are in their file then."""
    details = {name: metrics[name] for name in IN_FILE if name in metrics}
    content = json.dumps(details, sort_keys=True, separators=(",", ":")).encode()
    summary = {name: value for name, value in metrics.items() if name not in IN_FILE}
    return {**summary, DETAILS: _folder(media_root).put(content)}


@lru_cache(maxsize=4)
def _details(sha256: str, media_root: str) -> Mapping[str, Any]:
    details: Mapping[str, Any] = json.loads(_folder(media_root).read(sha256))
    return details


def _folder(media_root: str | Path) -> MediaFolder:
    return MediaFolder(Path(media_root), "metrics")
