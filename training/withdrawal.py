"""Versions that learnt from pictures which were erased since: their artefacts go, once another version is in use.

An artefact holds templates, some of a single face, and faces that are counter-examples. What a version learnt from
stands in its training table.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from personas.entities import NOBODY, STRANGER, ModelVersion
from personas.lease import Lease
from personas.media import MediaFolder, MediaMissingError
from personas.selectors.erasing import ERASED_CURSOR, LOOKED_THROUGH_CURSOR, WITHDRAWN_CURSOR
from personas.store.base import Store
from personas.store.paging import every
from training.champion import WITHDRAWN, artefacts
from training.collect import said_from_json

logger = logging.getLogger(__name__)


def holds_erased(store: Store, version: ModelVersion, media_root: Path) -> bool:
    """Whether a version learnt from a face of a picture that was erased; one whose table is lost may have."""
    try:
        table = MediaFolder(media_root, "training_tables").read(str(version.metrics["training_table"]))
    except (KeyError, MediaMissingError):
        return bool(store.erased_images(limit=1).items)
    learnt = {
        label.image_id
        for label in said_from_json(table)
        if not label.belongs or label.persona_id == STRANGER or label.persona_id not in NOBODY
    }
    return bool(store.erased_among(learnt))


def withdraw_artefacts(store: Store, media_root: Path, lease: Lease, *, clock: Callable[[], datetime]) -> int:
    """Drop the artefacts of versions that learnt from what was erased, but for the champion's; returns how many.

    Nothing is looked at unless something was erased since. Raises LeaseLostError.
    """
    erased_through = store.cursor(ERASED_CURSOR)
    if store.cursor(WITHDRAWN_CURSOR) >= erased_through:
        return 0
    champion = store.champion()
    in_use = champion.version if champion else 0
    withdrawn, standing = [], []
    n_new, champion_holds = 0, False
    for version in every(lambda cursor: store.model_versions(cursor=cursor)):
        holds = WITHDRAWN in version.metrics or holds_erased(store, version, media_root)
        if not holds or version.version == in_use:
            champion_holds = champion_holds or holds
            standing.append(version.artefact)
            continue
        if WITHDRAWN not in version.metrics:
            lease.require()
            metrics = {**version.metrics, WITHDRAWN: clock().isoformat()}
            store.update_model_version(dataclasses.replace(version, metrics=metrics), expected=version.status)
            n_new += 1
        withdrawn.append(version.artefact)
    for artefact in set(withdrawn) - {*standing, ""}:  # again, where a kill left the file
        artefacts(media_root).drop(artefact)
    if champion_holds:
        logger.warning("the version in use learnt from erased pictures; it is withdrawn once another one is in use")
    else:
        store.advance_cursor(WITHDRAWN_CURSOR, erased_through)
    store.advance_cursor(LOOKED_THROUGH_CURSOR, champion.revision if champion else 0)
    return n_new
