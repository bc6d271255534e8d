"""Celery tasks of the trainer-worker: thin, ids for arguments, safe to run twice."""

from __future__ import annotations

import logging

from personas.entities import LABELS
from personas.selectors.learning import TRAINER_CURSOR
from personas.store import get_store
from personas.tasks import task
from training import services

logger = logging.getLogger(__name__)


@task("training.train")
def train() -> str:
    """Learn from what people said since the last attempt; returns a sentence without names that says what happened."""
    store = get_store()
    if store.head(LABELS) <= store.cursor(TRAINER_CURSOR):
        return "Nothing was said since the last attempt."
    outcome = services.train(actor="trainer", only_new_labels=True, wait_seconds=0)
    logger.info(
        "training attempt ended",
        extra={"version": outcome.version, "promoted": outcome.promoted, "fit_seconds": outcome.fit_seconds},
    )
    return f"version {outcome.version}: {'champion' if outcome.promoted else 'not promoted'}"


@task("training.score_new_faces")
def score_new_faces() -> str:
    """Score what was ingested since the champion's last scoring."""
    return f"{services.score_new_faces()} faces scored."


@task("training.withdraw_artefacts")
def withdraw_artefacts() -> str:
    """Drop what versions learnt from pictures that were erased since, where a kill kept a fit from doing so."""
    return f"{services.withdraw_artefacts()} versions withdrawn."


@task("training.group_unknown_faces")
def group_unknown_faces() -> str:
    """Group the faces that nobody claims."""
    return services.group_unknown_faces(actor="grouping")


@task("training.do_share")
def do_share(job_id: str, number: int) -> str:
    """Score a share of the faces that a version is published over, while the trainer does others."""
    share = services.do_share(job_id, number)
    return f"share {number}: {share.status.value}" if share else f"share {number}: nothing to do now"
