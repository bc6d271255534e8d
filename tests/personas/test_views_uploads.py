"""The upload page and the cards of jobs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.test import Client
from django.urls import reverse

from personas import sign_in
from personas.entities import JobStatus
from personas.store import get_store
from tests import factories
from tests.web import draw_picture

pytestmark = pytest.mark.django_db


@pytest.fixture
def web(client: Client) -> Client:
    client.force_login(sign_in.ensure_owner())
    return client


def _file(name: str = "a.jpg") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, draw_picture([factories.box()]), "image/jpeg")


def test_an_upload_without_javascript_is_listed_as_a_job(web: Client) -> None:
    response = web.post(reverse("upload"), {"files": [_file("a.jpg"), _file("b.jpg")]})
    assert response.status_code == 303
    page = web.get(response["Location"]).content.decode()
    assert "0 / 2" in page
    assert 'hx-trigger="every 1s"' in page


def test_an_upload_by_script_answers_with_its_card(web: Client) -> None:
    card = web.post(reverse("upload"), {"files": [_file()]}, headers={"HX-Request": "true"}).content.decode()
    assert card.lstrip().startswith("<article")


def test_an_upload_of_nothing_says_so(web: Client) -> None:
    response = web.post(reverse("upload"))
    assert response.status_code == 422
    assert "Choose at least one picture" in response.content.decode()


def test_a_finished_job_is_polled_no_more_and_lists_what_was_not_taken(web: Client) -> None:
    web.post(reverse("upload"), {"files": [_file()]})
    store = get_store()
    job = store.jobs().items[0]
    rejected = [{"path": "broken.jpg", "reason": "truncated", "message": "The JPEG file ends early."}]
    store.put_job(replace(job, status=JobStatus.DONE, done=1, detail={"rejected": rejected}))
    page = web.get(reverse("job", args=[job.job_id])).content.decode()
    assert "every 1s" not in page
    assert "broken.jpg" in page
    assert "The JPEG file ends early." in page


def test_a_job_that_is_not_there_is_a_friendly_page(web: Client) -> None:
    assert web.get(reverse("job", args=["none"])).status_code == 404


# ---- what is refused before it is kept -------------------------------------------------------------------------------
@pytest.fixture
def spooled(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the files that were spooled to disk while forms were read."""
    settings.MEDIA_ROOT = str(tmp_path)
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path / "receiving")
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 1000
    sizes: list[int] = []
    close = TemporaryUploadedFile.close

    def closing(file: TemporaryUploadedFile) -> None:
        sizes.append(Path(file.temporary_file_path()).stat().st_size)
        close(file)

    monkeypatch.setattr(TemporaryUploadedFile, "close", closing)
    make = TemporaryUploadedFile.__init__

    def made(file: TemporaryUploadedFile, *args: Any) -> None:
        sizes.append(0)
        make(file, *args)

    monkeypatch.setattr(TemporaryUploadedFile, "__init__", made)
    return sizes


def _large(size: int = 200_000) -> SimpleUploadedFile:
    return SimpleUploadedFile("large.jpg", b"x" * size, "image/jpeg")


@pytest.mark.parametrize("name", ["upload", "sign-in", "label", "persona-grid"])
def test_nothing_of_an_anonymous_body_is_read(db: None, spooled: list[int], name: str) -> None:
    client = Client(enforce_csrf_checks=True)
    response = client.post(reverse(name), {"files": [_large()]})
    assert response.status_code == 413
    assert "Sign in before" in response.content.decode()
    assert spooled == []


def test_somebody_who_may_not_upload_sends_forms_only(client: Client, spooled: list[int], settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100_000
    client.force_login(User.objects.create_user("viewer"))
    for name in ("upload", "label"):
        response = client.post(reverse(name), {"files": [_large()]}, headers={"HX-Request": "true"})
        assert response.status_code == 413
        assert "larger than this page takes" in response.content.decode()
    assert spooled == []


def test_more_than_may_be_sent_at_once_is_refused_with_what_to_do(
    web: Client, spooled: list[int], settings: Any
) -> None:
    settings.MAX_UPLOAD_BYTES = 100_000
    response = web.post(reverse("upload"), {"files": [_large()]})
    assert response.status_code == 413
    assert "Send fewer files" in response.content.decode()
    assert spooled == []


def test_a_file_that_is_too_large_is_not_spooled_whole_and_the_others_are_taken(
    web: Client, spooled: list[int], settings: Any
) -> None:
    settings.MAX_IMAGE_BYTES = 100_000
    web.post(reverse("upload"), {"files": [_large(300_000), _file("a.jpg")]})
    job = get_store().jobs().items[0]
    assert (job.total, [each["path"] for each in job.detail["rejected"]]) == (2, ["large.jpg"])
    assert max(spooled) <= 100_000


def test_files_are_spooled_on_the_disk_they_stay_on(web: Client, spooled: list[int], settings: Any) -> None:
    from faceproject import settings as product

    assert product.FILE_UPLOAD_TEMP_DIR.startswith(product.MEDIA_ROOT)
    web.post(reverse("upload"), {"files": [_large()]})
    assert Path(settings.FILE_UPLOAD_TEMP_DIR).is_dir()
