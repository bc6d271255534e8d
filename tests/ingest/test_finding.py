"""Finding people by a picture that is not taken in."""

from __future__ import annotations

import io
import logging
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.test import Client
from django.urls import reverse
from PIL import Image

from ingest import finding
from ingest.extractors import web_extractors
from ingest.finding import Found, find_people
from ingest.vision import PictureError
from personas import recogniser, sign_in
from personas.entities import INGEST, LABELS, FaceKey, FloatArray, Prediction
from personas.selectors import nearest
from personas.services.curation import delete_images
from personas.state_hash import state_hash
from personas.store.base import Store
from tests import factories as make
from tests.ingest.conftest import Ingest, now
from tests.ingest.drawing import Square, draw
from tests.ingest.fakes import BLUE, GREEN, RED
from tests.web import HTMX, champions, text_of

LIKE_RED, LIKE_BLUE = (215, 35, 30), (45, 60, 210)


class Told:
    """Takes every face for Ada, and a little for Bob; never asked with keys of real pictures."""

    version = 3
    embedder = "colour 1"

    def predict(
        self,
        keys: Sequence[FaceKey],
        embeddings: FloatArray,
        *,
        rejected: Mapping[FaceKey, frozenset[str]],
        n_candidates: int = 0,
    ) -> list[Prediction]:
        candidates = (("ada", 0.9), ("bob", 0.05), ("gone", 0.04))[:n_candidates]
        return [
            Prediction(key=key, persona_id="ada", probability=0.9, version=self.version, candidates=candidates)
            for key in keys
        ]


@pytest.fixture
def people(ingest: Ingest, folder: Path, store: Store) -> Any:
    """A red face of Ada's, a blue one of Bob's, a green one of nobody's, and a champion."""
    for name, colour in {"ada": RED, "bob": BLUE, "nobody": GREEN}.items():
        draw(folder / f"{name}.png", [(130, 90, 60, colour)])
    ingest()
    make.add_personas(store, "Ada", "Bob")
    keys = {name: FaceKey(store.find_paths(f"{name}.png")[0].image_id, 0) for name in ("ada", "bob", "nobody")}
    for name in ("ada", "bob"):
        make.label(store, name, keys[name])
    with champions():
        recogniser.plug_in(lambda: Told())
        yield keys


def _content(tmp_path: Path, *squares: Square) -> bytes:
    return draw(tmp_path / "asked.png", squares, shade=140).read_bytes()


def _find(store: Store, content: bytes) -> Found:
    return find_people(store=store, extractors=web_extractors(), content=content)


def test_each_face_gets_candidates_with_reasons_and_its_nearest_faces(
    people: dict[str, FaceKey], store: Store, tmp_path: Path
) -> None:
    found = _find(store, _content(tmp_path, (20, 30, 80, LIKE_RED), (200, 90, 50, LIKE_BLUE)))
    red, blue = found.faces
    assert (found.version, found.n_faces, found.searched) == (3, 2, True)
    assert red.named is not None
    assert red.named.name == "Ada"
    assert [(each.persona.name, each.probability) for each in red.candidates] == [("Ada", 0.9), ("Bob", 0.05)]
    assert [each.nearest[0].face.key for each in red.candidates] == [people["ada"], people["bob"]]
    assert red.neighbours[0].view.face.key == people["ada"]
    assert red.neighbours[0].similarity > 0.99
    assert blue.neighbours[0].view.face.key == people["bob"]
    assert len(red.neighbours) == 3
    assert red.crop.startswith("data:image/jpeg;base64,")


def test_faces_of_deleted_pictures_are_not_among_the_nearest(
    people: dict[str, FaceKey], store: Store, tmp_path: Path
) -> None:
    ids = [people["ada"].image_id]
    delete_images(store=store, image_ids=ids, actor="ada", at=now(), command_id=make.command_id())
    found = _find(store, _content(tmp_path, (20, 30, 80, LIKE_RED)))
    assert people["ada"] not in [each.view.face.key for each in found.faces[0].neighbours]


def test_a_store_that_is_too_large_is_not_looked_through(
    people: dict[str, FaceKey], store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nearest, "SEARCHED_AT_MOST", 2)
    found = _find(store, _content(tmp_path, (20, 30, 80, LIKE_RED)))
    assert not found.searched
    assert found.faces[0].neighbours == ()
    assert found.faces[0].candidates[0].nearest


def test_a_crowd_is_cut_to_the_largest_faces(
    people: dict[str, FaceKey], store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "FACES_AT_MOST", 1)
    found = _find(store, _content(tmp_path, (20, 30, 40, LIKE_RED), (200, 90, 50, LIKE_BLUE)))
    assert (len(found.faces), found.n_faces) == (1, 2)
    assert found.faces[0].neighbours[0].view.face.key == people["bob"]


