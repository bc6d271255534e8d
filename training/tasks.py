"""Celery tasks of the trainer-worker: thin, without arguments, safe to run twice."""

from __future__ import annotations

import logging

from celery import shared_task

from personas.entities import LABELS
from personas.errors import NotFoundError
from personas.lease import LeaseBusyError
from personas.selectors.learning import TRAINER_CURSOR
from personas.store import get_store
from training import services

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
    except NotFoundError as error:
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
