"""Pages in a headless Chromium that tells on them: console errors, policy violations, requests to other hosts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from personas import sign_in
from personas.store import get_store
from personas.store.base import Store
from tests.browser.pages import learnt_twice as learnt_twice  # fixtures of all tests here
from tests.browser.pages import small_world as small_world
from tests.chromium import Complaints
from tests.web import champions


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    """Fails a test whose pages complained."""
    heard = Complaints()
    yield heard
    assert heard.found == []


@pytest.fixture
def store(transactional_db: None) -> Iterator[Store]:
    with champions():
        yield get_store()


@pytest.fixture
def expect(chromium: Any) -> Any:
    """Playwright's assertions, which wait; imported only where there is a browser."""
    from playwright.sync_api import expect

    return expect


@pytest.fixture
def open_page(chromium: Any, live_server: Any, store: Store, complaints: Complaints) -> Iterator[Callable[..., Any]]:
    """`open_page(javascript=False)` is a fresh page of a browser that signed in by its one-time link."""
    contexts = []

    def open_one(**options: Any) -> Any:
        javascript = options.pop("javascript", True)
        context = chromium.new_context(base_url=live_server.url, java_script_enabled=javascript, **options)
        context.set_default_timeout(8000)
        contexts.append(context)
        page = context.new_page()
        complaints.watch(page, urlsplit(live_server.url).netloc)
        page.goto(sign_in.one_time_link(live_server.url))
        return page

    yield open_one
    for context in contexts:
        context.close()
