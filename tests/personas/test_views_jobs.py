"""The jobs pages: what they show, how they ask again, who may do what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from personas import sign_in
from personas.entities import Job, JobStatus, JobWish, Share, ShareStatus
from personas.services.jobs import REMOVED_AFTER_DAYS
from personas.store import get_store
from personas.store.base import Store
from tests import factories as make

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def web(client: Client) -> Client:
    client.force_login(sign_in.ensure_owner())
    return client


@pytest.fixture
def store() -> Store:
    return get_store()


@pytest.fixture
def put(store: Store) -> Callable[..., Job]:
    def put_job(job_id: str = "j", **changes: Any) -> Job:
        values: dict[str, Any] = {
            "kind": "ingest",
            "status": JobStatus.RUNNING,
            "created_at": make.at(0),
            "done": 1200,
            "total": 4000,
            "message": "Looking for faces.",
            "detail": {"folder": "/mnt/pictures", "per_second": 20.0},
            **changes,
        }
        job = Job(job_id=job_id, updated_at=make.at(1), actor="eve", **values)
        store.put_job(job)
        return job

    return put_job


def text_of(response: Any) -> str:
    return str(response.content.decode())


# ---- the list --------------------------------------------------------------------------------------------------------
def test_without_jobs_the_page_says_how_to_make_one(web: Client) -> None:
    page = text_of(web.get(reverse("jobs")))
    assert "No jobs yet" in page
    assert "a list of web addresses" in page
    assert 'id="jobs-running" class="running" hidden' in page


def test_a_job_is_shown_with_its_numbers_and_counted_in_the_bar(web: Client, put: Callable[..., Job]) -> None:
    put()
    put("k", status=JobStatus.PAUSED)
    page = text_of(web.get(reverse("jobs")))
    for text in ("Ingest of a folder", "/mnt/pictures", "1,200 / 4,000", "20.0 / s", "about 2 min left", "eve"):
        assert text in page
    assert 'class="running">1<' in page
    assert "Looking for faces." in page


def test_the_list_is_paged_by_key(web: Client, put: Callable[..., Job]) -> None:
    for number in range(25):
        put(f"job{number:02}", created_at=make.at(number), status=JobStatus.DONE)
    page = text_of(web.get(reverse("jobs")))
    assert page.count("<article") == 20
    more = page.split('id="more-jobs" hx-get="')[1].split('"')[0].replace("&amp;", "&")
    rest = text_of(web.get(more, headers={**HTMX, "HX-Target": "more-jobs"}))
    assert rest.count("<article") == 5
    assert "<html" not in rest
    assert 'hx-trigger="every 4s"' not in text_of(web.get(more))


def test_the_list_asks_whether_there_are_others(web: Client, put: Callable[..., Job]) -> None:
    put()
    page = text_of(web.get(reverse("jobs")))
    tag = page.split('id="jobs-list"')[1].split("If-None-Match")[1].split('\\"')[1]
    known = {**HTMX, "HX-Target": "jobs-list", "If-None-Match": f'"{tag}"'}
    assert web.get(reverse("jobs"), headers=known).status_code == 304
    put("another", created_at=make.at(9))
    assert web.get(reverse("jobs"), headers=known).status_code == 200


def test_a_browser_that_comes_back_sees_the_page_as_it_is_now(web: Client, put: Callable[..., Job]) -> None:
    put()
    card = web.get(reverse("job", args=["j"]), headers={**HTMX, "HX-Target": "job-j"})
    for url in (reverse("jobs"), reverse("job", args=["j"])):
        page = web.get(url, headers={"If-None-Match": card["ETag"]})
        assert (page.status_code, page.headers.get("ETag")) == (200, None)


# ---- one job ---------------------------------------------------------------------------------------------------------
def test_a_card_that_moves_asks_for_itself_until_it_ends(web: Client, put: Callable[..., Job], store: Store) -> None:
    job = put()
    url = reverse("job", args=["j"])
    card = web.get(url, headers={**HTMX, "HX-Target": "job-j"})
    assert text_of(card).lstrip().startswith("<article")
    assert 'hx-trigger="every 1s"' in text_of(card)
    known = {**HTMX, "HX-Target": "job-j", "If-None-Match": card["ETag"]}
    assert web.get(url, headers=known).status_code == 304
    store.put_job(replace(job, done=1300))
    assert "1,300 / 4,000" in text_of(web.get(url, headers=known))
    store.put_job(replace(job, status=JobStatus.DONE))
    assert "hx-trigger" not in text_of(web.get(url, headers=known))


def test_a_jobs_page_lists_what_failed_and_what_was_not_taken(
    web: Client, put: Callable[..., Job], store: Store
) -> None:
    rejected = [{"path": f"bad{n}.jpg", "reason": "truncated", "message": "It ends early."} for n in range(3)]
    put(status=JobStatus.FAILED, detail={"new": 7, "rejected": rejected, "n_rejected": 5, "n_failed": 1})
    failed = Share(
        job_id="j",
        number=4,
        status=ShareStatus.FAILED,
        updated_at=make.at(1),
        total=500,
        message="It is not mounted.",
        work={"last": "b/499.jpg"},
    )
    store.put_shares([failed, replace(failed, number=5, status=ShareStatus.DONE, message="")])
    page = text_of(web.get(reverse("job", args=["j"])))
    for text in ("500 pictures up to b/499.jpg", "It is not mounted.", "5 not taken", "bad2.jpg", "Retry what failed"):
        assert text in page
    assert reverse("job-rejected", args=["j"]) in page
    assert page.count("It is not mounted.") == 1


@pytest.mark.parametrize("url", ["/jobs/", "/jobs/j/"])
def test_a_job_whose_details_were_removed_says_so_and_offers_what_still_works(
    web: Client, put: Callable[..., Job], url: str
) -> None:
    rejected = [{"path": "bad.jpg", "reason": "truncated", "message": "It ends early."}]
    detail = {"new": 7, "rejected": rejected, "n_rejected": 5}
    put(status=JobStatus.FAILED, message="1 of 2 parts failed.", detail=detail)
    before = text_of(web.get(url))
    assert "Retry what failed" in before and reverse("job-rejected", args=["j"]) in before
    assert "Details were removed" not in before

    put(status=JobStatus.FAILED, message="1 of 2 parts failed.", detail={**detail, REMOVED_AFTER_DAYS: 90.0})
    page = text_of(web.get(url))
    for text in (
        "1 of 2 parts failed.",
        "5 not taken",
        "bad.jpg",
        "These are the first of 5.",
        "read its source again",
    ):
        assert text in page
    assert "Details were removed 90 days after it ended." in page
    assert "Retry what failed" not in page and reverse("job-rejected", args=["j"]) not in page


def test_a_completed_job_whose_details_were_removed_speaks_of_no_retry(web: Client, put: Callable[..., Job]) -> None:
    put(status=JobStatus.DONE, detail={REMOVED_AFTER_DAYS: 1.0})
    page = text_of(web.get(reverse("jobs")))
    assert "Details were removed 1 day after it ended." in page
    assert "read its source again" not in page


def test_a_list_that_was_removed_is_not_found_and_says_why(web: Client, put: Callable[..., Job]) -> None:
    put(status=JobStatus.DONE, detail={"rejected": [], "n_rejected": 500, REMOVED_AFTER_DAYS: 90.0})
    response = web.get(reverse("job-rejected", args=["j"]))
    assert response.status_code == 404
    assert "read the source again" in text_of(response)


def test_the_body_of_a_jobs_page_asks_for_itself(web: Client, put: Callable[..., Job]) -> None:
    put()
    url = reverse("job", args=["j"])
    page = text_of(web.get(url))
    assert page.count('hx-trigger="every 1s"') == 1
    body = web.get(url, headers={**HTMX, "HX-Target": "job-page"})
    assert text_of(body).strip().startswith('<div id="job-page"')
    known = {**HTMX, "HX-Target": "job-page", "If-None-Match": body["ETag"]}
    assert web.get(url, headers=known).status_code == 304


def test_all_that_was_not_taken_is_a_file_that_no_spreadsheet_runs(web: Client, put: Callable[..., Job]) -> None:
    rejected = [{"path": "=cmd()|a.jpg", "reason": "truncated", "message": "It ends early."}]
    put(kind="upload", detail={"rejected": rejected})
    response = web.get(reverse("job-rejected", args=["j"]))
    assert response["Content-Type"].startswith("text/csv")
    lines = b"".join(response.streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert lines == ["path,reason,message", "'=cmd()|a.jpg,truncated,It ends early."]
    assert web.get(reverse("job-rejected", args=["none"])).status_code == 404


# ---- steering --------------------------------------------------------------------------------------------------------
def steer(client: Client, action: str, **headers: str) -> Any:
    return client.post(reverse("job-steer", args=["j", action]), headers=headers)


def test_pausing_by_script_answers_with_the_card(web: Client, put: Callable[..., Job], store: Store) -> None:
    put()
    card = text_of(steer(web, "pause", **HTMX, **{"HX-Target": "job-j"}))
    assert card.lstrip().startswith("<article")
    assert "Pausing" in card
    assert ">Resume<" in card
    paused = store.job("j")
    assert paused is not None
    assert paused.wish is JobWish.PAUSE
    body = text_of(steer(web, "resume", **HTMX, **{"HX-Target": "job-page"}))
    assert body.lstrip().startswith('<div id="job-page"')


def test_without_javascript_one_comes_back_to_the_page(web: Client, put: Callable[..., Job], store: Store) -> None:
    put(status=JobStatus.FAILED)
    response = steer(web, "retry")
    assert (response.status_code, response["Location"]) == (303, reverse("job", args=["j"]))
    again = store.job("j")
    assert again is not None
    assert again.status is JobStatus.QUEUED
    assert "has not failed" in text_of(web.get(steer(web, "retry")["Location"]))


def test_what_cannot_be_done_is_said_as_a_toast(web: Client, put: Callable[..., Job]) -> None:
    put(status=JobStatus.DONE)
    response = steer(web, "pause", **HTMX)
    assert (response.status_code, "has ended" in text_of(response)) == (422, True)


@pytest.mark.parametrize(("job_id", "action"), [("none", "pause"), ("j", "destroy")])
def test_what_is_not_there_is_not_found(web: Client, put: Callable[..., Job], job_id: str, action: str) -> None:
    put()
    assert web.post(reverse("job-steer", args=[job_id, action])).status_code == 404


@pytest.mark.parametrize(
    ("kind", "permission", "role"),
    [("ingest", "add_image", "labeller"), ("train", "change_modelversion", "curator")],
)
def test_steering_asks_for_the_permission_of_the_kind(
    client: Client, put: Callable[..., Job], kind: str, permission: str, role: str
) -> None:
    put(kind=kind, status=JobStatus.FAILED)
    user = User.objects.create_user("viewer")
    client.force_login(user)
    page = text_of(client.get(reverse("jobs")))
    assert "Looking for faces." in page
    assert "Retry" not in page
    refused = steer(client, "retry")
    assert (refused.status_code, role in text_of(refused)) == (403, True)
    user.user_permissions.add(Permission.objects.get(codename=permission, content_type__app_label="personas"))
    assert steer(client, "retry").status_code == 303


def test_jobs_are_for_those_who_signed_in(client: Client) -> None:
    for url in (reverse("jobs"), reverse("job", args=["j"]), reverse("job-rejected", args=["j"])):
        assert client.get(url).status_code == 302
