"""Each record says which request, task and role it belongs to."""

from __future__ import annotations

import json
import logging
import threading

import pytest
from django.test import Client

from faceproject.logs import JsonFormatter, LineFormatter
from personas import log_context


def said(**extra: object) -> dict[str, object]:
    record = logging.makeLogRecord({"name": "personas.x", "levelname": "INFO", "msg": "hello", **extra})
    return json.loads(JsonFormatter().format(record))


def test_a_record_carries_what_is_bound_while_it_is_and_no_longer(monkeypatch):
    monkeypatch.setenv(log_context.ROLE_VARIABLE, "trainer-worker")
    with log_context.bound(task_id="a", task="training.train"):
        with log_context.bound(request_id="b"):
            assert {"task_id": "a", "request_id": "b", "role": "trainer-worker"}.items() <= said().items()
        assert "request_id" not in said()
        assert "task=training.train" in LineFormatter("%(message)s").format(logging.makeLogRecord({"msg": "hello"}))
    assert said().keys().isdisjoint({"task_id", "task", "request_id"})


def test_another_thread_is_other_work():
    found: list[dict[str, object]] = []
    with log_context.bound(request_id="b"):
        thread = threading.Thread(target=lambda: found.append(said()))
        thread.start()
        thread.join()
    assert "request_id" not in found[0]


def test_what_the_record_says_itself_wins():
    with log_context.bound(task_id="a"):
        assert said(task_id="its own")["task_id"] == "its own"


@pytest.mark.parametrize("given", ["0af7651916cd43dd8448eb211c80319c", "proxy-1:2.3_4"])
def test_a_sane_request_id_of_a_proxy_is_kept(client: Client, db: None, given: str):
    assert client.get("/healthz", headers={"X-Request-ID": given})["X-Request-ID"] == given


@pytest.mark.parametrize("given", [None, "", "a" * 65, "Ada Lovelace", 'x"', "../x", "é", "-x"])
def test_any_other_is_replaced_by_one_of_our_own(given: str | None):
    made = log_context.request_id(given)
    assert len(made) == 32
    assert made != log_context.request_id(given)


def test_what_a_request_logs_has_its_id(client: Client, db: None, caplog):
    formatted: list[dict[str, object]] = []

    class Formatting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            formatted.append(json.loads(JsonFormatter().format(record)))

    handler = Formatting()
    logging.getLogger("django.request").addHandler(handler)
    try:
        client.get("/there/is/nothing?q=Ada", headers={"X-Request-ID": "of-this-request"})
    finally:
        logging.getLogger("django.request").removeHandler(handler)
    assert [line["request_id"] for line in formatted] == ["of-this-request"]
    assert "Ada" not in json.dumps(formatted)
