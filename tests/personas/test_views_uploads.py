"""The upload page and the cards of jobs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
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
