"""From the store to a folder: everything about a version that a scorer needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from personas.entities import ModelVersion
from personas.errors import NotFoundError
from personas.media import MediaFolder, MediaMissingError
from personas.store.base import Store
from training.artefact import restore_classifier
from training.champion import artefacts
from training.collect import said_from_json
from training.model_folder import write_model_folder

#: Pictures whose faces are read from the store at once.
PICTURES_AT_ONCE = 500


def export_version(
    store: Store, *, folder: Path, media_root: Path, version: int | None, with_names: bool
) -> dict[str, Any]:
    """See `training.services.export_model`."""
    wanted = _version(store, version)
    content = artefacts(media_root).read(wanted.artefact)
    classifier, _ = restore_classifier(content)
    ids = [str(each) for each in classifier.classes_]
    personas = store.personas_by_id(ids) if with_names else {}
    return write_model_folder(
        folder,
        wanted,
        content,
        names={each: personas[each].name if each in personas else None for each in ids},
        detectors=_detectors(store, media_root, wanted),
    )


def _version(store: Store, number: int | None) -> ModelVersion:
    if number is None:
        champion = store.champion()
        if champion is None:
            raise NotFoundError("There is no version yet; `manage.py train` makes the first.")
        number = champion.version
    found = store.model_version(number)
    if found is None:
        raise NotFoundError(f"There is no version {number}; `manage.py models` lists them.")
    return found


def _detectors(store: Store, media_root: Path, version: ModelVersion) -> list[str]:
    """Tags of what found the faces that the version was trained on, as far as they are still known."""
    try:
        table = MediaFolder(media_root, "training_tables").read(str(version.metrics["training_table"]))
    except (KeyError, MediaMissingError):
        return []
    keys = {label.key for label in said_from_json(table)}
    found: set[str] = set()
    pictures = sorted({key.image_id for key in keys})
    for start in range(0, len(pictures), PICTURES_AT_ONCE):
        for faces in store.faces_of(pictures[start : start + PICTURES_AT_ONCE]).values():
            found.update(face.detector for face in faces if face.key in keys)
    return sorted(found)
