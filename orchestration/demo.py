"""The main job from end to end on one machine: data in, faces found, labels learnt, the rest named."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connections

from ingest.services import folder_source
from orchestration import home
from orchestration.services import ingest_folder
from orchestration.serving import prepare
from personas.errors import NotFoundError
from personas.store import get_store
from training.services import evaluate_against_truth, train


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """What the demo came to."""

    ingest: Mapping[str, Any]
    images: Mapping[str, int]
    n_personas: int
    training: Mapping[str, Any]
    evaluation: Mapping[str, Any] | None
    seconds: float


def run_demo(
    *, source: Path, reset: bool, workers: int | None, say: Callable[[str], None], progress: bool
) -> DemoResult:
    """Ingest a folder, learn from its labels, evaluate on its ground truth. Adds to what is there unless `reset`.

    Raises FaceProjectError: UnableToResetError and HomeInUseError (before anything is removed), and what ingest raises.
    """
    started = time.perf_counter()
    folder_source(source)  # a wrong folder is named before anything is emptied
    if reset:
        empty_home()
    prepare()
    say(f"Reading pictures from {source}")
    ingested = ingest_folder(source=source, workers=workers, actor="demo", progress=progress)
    say("Learning from the labels that came with them")
    outcome = train(actor="demo")
    store = get_store()
    try:
        evaluation: Mapping[str, Any] | None = evaluate_against_truth()
    except NotFoundError:
        evaluation = None
    return DemoResult(
        ingest=ingested,
        images=store.count_images(),
        n_personas=len(store.personas(limit=5000).items),
        training={"sentence": outcome.sentence, "version": outcome.version, "promoted": outcome.promoted},
        evaluation=evaluation,
        seconds=round(time.perf_counter() - started, 1),
    )


def empty_home() -> None:
    """Remove the state below FACEPROJECT_HOME, but the secret. Raises UnableToResetError, HomeInUseError."""
    folder = settings.FACEPROJECT_HOME
    places = {
        "DATABASE_URL": (str(settings.DATABASES["default"]["NAME"]), home.DATABASE),
        "MEDIA_ROOT": (settings.MEDIA_ROOT, home.MEDIA),
        "CACHE_ROOT": (settings.CACHE_ROOT, home.CACHE),
    }
    elsewhere = [name for name, (place, usual) in places.items() if place != str(folder / usual)]
    if elsewhere:
        raise home.UnableToResetError(
            f"What {', '.join(elsewhere)} names is not {folder}'s own, so nothing was removed. Unset it, or empty "
            "database, originals and cache by hand, all of them."
        )
    connections.close_all()
    home.empty(folder)
    for queue in settings.QUEUE_FOLDERS:
        queue.mkdir(parents=True, exist_ok=True)
