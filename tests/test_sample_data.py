"""The pictures of the default demo are the ones whose licence was read."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.make_sample_data import ORIGINALS

FOLDER = Path(__file__).resolve().parent.parent / "sample_data"
LISTED = dict(re.findall(r"^\| (\S+\.jpg) \|.*\| `([0-9a-f]{64})` \|$", (FOLDER / "PROVENANCE.md").read_text(), re.M))
PICTURES = sorted(path.name for path in FOLDER.glob("*.jpg"))


def test_provenance_lists_exactly_the_pictures_that_are_there() -> None:
    assert sorted(LISTED) == PICTURES
    others = {path.suffix for path in FOLDER.iterdir()} - {".jpg", ".json", ".md"}
    assert not others


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_the_one_that_was_listed(name: str) -> None:
    content = (FOLDER / name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == LISTED[name]
    assert len(content) < 400 * 1024


@pytest.mark.parametrize("name", PICTURES)
def test_a_sidecar_says_what_its_picture_is_to_the_demo(name: str) -> None:
    sidecar = json.loads((FOLDER / name).with_suffix(".json").read_text())
    assert sidecar["persona"] in {"Grace Hopper", "Eileen Collins", None}
    assert isinstance(sidecar["labeled"], bool)
    assert sidecar["category"] in {"portrait", "covered", "stranger", "no-face"}
    assert sidecar["persona"] or not sidecar["labeled"]
    with Image.open(FOLDER / name) as picture:
        assert picture.format == "JPEG"


def test_every_persona_has_labels_and_looks_to_be_found() -> None:
    sidecars = [json.loads(path.read_text()) for path in FOLDER.glob("*.json")]
    assert len(sidecars) == len(PICTURES)
    for persona in ("Grace Hopper", "Eileen Collins"):
        own = [sidecar for sidecar in sidecars if sidecar["persona"] == persona]
        assert sum(sidecar["labeled"] for sidecar in own) == 2
        assert {sidecar["category"] for sidecar in own if not sidecar["labeled"]} == {"portrait", "covered"}


def test_the_folder_stays_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 4 * 2**20


def test_every_original_is_named_with_its_hash_and_licence() -> None:
    provenance = (FOLDER / "PROVENANCE.md").read_text()
    for original in ORIGINALS:
        assert original.sha256 in provenance
        assert original.statement in provenance
