"""Personas who are colours, versions that know them, pictures of them: no weights, no trainer."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from personas.entities import FloatArray, ModelVersion
from personas.store.base import Store
from tests import factories
from tests.ingest.fakes import BLUE, GREEN, RED, ColourEmbedder
from training.artefact import dump_classifier
from training.champion import artefacts
from training.classifier import PersonaClassifier

EMBEDDER = "colour 1"
TOKEN = "a-token-that-nobody-guesses"
COLOURS = {"red": RED, "green": GREEN, "blue": BLUE}
#: Of a face that nobody labelled.
YELLOW = (220, 210, 30)


def colour_vector(colour: tuple[int, int, int]) -> FloatArray:
    """The embedding of a crop of one colour: float32 (128,), L2-normalised."""
    crop = np.full((1, 112, 112, 3), colour[::-1], np.uint8)
    return ColourEmbedder().embed(crop)[0]


def near(vector: FloatArray, seed: int, *, spread: float = 0.3) -> FloatArray:
    """A face like it: float32 (128,), L2-normalised."""
    noise = np.random.default_rng(seed).standard_normal(len(vector)).astype(np.float32)
    noisy = vector + spread * noise / np.linalg.norm(noise)
    return (noisy / np.linalg.norm(noisy)).astype(np.float32)


def classifier(*known: str) -> PersonaClassifier:
    """Fitted on four faces of each."""
    faces = [near(colour_vector(COLOURS[name]), seed) for name in known for seed in range(4)]
    strangers = np.random.default_rng(99).standard_normal((200, 128)).astype(np.float32)
    return PersonaClassifier().fit(np.array(faces), np.repeat(known, 4), background=strangers)


def artefact(*known: str) -> bytes:
    return dump_classifier(classifier(*known))


def publish(store: Store, media_root: Path, *known: str, embedder: str = EMBEDDER) -> ModelVersion:
    """A version that knows these becomes champion."""
    digest = artefacts(media_root).put(artefact(*known))
    version = store.add_model_version(
        factories.model_version(embedder=embedder, artefact=digest, n_personas=len(known), n_labels=4 * len(known))
    )
    switch_to(store, version.version)
    return version


def switch_to(store: Store, version: int) -> None:
    champion = store.champion()
    revision = champion.revision if champion else 0
    assert store.switch_champion(version, expected_revision=revision, actor="trainer", at=factories.NOW)


def picture(*colours: tuple[int, int, int], kind: str = "PNG") -> bytes:
    """320 x 240 pixels with a square of each colour, the first the largest."""
    image = Image.new("RGB", (320, 240), (128, 128, 128))
    pen = ImageDraw.Draw(image)
    for number, colour in enumerate(colours):
        left, size = 10 + 100 * number, 80 - 10 * number
        pen.rectangle((left, 20, left + size - 1, 20 + size - 1), fill=colour)
    content = io.BytesIO()
    image.save(content, kind)
    return content.getvalue()


def personas_of(result: Mapping[str, object]) -> list[str | None]:
    """Who the faces of a result are, by id."""
    faces: Sequence[Mapping[str, Mapping[str, str] | None]] = result["faces"]  # type: ignore[assignment]
    return [face["persona"]["id"] if face["persona"] else None for face in faces]
