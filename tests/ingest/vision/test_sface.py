"""The embedder: lengths, batches, channel order, runtimes, and whom it takes for whom."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from ingest.vision import (
    DetectedFace,
    Extraction,
    ExtractorConfig,
    FaceExtractor,
    RuntimeUnavailableError,
    build_embedder,
    decode,
)
from ingest.vision.align import align
from ingest.vision.protocols import Floats, Pixels
from ingest.vision.runtime import open_openvino
from ingest.vision.sface import SFaceEmbedder, as_network_input, expected_cosine, sface_on_onnxruntime
from ingest.vision.weights import SFACE, find_weights
from tests.ingest.vision.conftest import png


@pytest.fixture(scope="module")
def embedder(model_cache: Path) -> SFaceEmbedder:
    return sface_on_onnxruntime(find_weights(SFACE), cache_dir=model_cache)


@pytest.fixture(scope="module")
def crops() -> Pixels:
    return np.random.default_rng(0).integers(0, 255, (19, 112, 112, 3), dtype=np.uint8)


def test_embeddings_have_length_one(embedder: SFaceEmbedder, crops: Pixels) -> None:
    vectors = embedder.embed(crops)
    assert (vectors.shape, vectors.dtype) == ((19, embedder.dim), np.float32)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_what_comes_out_never_depends_on_neighbours(embedder: SFaceEmbedder, crops: Pixels) -> None:
    """To the bit: faces of several pictures go through together."""
    alone = np.vstack([embedder.embed(crop[None]) for crop in crops])
    np.testing.assert_array_equal(embedder.embed(crops), alone)


def test_no_crops_give_no_embeddings(embedder: SFaceEmbedder) -> None:
    assert embedder.embed(np.empty((0, 112, 112, 3), np.uint8)).shape == (0, 128)


def test_the_network_gets_red_first() -> None:
    crops = np.zeros((1, 112, 112, 3), np.uint8)
    crops[..., 2] = 200  # red, in BGR
    blob = as_network_input(crops)
    assert (blob.shape, blob.dtype) == ((1, 3, 112, 112), np.float32)
    assert blob[0, :, 0, 0].tolist() == [200, 0, 0]


def test_openvino_agrees_and_its_version_names_the_precision(
    embedder: SFaceEmbedder, crops: Pixels, model_cache: Path
) -> None:
    openvino = pytest.importorskip("openvino")
    for precision, closeness in (("f32", 0.99999), ("bf16", 0.998)):
        config = ExtractorConfig(cache_dir=model_cache, runtime="openvino", precision=precision)
        if precision == "bf16" and "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            with pytest.raises(RuntimeUnavailableError, match="AVX-512 BF16"):
                build_embedder(config)
            continue
        other = build_embedder(config)
        assert other.version == f"2021dec-int8bq+ov-{precision}"
        assert (other.embed(crops) * embedder.embed(crops)).sum(1).min() > closeness


def test_openvino_that_is_not_installed_is_said(model_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(RuntimeUnavailableError, match=r"requirements-openvino.txt"):
        build_embedder(ExtractorConfig(cache_dir=model_cache, runtime="openvino"))


@pytest.mark.parametrize("precision", ["int4", ""])
def test_a_precision_that_does_not_exist_is_said(model_cache: Path, precision: str) -> None:
    pytest.importorskip("openvino")
    with pytest.raises(RuntimeUnavailableError, match="bf16 or f32"):
        open_openvino(find_weights(SFACE), cache_dir=model_cache, free={}, threads=1, precision=precision)


def test_a_runtime_that_does_not_exist_is_said(model_cache: Path) -> None:
    with pytest.raises(RuntimeUnavailableError, match="onnxruntime or openvino"):
        build_embedder(ExtractorConfig(cache_dir=model_cache, runtime="tensorflow"))


@pytest.fixture(scope="module")
def lfw_pairs(extractor: FaceExtractor, seed_data: Callable[[str], Path]) -> Pixels:
    """Crops of 40 people, two pictures each, one after the other: uint8 (80, 112, 112, 3)."""
    people = [sorted(folder.glob("*.jpg"))[:2] for folder in sorted(seed_data("lfw-dev").iterdir())]
    pairs = [pair for pair in people if len(pair) == 2][:40]
    pictures = [decode(path.read_bytes()).pixels for pair in pairs for path in pair]
    return np.concatenate([align(p, extractor.detector.detect(p)[0].landmarks[None]) for p in pictures])


@pytest.mark.seed_data
def test_one_person_is_closer_than_two(embedder: SFaceEmbedder, lfw_pairs: Pixels) -> None:
    vectors = embedder.embed(lfw_pairs)
    different = np.array([a @ b for a, b in itertools.combinations(vectors[::2], 2)])
    assert np.median(_same(vectors)) > 0.6
    assert np.quantile(different, 0.95) < 0.3
    assert (_same(vectors) > 0.3).mean() >= 0.9


@pytest.mark.seed_data
def test_the_channels_are_the_right_way_round(embedder: SFaceEmbedder, lfw_pairs: Pixels) -> None:
    """Red and blue swapped still recognise, only worse; no test of shapes or thresholds would notice."""
    scores = np.full(len(lfw_pairs), 0.9, np.float32)
    vectors, qualities = embedder.embed_rated(lfw_pairs, scores)
    swapped, lower = embedder.embed_rated(lfw_pairs[..., ::-1], scores)
    assert _same(vectors).mean() > _same(swapped).mean() + 0.01
    assert qualities.mean() > lower.mean() + 0.01


def _same(vectors: Floats) -> Floats:
    """Cosines of the pairs."""
    cosines: Floats = (vectors[::2] * vectors[1::2]).sum(1)
    return cosines


@pytest.mark.seed_data
def test_a_blurred_a_small_and_a_covered_face_have_less_quality(
    extractor: FaceExtractor, seed_data: Callable[[str], Path]
) -> None:
    paths = sorted(seed_data("lfw-dev").glob("*/*.jpg"))[:400:20]
    medians = {}
    for name, spoil in {
        "clear": lambda picture, face: picture,
        "blurred": lambda picture, face: cv2.GaussianBlur(picture, (0, 0), 3),
        "small": lambda picture, face: cv2.resize(picture, (60, 60), interpolation=cv2.INTER_AREA),
        "covered": _with_a_bar_over_the_eyes,
    }.items():
        contents = []
        for path in paths:
            picture = decode(path.read_bytes()).pixels
            contents.append(png(spoil(picture, extractor.detector.detect(picture)[0])))
        outcomes = extractor.extract_many(contents)
        medians[name] = np.median([o.faces[0].quality for o in outcomes if isinstance(o, Extraction) and o.faces])
    assert medians["clear"] > 0.6
    assert all(medians["clear"] > medians[name] + 0.05 for name in ("blurred", "small", "covered"))


def test_quality_stays_between_nothing_and_one() -> None:
    lengths, scores = np.array([0, 5, 12, 40], np.float32), np.array([0, 0.7, 0.95, 1], np.float32)
    qualities = expected_cosine(lengths, scores)
    assert qualities[0] == 0
    assert qualities[-1] == 1
    assert (np.diff(qualities) >= 0).all()


def _with_a_bar_over_the_eyes(picture: Pixels, face: DetectedFace) -> Pixels:
    left, right = face.landmarks[:2]
    wide, high = right[0] - left[0], (right[0] - left[0]) * 0.28
    spoilt = picture.copy()
    y = int(left[1] + right[1]) // 2
    spoilt[int(y - high) : int(y + high), int(left[0] - wide / 2) : int(right[0] + wide / 2)] = 10
    return spoilt
