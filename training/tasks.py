"""Celery tasks of the trainer-worker: thin, ids for arguments, safe to run twice."""

from __future__ import annotations

import logging

from celery import shared_task

from personas.entities import LABELS
from personas.errors import NotFoundError
from personas.lease import LeaseBusyError
from personas.selectors.learning import TRAINER_CURSOR
from personas.store import get_store
from training import services
from training.attempts import SetAsideError

logger = logging.getLogger(__name__)


@shared_task(name="training.train")  # type: ignore[untyped-decorator]
def train() -> str:
    """Learn from what people said since the last attempt; returns a sentence without names that says what happened."""
    store = get_store()
    if store.head(LABELS) <= store.cursor(TRAINER_CURSOR):
        return "Nothing was said since the last attempt."
    try:
        outcome = services.train(actor="trainer", only_new_labels=True, wait_seconds=0)
    except LeaseBusyError:
        return "Another trainer is at work; the dispatcher asks again."
    except (NotFoundError, SetAsideError) as error:
        return str(error)
    logger.info(
        "training attempt ended",
        extra={"version": outcome.version, "promoted": outcome.promoted, "fit_seconds": outcome.fit_seconds},
    )
    return f"version {outcome.version}: {'champion' if outcome.promoted else 'not promoted'}"


@shared_task(name="training.score_new_faces")  # type: ignore[untyped-decorator]
def score_new_faces() -> str:
    """Score what was ingested since the champion's last scoring."""
    try:
        return f"{services.score_new_faces()} faces scored."
    except LeaseBusyError:
        return "A trainer is at work; the dispatcher asks again."


@shared_task(name="training.do_share")  # type: ignore[untyped-decorator]
def do_share(job_id: str, number: int) -> str:
    """Score a share of the faces that a version is published over, while the trainer does others."""
    try:
        share = services.do_share(job_id, number)
    except LeaseBusyError:
        return "Another worker is at it."
    return f"share {number}: {share.status.value}" if share else "There is nothing to do now."
