"""Jobs in a browser: progress that moves by itself, and buttons that answer where they are pressed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from personas.entities import Job, JobStatus, JobWish
from personas.store.base import Store

pytestmark = pytest.mark.browser
PATIENCE = 120_000.0


@pytest.fixture
def job(store: Store) -> Job:
    job = Job(
        job_id="11111111-aaaa",
        kind="ingest",
        status=JobStatus.RUNNING,
        created_at=timezone.now(),
        updated_at=timezone.now(),
        actor="owner",
        done=100,
        total=4000,
        message="Looking for faces.",
        detail={"folder": "/mnt/pictures", "per_second": 10.0},
    )
    store.put_job(job)
    return job


def test_the_list_follows_its_jobs_and_steers_them(open_page: Callable[..., Any], store: Store, job: Job) -> None:
    page = open_page()
    page.goto(reverse("jobs"))
    assert page.locator("#jobs-running").inner_text() == "1"
    store.put_job(replace(job, done=1500, updated_at=timezone.now()))
    page.get_by_text("1,500 / 4,000").wait_for(timeout=PATIENCE)
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Resume").wait_for(timeout=PATIENCE)
    wished = store.job(job.job_id)
    assert wished is not None
    assert wished.wish is JobWish.PAUSE
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("button", name="Pause").wait_for(timeout=PATIENCE)
    wished = store.job(job.job_id)
    assert wished is not None
    assert wished.wish is JobWish.NONE
    store.put_job(replace(job, job_id="2", kind="upload", created_at=timezone.now(), detail={}, message="Another one."))
    page.get_by_text("Another one.").wait_for(timeout=PATIENCE)


def test_a_jobs_page_shows_its_end_and_tries_again_what_failed(
    open_page: Callable[..., Any], store: Store, job: Job
) -> None:
    page = open_page()
    page.goto(reverse("job", args=[job.job_id]))
    rejected = [{"path": "bad.jpg", "reason": "truncated", "message": "It ends early."}]
    store.put_job(
        replace(job, status=JobStatus.FAILED, message="1 of 2 parts failed.", detail={"new": 7, "rejected": rejected})
    )
    page.get_by_text("bad.jpg").wait_for(timeout=PATIENCE)
    page.get_by_role("button", name="Retry what failed").click()
    page.get_by_text("Waiting for a worker, once more.").wait_for(timeout=PATIENCE)
    again = store.job(job.job_id)
    assert again is not None
    assert again.status is JobStatus.QUEUED
    store.put_job(replace(job, status=JobStatus.DONE, message="All is taken in."))
    page.get_by_text("All is taken in.").wait_for(timeout=PATIENCE)


def test_what_was_not_taken_is_listed_and_the_whole_list_is_a_file(
    open_page: Callable[..., Any], store: Store, job: Job, tmp_path: Path
) -> None:
    rejected = [{"path": f"{n}.jpg", "reason": "truncated", "message": "It ends early."} for n in range(2)]
    store.put_job(replace(job, status=JobStatus.DONE, detail={"rejected": rejected, "n_rejected": 40}))
    page = open_page()
    page.goto(reverse("job", args=[job.job_id]))
    assert page.locator(".rejected li").all_inner_texts() == ["0.jpg It ends early.", "1.jpg It ends early."]
    with page.expect_download() as coming:
        page.get_by_role("link", name="All 40 as a CSV file").click()
    coming.value.save_as(tmp_path / "rejected.csv")
    assert (tmp_path / "rejected.csv").read_text().startswith("path,reason,message")


def test_it_works_without_javascript(open_page: Callable[..., Any], store: Store, job: Job) -> None:
    page = open_page(javascript=False)
    page.goto(reverse("jobs"))
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Resume").click(timeout=PATIENCE)
    page.get_by_role("button", name="Pause").wait_for(timeout=PATIENCE)
    assert page.url.endswith(reverse("jobs"))
    store.put_job(replace(job, status=JobStatus.FAILED))
    page.reload()
    page.get_by_role("button", name="Retry what failed").click()
    page.get_by_text("Waiting for a worker, once more.").wait_for(timeout=PATIENCE)


def test_on_a_phone_nothing_is_wider_than_the_screen(open_page: Callable[..., Any], store: Store, job: Job) -> None:
    store.put_job(replace(job, detail={"folder": "/mnt/" + "long" * 60, "per_second": 10.0}))
    page = open_page(viewport={"width": 360, "height": 740}, device_scale_factor=2)
    for address in (reverse("jobs"), reverse("job", args=[job.job_id])):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
