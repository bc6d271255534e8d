"""A fitted classifier as bytes and back: arrays and JSON in one .npz, never pickle.

Loading an artefact cannot run code. The same classifier gives the same bytes, so an artefact's SHA-256 is its name, and
a classifier that was saved and loaded predicts bit for bit what it predicted before.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from personas.errors import FaceProjectError
from training.classifier import PersonaClassifier
from training.gallery import Gallery, Scored

# 1: templates a look, counter-examples, cut-off in deviations, learnt shares.
FORMAT_VERSION = 1
# What a reader needs to know first.
HEADER = "header.json"
# The only dates a zip can hold start here; a fixed one keeps equal contents equal.
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
GROUPS = ("templates", "counter_examples")
ARRAYS = (
    "vectors",
    "class_index",
    "impostor_mean",
    "impostor_deviation",
    "genuine_mean",
    "genuine_deviation",
)


class ArtefactCorrupt(FaceProjectError):  # noqa: N818 - named after what happened, as its callers read it
    """The bytes of an artefact are not what was written."""


class ArtefactIncompatible(FaceProjectError):  # noqa: N818 - the same
    """An artefact is intact, but written in a format this release does not read."""


def dump_classifier(classifier: PersonaClassifier, *, metadata: Mapping[str, Any] | None = None) -> bytes:
    """The bytes of a fitted classifier. metadata: JSON-able, kept beside it (embedder, data hash, ...)."""
    gallery: Gallery = classifier.gallery_
    classes = gallery.classes.astype(np.str_) if gallery.classes.dtype.hasobject else gallery.classes
    members = {"classes": classes, "centre": gallery.centre}
    for group in GROUPS:
        members |= {f"{group}.{name}": getattr(getattr(gallery, group), name) for name in ARRAYS}
    header = {
        "format_version": FORMAT_VERSION,
        "parameters": classifier.get_params(),
        "n_features": int(classifier.n_features_in_),
        "cut_off": gallery.cut_off,
        "unknown_prior": gallery.unknown_prior,
        "unseen_share": gallery.unseen_share,
        "arrays": {name: _hash(array) for name, array in members.items()},
        "metadata": dict(metadata or {}),
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(HEADER, ZIP_EPOCH), json.dumps(header, sort_keys=True, indent=1))
        for name, array in members.items():
            stored = io.BytesIO()
            np.lib.format.write_array(stored, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", ZIP_EPOCH), stored.getvalue())
    return packed.getvalue()


def restore_classifier(content: bytes) -> tuple[PersonaClassifier, dict[str, Any]]:
    """(classifier, metadata) from bytes. Raises ArtefactCorrupt, ArtefactIncompatible."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            header = json.loads(archive.read(HEADER))
            _check_version(header)
            arrays = {name: _read(archive, name, digest) for name, digest in header["arrays"].items()}
        groups = {group: Scored(**{name: arrays[f"{group}.{name}"] for name in ARRAYS}) for group in GROUPS}
        classifier = PersonaClassifier(**header["parameters"])
        classifier.n_features_in_ = int(header["n_features"])
        classifier.classes_ = arrays["classes"]
        classifier.gallery_ = Gallery(
            classes=arrays["classes"],
            centre=arrays["centre"],
            cut_off=float(header["cut_off"]),
            unknown_prior=float(header["unknown_prior"]),
            unseen_share=float(header["unseen_share"]),
            **groups,
        )
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, EOFError, OSError) as error:
        raise ArtefactCorrupt(
            "The file of this model version is damaged. Roll back to an earlier version, or train a new one: "
            "`manage.py train`."
        ) from error
    return classifier, dict(header["metadata"])


def load_classifier(path: str | Path, *, sha256: str | None = None) -> PersonaClassifier:
    """The classifier stored at `path`. Raises FileNotFoundError, ArtefactCorrupt (also for a wrong SHA-256),
    ArtefactIncompatible."""
    content = Path(path).read_bytes()
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise ArtefactCorrupt(
            "The file of this model version is not the one that was published. Roll back to an earlier version, or "
            "train a new one: `manage.py train`."
        )
    return restore_classifier(content)[0]


def _check_version(header: Mapping[str, Any]) -> None:
    found = header["format_version"]
    if found != FORMAT_VERSION:
        raise ArtefactIncompatible(
            f"This model version was written in format {found}; this release reads format {FORMAT_VERSION}. "
            "Train a new version: `manage.py train`."
        )


def _read(archive: zipfile.ZipFile, name: str, digest: str) -> np.ndarray[Any, Any]:
    array: np.ndarray[Any, Any] = np.lib.format.read_array(io.BytesIO(archive.read(f"{name}.npy")), allow_pickle=False)
    if _hash(array) != digest:
        raise ValueError(f"{name} does not match its hash")
    return array


def _hash(array: np.ndarray[Any, Any]) -> str:
    """SHA-256 of type, shape and bytes."""
    kind = f"{array.dtype.str}{array.shape}".encode()
    return hashlib.sha256(kind + np.ascontiguousarray(array).tobytes()).hexdigest()