def test_without_a_version_the_nearest_faces_are_found(
    people: dict[str, FaceKey], store: Store, tmp_path: Path
) -> None:
    recogniser.plug_in(lambda: None)
    found = _find(store, _content(tmp_path, (20, 30, 80, LIKE_RED)))
    assert found.version is None
    assert found.faces[0].candidates == ()
    assert found.faces[0].neighbours[0].view.face.key == people["ada"]


def test_a_version_of_another_embedder_is_not_asked(people: dict[str, FaceKey], store: Store, tmp_path: Path) -> None:
    other = Told()
    other.embedder = "sface other"
    recogniser.plug_in(lambda: other)
    assert _find(store, _content(tmp_path, (20, 30, 80, LIKE_RED))).version is None


def test_what_is_no_picture_is_refused(people: dict[str, FaceKey], store: Store) -> None:
    with pytest.raises(PictureError, match="not a JPEG"):
        _find(store, b"no picture at all")


# ---- the page --------------------------------------------------------------------------------------------------------
@pytest.fixture
def web(client: Client, store: Store) -> Client:
    client.force_login(sign_in.ensure_owner())
    return client


def _post(web: Client, content: bytes, name: str = "asked.png", **headers: str) -> Any:
    return web.post(reverse("find"), {"picture": SimpleUploadedFile(name, content)}, headers=headers)


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "part"])
def test_the_page_says_who_is_in_the_picture(
    web: Client, people: dict[str, FaceKey], tmp_path: Path, headers: dict[str, str]
) -> None:
    response = _post(web, _content(tmp_path, (20, 30, 80, LIKE_RED)), **headers)
    text = text_of(response)
    assert response["Cache-Control"] == "private, no-store"
    for part in (">Ada</a>", "90 % · version 3", "Nearest faces of all pictures", "data:image/jpeg;base64,"):
        assert part in text
    assert ("<h1>Find a person</h1>" in text) is not bool(headers)


def test_a_picture_without_a_face_says_so(web: Client, people: dict[str, FaceKey], tmp_path: Path) -> None:
    assert "No face in this picture" in text_of(_post(web, _content(tmp_path)))


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n cut short"])
def test_a_bad_picture_is_refused_in_words(web: Client, people: dict[str, FaceKey], content: bytes) -> None:
    response = _post(web, content, **HTMX)
    assert response.status_code == 422
    assert 'class="toast toast-failed"' in text_of(response)


def _files(*folders: object) -> dict[str, tuple[int, int]]:
    found = [path for folder in folders for path in Path(str(folder)).rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in found}


def test_nothing_of_the_picture_is_kept(
    web: Client,
    people: dict[str, FaceKey],
    store: Store,
    tmp_path: Path,
    settings: Any,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 100
    monkeypatch.setattr(TemporaryUploadedFile, "__init__", lambda *_: pytest.fail("the picture was spooled to a disk"))
    content = _content(tmp_path, (20, 30, 80, LIKE_RED))
    _post(web, content)  # whatever is loaded or made once is there now
    folders = (settings.MEDIA_ROOT, settings.CACHE_ROOT, settings.FACEPROJECT_HOME, tempfile.gettempdir())
    home = [folder for folder in folders[:3] if Path(folder).exists()]
    before, known = _files(*home), (state_hash(store), store.head(INGEST), store.head(LABELS), store.audits().items)
    session = dict(web.session.items())
    caplog.set_level(logging.DEBUG)
    assert _post(web, content, name="secret-name.png").status_code == 200
    after = _files(*home)
    database = {path for path in before.keys() | after.keys() if ".sqlite" in path}
    assert {path for path in after if path not in database} == {path for path in before if path not in database}
    assert (state_hash(store), store.head(INGEST), store.head(LABELS), store.audits().items) == known
    assert store.count_images()["faces_total"] == 3
    assert dict(web.session.items()) == session
    said = " ".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert "secret-name" not in said
    assert "Ada" not in said


def test_only_who_is_signed_in_may_ask(client: Client, store: Store, tmp_path: Path) -> None:
    response = _post(client, _content(tmp_path, (20, 30, 80, LIKE_RED)))
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("sign-in"))


def test_a_viewer_may_ask(client: Client, people: dict[str, FaceKey], tmp_path: Path) -> None:
    client.force_login(User.objects.create_user("viewer"))
    assert "Ada" in text_of(_post(client, _content(tmp_path, (20, 30, 80, LIKE_RED))))


def test_a_form_of_another_site_is_refused(store: Store, people: dict[str, FaceKey], tmp_path: Path) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(sign_in.ensure_owner())
    assert _post(client, _content(tmp_path, (20, 30, 80, LIKE_RED))).status_code == 403


def test_a_picture_that_is_too_large_is_refused_unread(web: Client, people: dict[str, FaceKey], settings: Any) -> None:
    settings.MAX_IMAGE_BYTES = 10_000
    noise = io.BytesIO()
    Image.effect_noise((600, 600), 90).save(noise, "PNG")
    response = _post(web, noise.getvalue())
    assert response.status_code == 413
    assert "Save a smaller copy" in text_of(response)
