"""What spans ingest and training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.utils import timezone

from ingest.progress import progress_bar
from ingest.services import folder_source, ingest_source
from personas.lease import LeaseBusyError
from personas.store import get_store


def ingest_folder(*, source: Path, workers: int | None, actor: str, progress: bool) -> Mapping[str, Any]:
    """Take in a folder, and let the champion score what is new without a fit; returns the summary as JSON.

    Raises FaceProjectError.
    """
    from training.services import score_new_faces  # scikit-learn takes a second; a wrong folder is named at once

    folder = folder_source(source)
    with progress_bar("Pictures", shown=progress) as moved:
        summary = ingest_source(
            store=get_store(), source=folder, workers=workers, actor=actor, clock=timezone.now, progress=moved
        )
    try:
        scored = score_new_faces()
    except LeaseBusyError:  # the pictures are in; whoever trains now, or the dispatcher, has them scored
        scored = 0
    return {**summary.as_json(), "scored": scored}
