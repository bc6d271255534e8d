"""What commands, tasks and pages ask of training: one call each, over the store and folders of this installation."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from personas.entities import Champion, Share
from personas.store import get_store
from personas.store.base import Store
from training.champion import load_recogniser
from training.grouping import Grouper
from training.report import with_names
from training.trainer import Trainer, TrainingOutcome
from training.truth_report import truth_report


def trainer(store: Store | None = None) -> Trainer:
    """The trainer of this installation."""
    return Trainer(
        store=store or get_store(),
        media_root=Path(settings.MEDIA_ROOT),
        cache_root=Path(settings.CACHE_ROOT),
        clock=timezone.now,
        split_faces=settings.RESCORE_SPLIT_FACES,
    )


def train(*, actor: str, only_new_labels: bool = False, wait_seconds: float = 60.0) -> TrainingOutcome:
    """Fit, evaluate, gate, publish, switch; see `Trainer.train`. What it says names personas as people do."""
    store = get_store()
    outcome = trainer(store).train(actor=actor, only_new_labels=only_new_labels, wait_seconds=wait_seconds)
    return dataclasses.replace(
        outcome,
        sentence=with_names(store, outcome.sentence),
        reasons=tuple(with_names(store, reason) for reason in outcome.reasons),
    )


def do_share(job_id: str, number: int) -> Share | None:
    """Score a share of the faces that a version is published over; None: there is nothing to do now.

    Raises LeaseBusyError when another worker is at it.
    """
    return trainer().rescoring().do_share(job_id, number)


def score_new_faces() -> int:
    """Score faces ingested since the champion's last scoring, without a fit; returns how many."""
    return trainer().score_new_faces()


def withdraw_artefacts() -> int:
    """Drop what versions learnt from pictures that were erased since; returns of how many. See `Publisher.withdraw`."""
    return trainer().withdraw()


def group_unknown_faces(*, actor: str) -> str:
    """Group the faces that nobody claims, unless that was done already; see `Grouper.group`."""
    return Grouper(trainer()).group(actor=actor)


def promote(*, store: Store, version: int, actor: str, at: datetime, expected_version: int | None = None) -> Champion:
    """Make a version champion, whatever the gate said of it; see `Publisher.promote`."""
    del at  # the trainer's clock stamps the switch when it happens
    return trainer(store).promote(version, actor=actor, expected_version=expected_version)


def rollback(*, store: Store, actor: str, at: datetime, expected_version: int | None = None) -> Champion:
    """Go back to the version the champion took over from; see `Publisher.rollback`."""
    del at
    return trainer(store).rollback(actor=actor, expected_version=expected_version)


def evaluate_against_truth(*, version: int | None = None) -> dict[str, Any]:
    """The champion (or another version) on held-out ground truth; see `training.truth_report`."""
    store = get_store()
    recogniser = load_recogniser(store, version, settings.MEDIA_ROOT) if version else None
    return truth_report(store, recogniser=recogniser)


def export_model(*, folder: Path, version: int | None = None, with_names: bool = True) -> dict[str, Any]:
    """Write a version (None: the champion) as a folder that a scorer serves without a store; returns its manifest.

    Raises NotFoundError, ArtefactCorrupt, ArtefactIncompatible, UnableToExportError.
    """
    from training.exporting import export_version

    return export_version(
        get_store(), folder=folder, media_root=Path(settings.MEDIA_ROOT), version=version, with_names=with_names
    )
