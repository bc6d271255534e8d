"""`manage.py export_model`: a version of the store as a folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from personas.store import get_store
from tests.factories import DETECTOR, EMBEDDER
from tests.training.world import World, appearance
from training.champion import load_recogniser
from training.model_folder import MANIFEST, read_model_folder


@pytest.fixture
def world(db, settings, tmp_path: Path) -> World:
    """Two versions: the first knows Ann, the second Ann and Bo."""
    settings.MEDIA_ROOT = str(tmp_path / "media")
    settings.CACHE_ROOT = str(tmp_path / "cache")
    world = World(get_store(), tmp_path)
    world.crowd(20)
    for person in ("Ann", "Bo"):
        world.introduce(person, world.photograph(person, 4))
        world.train()
    return world


def export(folder: Path, *arguments: str, capsys) -> dict:
    call_command("export_model", str(folder), "--json", *arguments)
    return json.loads(capsys.readouterr().out)


def test_the_champion_is_exported_with_names_and_what_found_its_faces(world, tmp_path, capsys):
    said = export(tmp_path / "out", capsys=capsys)
    assert said["folder"] == str(tmp_path / "out")
    assert (said["version"], said["embedder"], said["detectors"]) == (2, EMBEDDER, [DETECTOR])
    assert said["personas"] == [{"id": "ann", "name": "Ann"}, {"id": "bo", "name": "Bo"}]
    assert {name: said[name] for name in said if name != "folder"} == json.loads(
        (tmp_path / "out" / MANIFEST).read_text()
    )
    faces = np.array([appearance(person, 99) for person in ("Ann", "Bo", "nobody")], np.float32)
    served, kept = read_model_folder(tmp_path / "out").recogniser, load_recogniser(world.store, 2, tmp_path / "media")
    assert np.array_equal(served.classifier.predict_proba(faces), kept.classifier.predict_proba(faces))


def test_another_version_is_exported_by_number_and_without_names(world, tmp_path, capsys):
    said = export(tmp_path / "out", "--version", "1", "--no-names", capsys=capsys)
    assert (said["version"], said["personas"]) == (1, [{"id": "ann"}])
    assert "Ann" not in (tmp_path / "out" / MANIFEST).read_text()


def test_a_version_that_does_not_exist_is_one_sentence(world, tmp_path):
    with pytest.raises(CommandError, match="There is no version 9"):
        call_command("export_model", str(tmp_path / "out"), "--version", "9")
    assert not (tmp_path / "out").exists()


def test_without_a_version_there_is_nothing_to_export(db, tmp_path):
    with pytest.raises(CommandError, match=r"manage\.py train"):
        call_command("export_model", str(tmp_path / "out"))


def test_a_reader_is_told_where_it_is(world, tmp_path, capsys):
    call_command("export_model", str(tmp_path / "out"))
    assert f"Version 2 (2 personas, {EMBEDDER}) is in {tmp_path / 'out'}." in capsys.readouterr().out
