"""Drawing a face that the detector missed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from ingest.drawing import Drawn, UnableToDrawError, draw_face
from ingest.extractors import ExtractorsBusyError, web_extractors
from personas import sign_in
from personas.entities import HUMAN, IGNORED, INGEST, NOT_A_FACE, Box, FaceKey, Verdict
from personas.errors import NotFoundError
from personas.media import MediaMissingError
from personas.selectors.faces import view_image
from personas.services.curation import delete_images
from personas.services.labelling import label_faces
from personas.services.undo import UnableToUndoError, undo_command
from personas.store.base import Store
from tests import factories as make
from tests.ingest.conftest import Ingest, now
from tests.ingest.drawing import draw
from tests.ingest.fakes import RED
from tests.web import HTMX, text_of

#: A square too pale for the detector, and the one it finds.
PALE = (150, 120, 110)
MISSED = Box(40.0, 50.0, 60.0, 60.0)
FOUND = Box(200.0, 90.0, 50.0, 50.0)

Draw = Callable[..., Drawn]


@pytest.fixture
def image_id(ingest: Ingest, folder: Path, store: Store) -> str:
    """A picture with a face that is found and one that is not."""
    draw(folder / "a.png", [(40, 50, 60, PALE), (200, 90, 50, RED)])
    ingest()
    return store.images().items[0].image_id


@pytest.fixture
def at(store: Store, image_id: str) -> Draw:
    """`at(box)` draws it."""

    def one(box: Box, command: str | None = None, **options: Any) -> Drawn:
        return draw_face(
            store=store,
            extractors=web_extractors(),
            image_id=options.pop("image_id", image_id),
            box=box,
            actor="ada",
            at=now(),
            command_id=command or make.command_id(),
        )

    return one


def test_a_drawn_face_is_stored_embedded_and_announced(at: Draw, store: Store, image_id: str) -> None:
    head = store.head(INGEST)
    drawn = at(MISSED)
    assert drawn.is_new
    face = store.faces_of([image_id])[image_id][1]
    assert (drawn.face, face.detector, face.box) == (face, HUMAN, MISSED)
    assert face.key in store.embeddings_of([face.key], embedder=face.embedder)
    assert store.head(INGEST) == head + 1


def test_the_picture_is_not_extracted_again_for_it(at: Draw, ingest: Ingest, folder: Path, store: Store) -> None:
    at(MISSED)
    draw(folder / "b" / "copy.png", [(40, 50, 60, PALE), (200, 90, 50, RED)])
    head = store.head(INGEST)
    assert ingest().known == 2
    assert store.head(INGEST) == head
    assert store.count_images()["faces_total"] == 2


def test_the_same_command_twice_draws_one_face(at: Draw, store: Store, image_id: str) -> None:
    command = make.command_id()
    assert at(MISSED, command) == at(MISSED, command)
    assert len(store.faces_of([image_id])[image_id]) == 2


def test_a_box_over_a_known_face_is_that_face(at: Draw, store: Store) -> None:
    drawn = at(Box(205.0, 92.0, 50.0, 50.0))
    assert (drawn.is_new, drawn.brought_back, drawn.face.face_no) == (False, False, 0)
    assert store.count_images()["faces_total"] == 1


@pytest.mark.parametrize("aside", [IGNORED, NOT_A_FACE])
def test_drawing_a_face_that_was_set_aside_brings_it_back(at: Draw, store: Store, image_id: str, aside: str) -> None:
    label_faces(
        store=store,
        persona_id=aside,
        faces=[FaceKey(image_id, 0)],
        verdict=Verdict.BELONGS,
        actor="ada",
        at=now(),
        command_id=make.command_id(),
    )
    assert [view.face.face_no for view in view_image(store, image_id).set_aside] == [0]
    drawn = at(FOUND)
    assert (drawn.is_new, drawn.brought_back) == (False, True)
    assert not view_image(store, image_id).set_aside


def test_undo_says_that_the_drawn_face_is_none_and_redo_brings_it_back(at: Draw, store: Store, image_id: str) -> None:
    command = make.command_id()
    at(MISSED, command)
    undone = undo_command(store=store, command_id=command, actor="ada", at=now())
    assert [view.face.face_no for view in view_image(store, image_id).set_aside] == [1]
    undo_command(store=store, command_id=undone.command_id, actor="ada", at=now())
    assert len(view_image(store, image_id).present) == 2


def test_a_drawn_face_that_was_named_since_stays(at: Draw, store: Store) -> None:
    command = make.command_id()
    drawn = at(MISSED, command)
    make.add_personas(store, "Ada")
    make.label(store, "ada", drawn.face.key)
    with pytest.raises(UnableToUndoError):
        undo_command(store=store, command_id=command, actor="ada", at=now())


@pytest.mark.parametrize(
    "box", [Box(10, 10, 5, 50), Box(310, 10, 60, 60), Box(float("nan"), 0, 60, 60), Box(0, 0, float("inf"), 60)]
)
def test_a_box_that_is_too_small_outside_or_no_box_is_refused(at: Draw, store: Store, box: Box) -> None:
    with pytest.raises(UnableToDrawError):
        at(box)
    assert store.count_images()["faces_total"] == 1


def test_a_box_over_the_edge_is_cut_there(at: Draw) -> None:
    assert at(Box(-20.0, -10.0, 60.0, 50.0)).face.box == Box(0.0, 0.0, 40.0, 40.0)


def test_nothing_is_drawn_into_a_picture_that_is_not_there_or_was_deleted(
    at: Draw, store: Store, image_id: str
) -> None:
    with pytest.raises(NotFoundError):
        at(MISSED, image_id="0" * 64)
    delete_images(store=store, image_ids=[image_id], actor="ada", at=now(), command_id=make.command_id())
    with pytest.raises(NotFoundError, match="deleted"):
        at(MISSED)


def test_a_picture_whose_original_is_gone_says_what_to_do(at: Draw, settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = str(tmp_path / "elsewhere")
    with pytest.raises(MediaMissingError, match="MEDIA_ROOT"):
        at(MISSED)


def test_an_extractor_that_others_use_for_too_long_says_so(store: Store, folder: Path) -> None:
    extractors = web_extractors()
    with extractors.borrowed(), pytest.raises(ExtractorsBusyError), extractors.borrowed(seconds=0.01):
        raise AssertionError("two have the one extractor")
    with extractors.borrowed(seconds=0.01) as extractor:
        assert extractor is not None


# ---- the page --------------------------------------------------------------------------------------------------------
@pytest.fixture
def web(client: Client, store: Store) -> Client:
    client.force_login(sign_in.ensure_owner())
    return client


def _post(web: Client, image_id: str, box: Box = MISSED, **headers: str) -> Any:
    data = {"command_id": make.command_id(), **{name: str(side) for name, side in box._asdict().items()}}
    return web.post(reverse("face-draw", args=[image_id]), data, headers=headers)


def test_without_javascript_four_numbers_add_a_face_and_an_undo_is_offered(web: Client, image_id: str) -> None:
    response = _post(web, image_id)
    assert response.status_code == 303
    assert response["Location"].endswith("#face-1")
    page = text_of(web.get(response["Location"]))
    assert 'id="face-1"' in page
    assert 'name="undo"' in page
    assert "Drew a face that had been missed" in text_of(web.get(reverse("history")))


def test_by_script_faces_boxes_and_a_fresh_form_come_back(web: Client, image_id: str) -> None:
    response = _post(web, image_id, **HTMX)
    text = text_of(response)
    assert all(part in text for part in ('id="faces"', 'id="boxes"', 'id="draw"', "Added. Who is it?"))
    assert response["HX-Trigger-After-Settle"] == '{"drawn": {"face": 1}}'


def test_a_known_face_is_said_to_be_known(web: Client, image_id: str) -> None:
    assert "That is face 1, which is known already." in text_of(_post(web, image_id, FOUND, **HTMX))


def test_numbers_that_are_none_are_refused_in_words(web: Client, image_id: str) -> None:
    response = web.post(reverse("face-draw", args=[image_id]), {"command_id": make.command_id(), "x": "left"})
    assert response.status_code == 422
    assert "The form could not be read" in text_of(response)


def test_a_viewer_may_not_draw(client: Client, image_id: str, store: Store) -> None:
    client.force_login(User.objects.create_user("viewer"))
    assert _post(client, image_id).status_code == 403
    assert store.count_images()["faces_total"] == 1
    assert "face-draw" not in text_of(client.get(reverse("image", args=[image_id])))


@pytest.mark.parametrize(("aside", "word"), [(IGNORED, "Ignored"), (NOT_A_FACE, "Not a face")])
def test_faces_set_aside_are_faint_and_listed_apart(web: Client, image_id: str, aside: str, word: str) -> None:
    data = {"command_id": make.command_id(), "faces": f"{image_id}:0", "choice": f"belongs:{aside}", "view": "picture"}
    text = text_of(web.post(reverse("label"), data, headers=HTMX))
    assert "Set aside" in text
    assert "box-aside" in text
    assert word in text
    assert f"cleared:{aside}" in text
