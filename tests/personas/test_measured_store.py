"""The measured store answers as the adapter does, and counts what it was asked."""

from __future__ import annotations

import time

import pytest
from prometheus_client import REGISTRY

from personas.errors import TransientError
from personas.store import get_store
from personas.store.base import Store
from personas.store.measured import OPERATIONS, measured


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


class Adapter:
    """A part of the port, as an adapter has it."""

    def __init__(self) -> None:
        for operation in OPERATIONS:
            if not hasattr(self, operation):
                setattr(self, operation, lambda *args, **kwargs: None)

    def layout(self):
        return "layout"

    def close(self):
        return "closed"

    def head(self, stream: str) -> int:
        if stream == "away":
            raise TransientError("The store is away.")
        return 7

    def all_labels(self):
        yield 1
        yield 2
        raise TransientError("The store went away.")

    def truths(self):
        return iter(())


@pytest.fixture
def store() -> Store:
    return measured(Adapter())


def test_a_call_answers_as_before_and_is_timed(store: Store):
    before = value("faceproject_store_seconds_count", operation="head")
    assert store.head("labels") == 7
    assert value("faceproject_store_seconds_count", operation="head") == before + 1


def test_a_call_that_raises_is_counted_by_kind_and_not_timed(store: Store):
    seconds, errors = "faceproject_store_seconds_count", "faceproject_store_errors_total"
    timed, counted = value(seconds, operation="head"), value(errors, operation="head", error="TransientError")
    with pytest.raises(TransientError, match="away"):
        store.head("away")
    assert value(seconds, operation="head") == timed
    assert value(errors, operation="head", error="TransientError") == counted + 1


def test_what_streams_is_timed_until_its_first_item_whenever_that_is_asked_for(store: Store):
    count, total = (f"faceproject_store_seconds_{what}" for what in ("count", "sum"))
    before, seconds = value(count, operation="all_labels"), value(total, operation="all_labels")
    labels = store.all_labels()
    time.sleep(1.0)  # of the caller's own
    assert value(count, operation="all_labels") == before
    assert next(labels) == 1
    assert value(count, operation="all_labels") == before + 1
    assert value(total, operation="all_labels") - seconds < 1.0
    assert next(labels) == 2
    assert value(count, operation="all_labels") == before + 1
    errors = value("faceproject_store_errors_total", operation="all_labels", error="TransientError")
    with pytest.raises(TransientError):
        next(labels)
    assert value("faceproject_store_errors_total", operation="all_labels", error="TransientError") == errors + 1


def test_nothing_streamed_is_nothing(store: Store):
    assert list(store.truths()) == []


def test_the_product_s_store_is_measured_and_is_a_store(db: None):
    store = get_store()
    assert isinstance(store, Store)
    before = value("faceproject_store_seconds_count", operation="champion")
    assert store.champion() is None
    assert value("faceproject_store_seconds_count", operation="champion") == before + 1


def test_every_question_of_the_port_is_measured():
    assert {"save_extracted", "record", "switch_champion", "put_job", "all_labels"} <= set(OPERATIONS)
