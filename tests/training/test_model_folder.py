"""A version as a folder: whole or not at all, and plain about what is wrong with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from personas.version import VERSION
from tests.factories import EMBEDDER, model_version
from tests.training.embeddings import People
from training import model_folder
from training.artefact import dump_classifier
from training.classifier import PersonaClassifier
from training.model_folder import (
    ARTEFACT,
    MANIFEST,
    ModelFolderError,
    UnableToExportError,
    read_model_folder,
    write_model_folder,
)

REPO = Path(__file__).resolve().parents[2]
NAMES = {"ann": "Ann", "bo": None}


@pytest.fixture(scope="module")
def people() -> People:
    return People(seed=5)


@pytest.fixture(scope="module")
def model(people: People) -> PersonaClassifier:
    faces = np.concatenate([people.faces(people.person(), 4) for _ in range(2)])
    return PersonaClassifier().fit(faces, np.repeat(["ann", "bo"], 4), background=people.strangers(60))


def write(folder: Path, model: PersonaClassifier, **changes) -> dict:
    version = model_version(version=7, metrics={"macro_f1": 0.5, "labels_sha256": "0" * 64, "per_persona": {}})
    return write_model_folder(
        folder, version, dump_classifier(model), **{"names": NAMES, "detectors": ["yunet test"], **changes}
    )


@pytest.fixture
def folder(tmp_path: Path, model: PersonaClassifier) -> Path:
    write(tmp_path / "export", model)
    return tmp_path / "export"


def alter_manifest(folder: Path, **changes) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**manifest, **changes}))


def test_what_was_written_is_read_back_and_predicts_bit_for_bit(folder, model, people):
    exported = read_model_folder(folder)
    faces = people.strangers(50)
    assert np.array_equal(exported.recogniser.classifier.predict_proba(faces), model.predict_proba(faces))
    assert (exported.recogniser.version, exported.recogniser.embedder) == (7, EMBEDDER)
    assert exported.names == {"ann": "Ann"}
    assert exported.detectors == ("yunet test",)


def test_the_manifest_says_what_it_is_and_keeps_figures_only_of_the_metrics(folder):
    manifest = json.loads((folder / MANIFEST).read_text())
    assert manifest["product_version"] == VERSION
    assert manifest["format_version"] == 1
    assert manifest["personas"] == [{"id": "ann", "name": "Ann"}, {"id": "bo"}]
    assert manifest["metrics"] == {"macro_f1": 0.5}
    assert sorted(each.name for each in folder.iterdir()) == [MANIFEST, ARTEFACT]


def test_the_product_s_version_is_the_package_s():
    assert f'version = "{VERSION}"' in (REPO / "pyproject.toml").read_text()


def test_an_earlier_export_and_an_empty_folder_are_replaced_whole(folder, model, tmp_path):
    (folder / "left-over").touch()
    write(folder, model, names={"ann": None, "bo": None})
    assert read_model_folder(folder).names == {}
    (tmp_path / "empty").mkdir()
    write(tmp_path / "empty", model)
    read_model_folder(tmp_path / "empty")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["empty", "export"], "something lies beside"
    assert not (folder / "left-over").exists()


def test_anything_else_is_left_alone(tmp_path, model):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").touch()
    (tmp_path / "file").touch()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / MANIFEST).write_text('{"kind": "web app"}')
    for name in ("photos", "file", "other"):
        with pytest.raises(UnableToExportError, match=r"left alone|is a file"):
            write(tmp_path / name, model)
    assert (tmp_path / "photos" / "a.jpg").exists()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "other", "photos"]


def test_a_disk_that_fails_leaves_the_earlier_export(folder, model, monkeypatch):
    before = (folder / MANIFEST).read_text()

    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(model_folder, "_write", full)
    with pytest.raises(UnableToExportError, match="No space left"):
        write(folder, model, names={"ann": None, "bo": None})
    assert (folder / MANIFEST).read_text() == before
    assert [each.name for each in folder.parent.iterdir()] == ["export"]


def test_a_rename_that_fails_brings_the_earlier_export_back(folder, model, monkeypatch):
    before, rename = (folder / MANIFEST).read_text(), Path.rename

    def refused(path, target):
        if path.name.endswith(".part"):
            raise OSError(13, "Permission denied")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(UnableToExportError, match="Permission denied"):
        write(folder, model)
    assert (folder / MANIFEST).read_text() == before
    assert [each.name for each in folder.parent.iterdir()] == ["export"]


def test_a_folder_nested_one_level_is_found(folder, tmp_path):
    outer = tmp_path / "azureml-models"
    shutil.copytree(folder, outer / "1")
    assert read_model_folder(outer).recogniser.version == 7
    (outer / "empty").mkdir()
    read_model_folder(outer)
    shutil.copytree(folder, outer / "2")
    with pytest.raises(ModelFolderError, match=r"holds 2 models \(1, 2\)"):
        read_model_folder(outer)


def test_an_altered_artefact_is_refused_with_both_hashes(folder):
    vouched = json.loads((folder / MANIFEST).read_text())["files"][ARTEFACT]["sha256"]
    (folder / ARTEFACT).write_bytes((folder / ARTEFACT).read_bytes() + b"x")
    with pytest.raises(ModelFolderError, match=vouched):
        read_model_folder(folder)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format_version": 2, "product_version": "9.9"}, "format 2 by 9.9"),
        ({"kind": "web app"}, "something else"),
        ({"files": {}}, "names no model.npz"),
        ({"files": {ARTEFACT: {"sha256": "0" * 64}, "../secret": {"sha256": "0" * 64}}}, "SHA-256|not in its folder"),
        ({"personas": [{"id": "ann"}, {"id": "cy"}]}, "not the same ones"),
        ({"personas": [{}]}, "lacks what it should say"),
        ({"personas": 3}, "lacks what it should say"),
        ({"version": "x"}, "lacks what it should say"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused_with_the_reason(folder, changes, said):
    alter_manifest(folder, **changes)
    with pytest.raises(ModelFolderError, match=said):
        read_model_folder(folder)


def test_a_file_outside_of_the_folder_is_never_read(folder):
    manifest = json.loads((folder / MANIFEST).read_text())
    alter_manifest(folder, files={"../secret": {"sha256": "0" * 64}, **manifest["files"]})
    with pytest.raises(ModelFolderError, match="not in its folder"):
        read_model_folder(folder)


def test_what_is_no_model_folder_is_refused_with_what_to_do(tmp_path, folder):
    with pytest.raises(ModelFolderError, match="export_model"):
        read_model_folder(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelFolderError, match="holds no model"):
        read_model_folder(tmp_path / "empty")
    (folder / MANIFEST).write_text("[1]")
    with pytest.raises(ModelFolderError, match="not the manifest"):
        read_model_folder(folder)
    (folder / MANIFEST).unlink()
    with pytest.raises(ModelFolderError, match="holds no model"):
        read_model_folder(folder)


def test_an_artefact_of_a_later_release_is_refused(tmp_path, model, monkeypatch):
    monkeypatch.setattr("training.artefact.FORMAT_VERSION", 99)
    write(tmp_path / "export", model)
    monkeypatch.undo()
    with pytest.raises(ModelFolderError, match="ArtefactIncompatible"):
        read_model_folder(tmp_path / "export")
