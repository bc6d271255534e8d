"""The stores that the contract suite runs on. Another adapter adds a name to STORES and a branch to `opened`.

`store` is empty at the start of each test. `shared_store` is the same for tests that write from several threads, so
what they write is committed.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import settings

from personas.store.base import Store
from personas.store.sql.adapter import SqlStore

STORES = ("sqlite", "postgres", "cassandra")


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    for item in items:
        if "opened" in getattr(item, "fixturenames", ()):
            shared = "shared_store" in item.fixturenames  # type: ignore[attr-defined] - has it, see above
            item.add_marker(pytest.mark.django_db(transaction=shared, databases=list(settings.DATABASES)))


@pytest.fixture(params=STORES)
def opened(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "postgres" and not os.environ.get("TEST_POSTGRES_URL"):
        pytest.skip("no PostgreSQL: set TEST_POSTGRES_URL to run the store's contract on it")
    request.getfixturevalue("_django_db_helper")
    if request.param == "cassandra":
        yield request.getfixturevalue("cassandra_store")
        return
    store = SqlStore(n_buckets=64, using="default" if request.param == "sqlite" else "postgres")
    yield store
    store.close()


@pytest.fixture
def store(opened: Store) -> Store:
    return opened


@pytest.fixture
def shared_store(opened: Store) -> Store:
    return opened


@pytest.fixture
def together(shared_store: Store) -> Callable[[Sequence[Callable[[], object]]], list[object]]:
    """Runs functions at the same time, each in a thread of its own; returns their results in order."""

    def run(functions: Sequence[Callable[[], object]]) -> list[object]:
        barrier = threading.Barrier(len(functions))

        def start(function: Callable[[], object]) -> object:
            barrier.wait()
            try:
                return function()
            finally:
                shared_store.close()

        with ThreadPoolExecutor(len(functions)) as pool:
            return list(pool.map(start, functions))

    return run
