"""A version as a folder of its own: what a scorer needs to serve it without a store.

`manifest.json` says what it is and vouches for every file by its SHA-256; `model.npz` is the artefact as it was
published. Nothing in it can run code. Writing is atomic; reading checks every hash.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from personas.entities import ModelVersion
from personas.errors import FaceProjectError
from personas.version import VERSION
from training.artefact import ArtefactCorrupt, ArtefactIncompatible, restore_classifier
from training.champion import VersionRecogniser

KIND = "faceproject model"
#: 1: one artefact, personas with or without names.
FORMAT_VERSION = 1
MANIFEST = "manifest.json"
ARTEFACT = "model.npz"


class UnableToExportError(FaceProjectError):
    """A version cannot be written where it was asked for."""


class ModelFolderError(FaceProjectError):
    """A folder cannot be served as a model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedModel:
    """A version read back from its folder. names: of personas, by id; empty when exported without."""

    recogniser: VersionRecogniser
    names: Mapping[str, str]
    created_at: str  #: of the version, ISO 8601
    detectors: tuple[str, ...]  #: tags of what found the faces it was trained on


def write_model_folder(
    folder: Path,
    version: ModelVersion,
    artefact: bytes,
    *,
    names: Mapping[str, str | None],
    detectors: Sequence[str],
) -> dict[str, Any]:
    """Write the folder beside its place and rename it there; returns the manifest.

    names: of the version's personas, by id; None: without a name. A folder that is an export already is replaced.
    Raises UnableToExportError.
    """
    folder = folder.resolve()
    _require_replaceable(folder)
    manifest = {
        "kind": KIND,
        "format_version": FORMAT_VERSION,
        "product_version": VERSION,
        "version": version.version,
        "created_at": version.created_at.isoformat(),
        "embedder": version.embedder,
        "detectors": sorted(detectors),
        "n_labels": version.n_labels,
        "personas": [
            {"id": persona_id} if name is None else {"id": persona_id, "name": name}
            for persona_id, name in sorted(names.items())
        ],
        "metrics": {name: value for name, value in version.metrics.items() if isinstance(value, int | float)},
        "files": {ARTEFACT: {"sha256": hashlib.sha256(artefact).hexdigest(), "bytes": len(artefact)}},
    }
    suffix = secrets.token_hex(4)
    part, old = folder.with_name(f"{folder.name}.{suffix}.part"), folder.with_name(f"{folder.name}.{suffix}.old")
    try:
        part.mkdir(parents=True)
        _write(part / ARTEFACT, artefact)
        _write(part / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False).encode() + b"\n")
        if (folder / MANIFEST).exists():
            folder.rename(old)
        part.rename(folder)
    except OSError as error:
        if old.exists() and not folder.exists():
            old.rename(folder)
        raise UnableToExportError(
            f"{folder} cannot be written ({error.strerror or error}). Name a folder that you may write to."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)
    return manifest


def read_model_folder(folder: Path) -> ExportedModel:
    """The version in `folder`, or in the one folder below it that holds a manifest (Azure ML nests them).

    Raises ModelFolderError, which says what is wrong.
    """
    folder = _holding_a_manifest(folder)
    manifest = _manifest(folder)
    content = _verified(folder, manifest)
    try:
        classifier, _ = restore_classifier(content)
    except (ArtefactCorrupt, ArtefactIncompatible) as error:
        raise ModelFolderError(
            f"{folder / ARTEFACT} cannot be read by this release ({type(error).__name__}); it was exported by "
            f"{manifest.get('product_version', 'an unknown release')}, this is {VERSION}. Export it again."
        ) from error
    try:
        personas = {str(each["id"]): each.get("name") for each in manifest["personas"]}
        exported = ExportedModel(
            recogniser=VersionRecogniser(int(manifest["version"]), str(manifest["embedder"]), classifier),
            names={persona_id: str(name) for persona_id, name in personas.items() if name is not None},
            created_at=str(manifest["created_at"]),
            detectors=tuple(map(str, manifest["detectors"])),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelFolderError(f"{folder / MANIFEST} lacks what it should say. Export the version again.") from error
    known = {str(each) for each in classifier.classes_}
    if known != set(personas):
        raise ModelFolderError(
            f"{folder / MANIFEST} lists {len(personas)} personas and {ARTEFACT} knows {len(known)}, not the same ones. "
            "Export the version again."
        )
    return exported


def _require_replaceable(folder: Path) -> None:
    """Raises UnableToExportError unless `folder` is absent, empty, or an export."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UnableToExportError(f"{folder} is a file. Name a folder that does not exist yet.")
    if any(folder.iterdir()) and not _is_export(folder):
        raise UnableToExportError(
            f"{folder} holds something that is not an exported model, so it is left alone. Name another folder."
        )


def _is_export(folder: Path) -> bool:
    try:
        return bool(json.loads((folder / MANIFEST).read_bytes())["kind"] == KIND)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _holding_a_manifest(folder: Path) -> Path:
    try:
        below = sorted(each for each in folder.iterdir() if (each / MANIFEST).is_file())
    except OSError as error:
        raise ModelFolderError(
            f"The model folder {folder} cannot be read ({error.strerror}). Write one with "
            "`manage.py export_model FOLDER`, and set SCORER_MODEL_DIR to it."
        ) from error
    if (folder / MANIFEST).is_file():
        return folder
    if len(below) == 1:
        return below[0]
    found = f"{len(below)} models ({', '.join(each.name for each in below)})" if below else "no model"
    raise ModelFolderError(
        f"The model folder {folder} holds {found}: one {MANIFEST} was looked for, in it or in a folder right below it. "
        "Write one model with `manage.py export_model FOLDER`, and set SCORER_MODEL_DIR to it."
    )


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
        kind, found = manifest["kind"], manifest["format_version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelFolderError(f"{path} is not the manifest of an exported model. Export the version again.") from error
    if kind != KIND:
        raise ModelFolderError(f"{path} is the manifest of something else ({kind!r}). Export the version again.")
    if found != FORMAT_VERSION:
        raise ModelFolderError(
            f"{folder} was written in format {found} by {manifest.get('product_version', 'an unknown release')}; this "
            f"release reads format {FORMAT_VERSION}. Export the version again with this release."
        )
    return dict(manifest)


def _verified(folder: Path, manifest: Mapping[str, Any]) -> bytes:
    """The artefact, once every file of the manifest is what it vouches for."""
    files = manifest.get("files")
    if not isinstance(files, dict) or ARTEFACT not in files:
        raise ModelFolderError(f"{folder / MANIFEST} names no {ARTEFACT}. Export the version again.")
    contents: dict[str, bytes] = {}
    for name, vouched in files.items():
        if Path(name).name != name or not isinstance(vouched, dict):
            raise ModelFolderError(f"{folder / MANIFEST} names a file that is not in its folder. Export it again.")
        try:
            contents[name] = (folder / name).read_bytes()
        except OSError as error:
            raise ModelFolderError(f"{folder / name} cannot be read ({error.strerror}). Export it again.") from error
        digest = hashlib.sha256(contents[name]).hexdigest()
        if digest != vouched.get("sha256"):
            raise ModelFolderError(
                f"{folder / name} has SHA-256 {digest}, its manifest vouches for {vouched.get('sha256')}. Copy the "
                "folder again, or export the version again."
            )
    return contents[ARTEFACT]
