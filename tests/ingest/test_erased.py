"""A picture that was erased for good does not come back with the folder it lies in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ingest.tasks import erase_pictures
from personas.crops import originals
from personas.entities import ImageStatus
from personas.media import write_atomically
from personas.services import curation, erasing
from personas.services.labelling import new_command_id
from personas.store.base import Store
from tests.ingest.conftest import Ingest, now, reasons
from tests.ingest.drawing import draw
from tests.ingest.fakes import BLUE, RED


def delete(store: Store, image_id: str) -> None:
    curation.delete_images(store=store, image_ids=[image_id], actor="a", at=now(), command_id=new_command_id())


def test_it_is_reported_and_not_taken_in_until_it_is_allowed_again(
    store: Store, folder: Path, ingest: Ingest, settings: Any
) -> None:
    settings.DELETED_KEPT_DAYS = 0
    draw(folder / "gone.png", [(20, 20, 80, RED)])
    draw(folder / "kept.png", [(20, 20, 80, BLUE)])
    ingest()
    (path,) = store.find_paths("gone.png")
    assert originals().exists(path.image_id)
    delete(store, path.image_id)
    assert erase_pictures() == "1 pictures erased."
    assert not originals().exists(path.image_id)

    summary = ingest()
    assert reasons(summary) == {"gone.png": "erased"}
    assert f"erase_deleted --forget {path.image_id}" in summary.rejected[0].message
    assert store.images_by_id([path.image_id]) == {} and not originals().exists(path.image_id)

    erasing.allow_images(store=store, image_ids=[path.image_id], actor="a", at=now(), command_id=new_command_id())
    summary = ingest()
    assert (summary.rejected, summary.new) == ((), 1)
    assert store.images_by_id([path.image_id])[path.image_id].status is ImageStatus.FACES
    assert originals().exists(path.image_id)


def test_a_copy_under_another_name_is_recognised(store: Store, folder: Path, ingest: Ingest, settings: Any) -> None:
    settings.DELETED_KEPT_DAYS = 0
    one = draw(folder / "one.png", [(20, 20, 80, RED)])
    ingest()
    delete(store, store.find_paths("one.png")[0].image_id)
    erase_pictures()
    one.rename(folder / "another name.png")
    assert reasons(ingest()) == {"another name.png": "erased"}


def test_deleted_pictures_are_kept_for_as_long_as_the_setting_says(
    store: Store, folder: Path, ingest: Ingest, settings: Any
) -> None:
    settings.DELETED_KEPT_DAYS = 1
    draw(folder / "one.png", [(20, 20, 80, RED)])
    ingest()
    delete(store, store.find_paths("one.png")[0].image_id)
    assert erase_pictures() == "0 pictures erased."
    assert len(store.deleted_images().items) == 1


def test_one_that_is_erased_while_it_is_read_anew_leaves_nothing(
    store: Store, folder: Path, ingest: Ingest, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DELETED_KEPT_DAYS = 0
    draw(folder / "gone.png", [(20, 20, 80, RED)])
    draw(folder / "kept.png", [(20, 20, 80, BLUE)])
    ingest()
    gone = store.find_paths("gone.png")[0].image_id
    save = store.save_extracted

    def erased_before(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(store, "save_extracted", save)
        delete(store, gone)
        erase_pictures()
        write_atomically(originals().path(gone), (folder / "gone.png").read_bytes())  # as the reading process keeps it
        return save(*args, **kwargs)

    monkeypatch.setattr(store, "save_extracted", erased_before)
    settings.FACE_EXTRACTOR = "tests.ingest.fakes.newer_squares"
    summary = ingest()
    assert reasons(summary) == {"gone.png": "erased"}
    assert summary.pictures == 1
    assert not originals().exists(gone)
    assert store.find_paths("gone.png") == ()
    assert store.images_by_id([gone]) == {}
