"""Uploads by API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from personas.store import get_store
from tests import factories
from tests.api import LABELLER, Api, problem_in, token_of, user_with
from tests.web import draw_picture

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def media_root(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = str(tmp_path)
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path / "receiving")
    return tmp_path


@pytest.fixture
def api() -> Api:
    return Api(token_of(user_with(*LABELLER)))


def upload(api: Api, *names: str, content: bytes | None = None, field: str = "files") -> Any:
    files = [SimpleUploadedFile(name, content or draw_picture([factories.box()]), "image/jpeg") for name in names]
    form = encode_multipart(BOUNDARY, {field: files})
    return api.ask("POST", "/uploads", data=form, content_type=MULTIPART_CONTENT)


def test_an_upload_is_answered_with_its_job(api: Api) -> None:
    answer = upload(api, "a.jpg", "b.jpg")
    assert answer.status_code == 202
    said = answer.json()
    assert (said["kind"], said["status"], said["done"], said["total"], said["actor"]) == (
        "upload",
        "queued",
        0,
        2,
        "grace",
    )
    assert answer.headers["Location"] == f"/api/v1/jobs/{said['job_id']}"
    assert api.get(f"/jobs/{said['job_id']}").json() == said


def test_a_file_that_is_too_large_is_left_out_and_the_others_are_taken(api: Api, settings: Any) -> None:
    settings.MAX_IMAGE_BYTES = 2_000
    upload(api, "a.jpg", content=b"x" * 1_000)
    said = upload(api, "large.jpg", content=b"x" * 3_000).json()
    assert [each["path"] for each in said["detail"]["rejected"]] == ["large.jpg"]


@pytest.mark.parametrize("field", ["files", "pictures"])
def test_an_upload_of_nothing_says_so(api: Api, field: str) -> None:
    answer = upload(api, *(["a.jpg"] if field != "files" else []), field=field)
    assert "No file was sent" in problem_in(answer, 422, "unable")["detail"]
    assert get_store().jobs().items == ()


def test_pictures_come_in_a_form(api: Api) -> None:
    answer = api.ask("POST", "/uploads", data=draw_picture([]), content_type="image/jpeg")
    problem_in(answer, 415, "media_type")


def test_a_form_that_is_broken_says_so(api: Api) -> None:
    answer = api.ask("POST", "/uploads", data=b"x", content_type="multipart/form-data")
    problem_in(answer, 400, "bad_request")


def test_a_form_may_be_larger_than_other_bodies_but_not_without_end(api: Api, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 70_000
    settings.MAX_UPLOAD_BYTES = 200_000
    assert upload(api, "a.jpg", content=b"x" * 100_000).status_code == 202
    problem_in(upload(api, "a.jpg", content=b"x" * 300_000), 413, "too_many_bytes")


def test_nothing_is_read_of_who_may_not_upload(settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 70_000
    viewer = Api(token_of(user_with(name="viewer")))
    problem_in(upload(viewer, "a.jpg", content=b"x" * 100_000), 413, "too_many_bytes")
    problem_in(upload(viewer, "a.jpg"), 403, "forbidden")
    problem_in(upload(Api(None), "a.jpg", content=b"x" * 100_000), 401, "no_token")


def test_a_session_uploads_with_its_csrf_token() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user_with(*LABELLER))
    client.get("/upload/")
    file = SimpleUploadedFile("a.jpg", draw_picture([]), "image/jpeg")
    headers = {"X-CSRFToken": client.cookies["csrftoken"].value}
    assert client.post("/api/v1/uploads", {"files": [file]}).status_code == 403
    assert client.post("/api/v1/uploads", {"files": [file]}, headers=headers).status_code == 202
