"""The first minutes in a browser: an empty installation, the sample data, the first people."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from ingest.pool import InlinePool
from ingest.settling import settled
from ingest.shares import do_ingest_share
from personas.store.base import Store
from tests.ingest.drawing import draw, sidecar
from tests.ingest.fakes import BLUE, GREEN

pytestmark = pytest.mark.browser

OpenPage = Callable[..., Any]


@pytest.fixture(autouse=True)
def sample(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three small pictures are the sample data, two of them with names; the extractor needs no weights."""
    settings.SAMPLE_DATA = tmp_path / "sample"
    settings.MEDIA_ROOT = str(tmp_path / "media")
    settings.FACE_EXTRACTOR = "tests.ingest.fakes.squares"
    monkeypatch.setattr("ingest.shares.warm_pool", lambda order: closing(InlinePool(order)))
    sidecar(draw(settings.SAMPLE_DATA / "ada.png"), persona="Ada", labeled=True)
    sidecar(draw(settings.SAMPLE_DATA / "bob.png", [(130, 90, 60, BLUE)]), persona="Bob", labeled=True)
    draw(settings.SAMPLE_DATA / "somebody.png", [(130, 90, 60, GREEN)])


def work_off(store: Store) -> None:
    """What the ingest-worker does with the one job there is."""
    (job,) = store.jobs().items
    do_ingest_share(store=store, job_id=job.job_id, number=0, clock=timezone.now)
    for share in store.shares(job.job_id):
        do_ingest_share(store=store, job_id=job.job_id, number=share.number, clock=timezone.now)
    store.put_job(settled(job, store.shares(job.job_id), timezone.now()))


@pytest.mark.parametrize("javascript", [True, False])
def test_the_sample_data_leads_to_the_first_people(
    open_page: OpenPage, store: Store, expect: Any, javascript: bool
) -> None:
    page = open_page(javascript=javascript)
    page.goto("/")
    expect(page.get_by_role("heading", name="Welcome. There are no pictures yet")).to_be_visible()
    expect(page.locator(".steps li")).to_have_count(3)
    page.get_by_role("button", name="Try it on the sample data").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ingest of a folder")
    page.goto("/")
    expect(page.get_by_role("heading", name="Pictures are on their way")).to_be_visible()
    page.get_by_role("link", name="See how far it is").click()
    page.get_by_role("link", name="Ingest of a folder").click()
    work_off(store)
    if not javascript:
        page.reload()
    expect(page.locator(".status")).to_have_text("Done")
    expect(page.locator(".figures")).to_contain_text("Pictures")
    page.goto("/")
    expect(page.locator(".card")).to_have_count(2)
    expect(page.locator(".cards")).to_contain_text("Ada")
    page.goto("/unknown/")
    expect(page.locator(".tile")).to_have_count(1)


def test_pictures_of_ones_own_are_the_other_way(open_page: OpenPage, store: Store, expect: Any) -> None:
    page = open_page()
    page.goto("/")
    page.get_by_role("link", name="Add pictures").click()
    expect(page.get_by_label("Pictures to upload")).to_be_attached()
    assert page.url.endswith("/upload/")


def test_where_the_sample_data_is_missing_it_is_not_offered(
    open_page: OpenPage, store: Store, expect: Any, settings: Any, tmp_path: Path
) -> None:
    settings.SAMPLE_DATA = tmp_path / "nowhere"
    page = open_page()
    page.goto("/")
    expect(page.get_by_role("heading", name="Welcome. There are no pictures yet")).to_be_visible()
    expect(page.get_by_role("button", name="Try it on the sample data")).to_have_count(0)
