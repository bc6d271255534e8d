"""The status page in a browser: what is wrong, what waits, and that it follows both by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from orchestration.heartbeat import Heartbeat
from orchestration.signs_of_life import SHOWN, SignOfLife
from personas.entities import JobStatus
from personas.store.base import Store
from tests import factories

pytestmark = pytest.mark.browser

OpenPage = Callable[..., Any]
#: The page asks every few seconds.
POLLED_MS = 20_000


def all_at_work(store: Store) -> None:
    for role in SHOWN:
        SignOfLife(store, role, Heartbeat()).beat()


def test_what_does_not_run_is_told_until_it_does(open_page: OpenPage, store: Store, expect: Any) -> None:
    page = open_page()
    page.goto("/status/")
    expect(page.locator(".problem")).to_contain_text("The ingest-worker is not running")
    roles = page.get_by_role("region", name="Who is at work")
    expect(roles.get_by_role("listitem").filter(has_text="web")).to_contain_text("answers")
    expect(roles.get_by_role("listitem").filter(has_text="ingest-worker")).to_contain_text("not running")
    all_at_work(store)
    expect(page.locator(".well")).to_contain_text("All is well.", timeout=POLLED_MS)
    expect(roles.get_by_role("listitem").filter(has_text="ingest-worker")).to_contain_text("at work")


def test_what_waits_and_what_failed_come_by_themselves(open_page: OpenPage, store: Store, expect: Any) -> None:
    all_at_work(store)
    page = open_page()
    page.goto("/status/")
    waits = page.get_by_role("region", name="What waits")
    expect(waits).to_contain_text("Pictures in them, still to be read0")
    now = timezone.now()
    store.put_job(factories.job("going", created_at=now, status=JobStatus.RUNNING, done=8, total=50))
    store.put_job(factories.job("gone", created_at=now, status=JobStatus.FAILED, message="The disk is full."))
    expect(waits).to_contain_text("Pictures in them, still to be read42", timeout=POLLED_MS)
    failed = page.get_by_role("region", name="What failed of late")
    expect(failed).to_contain_text("The disk is full.")
    failed.get_by_role("link", name="Ingest of a folder").click()
    expect(page.locator(".job")).to_contain_text("The disk is full.")
