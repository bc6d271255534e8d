"""The main job from end to end on one machine: data in, faces found, labels learnt, the rest named."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connections

from orchestration.services import ingest_folder
from orchestration.serving import prepare
from personas.errors import FaceProjectError, NotFoundError
from personas.store import get_store
from training.services import evaluate_against_truth, train

#: Files that mark a folder as one the product may empty.
MARKER = "faceproject.sqlite3"


class UnableToResetError(FaceProjectError):
    """A state folder that the product will not empty."""


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
    """Ingest a folder, learn from its labels, evaluate on its ground truth. Adds to what is there unless `reset`."""
    started = time.perf_counter()
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
    """Remove all below FACEPROJECT_HOME but the secret. Raises UnableToResetError for a folder that is not ours."""
    home = settings.FACEPROJECT_HOME
    if any(home.iterdir()) and not ((home / MARKER).exists() or (home / "secret_key").exists()):
        raise UnableToResetError(f"{home} does not look like a state folder of this product; it was left alone.")
    connections.close_all()
    for entry in home.iterdir():
        if entry.name == "secret_key":
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    for folder in settings.QUEUE_FOLDERS:
        folder.mkdir(parents=True, exist_ok=True)
