"""One exported version, with neither store nor database: this module asks for no database, so any access fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.scorer.serving import OtherEmbedderError
from personas import store as stores
from tests import factories
from tests.ingest.fakes import GREEN, RED
from tests.orchestration.scorer.world import EMBEDDER, artefact, colour_vector, personas_of, picture
from training.model_folder import ModelFolderError, write_model_folder


@pytest.fixture(autouse=True)
def no_store(monkeypatch):
    def refused(*arguments):
        raise AssertionError("the scorer opened a store")

    monkeypatch.setattr(stores, "get_store", refused)
    monkeypatch.setattr(stores, "open_store", refused)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return exported(tmp_path / "model" / "nested")


def exported(folder: Path, **changes) -> Path:
    version = factories.model_version(**{"version": 5, "embedder": EMBEDDER, **changes})
    write_model_folder(folder, version, artefact("red", "green"), names={"red": "Red", "green": None}, detectors=[])
    return folder


def test_any_access_to_the_database_would_fail_here():
    from django.db import connection

    with pytest.raises(RuntimeError, match="Database access not allowed"), connection.cursor():
        pass


def test_it_answers_by_that_version_alone(scorer_settings, folder, installed, asker):
    scorer_settings.SCORER_MODEL_DIR = str(folder.parent)  # nested one level, as Azure ML mounts it
    installed().source.start()
    answer = asker.raw(picture(RED, GREEN)).json()
    assert answer["version"] == 5
    assert personas_of(answer["results"][0]) == ["red", "green"]
    assert answer["results"][0]["faces"][0]["persona"]["name"] == "Red"
    assert asker.embeddings([colour_vector(GREEN).tolist()]).json()["results"][0]["persona"] == {"id": "green"}
    assert asker.get("/readyz").json()["problem"] is None
    assert asker.get("/v1/model").json()["personas"] == 2


def test_a_model_of_another_embedder_is_refused_with_both(scorer_settings, tmp_path, installed):
    scorer_settings.SCORER_MODEL_DIR = str(exported(tmp_path / "model", embedder="another 2"))
    with pytest.raises(OtherEmbedderError, match=r"another 2.*colour 1"):
        installed()


def test_a_folder_that_holds_no_model_is_refused(scorer_settings, tmp_path, installed):
    scorer_settings.SCORER_MODEL_DIR = str(tmp_path)
    with pytest.raises(ModelFolderError, match="holds no model"):
        installed()
