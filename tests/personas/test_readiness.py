"""What a process that cannot do its work says of it."""

from __future__ import annotations

import pytest
from django.db import OperationalError

from personas import readiness
from personas.errors import FaceProjectError, NotFoundError, TransientError
from personas.management import schema
from personas.media import MediaMissingError
from personas.store.base import StoreError


def said_when(monkeypatch: pytest.MonkeyPatch, error: Exception) -> str:
    """Of the champion, when loading it raises this."""

    def fail() -> None:
        raise error

    monkeypatch.setattr(readiness, "current_recogniser", fail)
    monkeypatch.setattr(readiness, "_last", {})
    return readiness.readiness({"models": readiness.check_champion})["models"]


@pytest.mark.parametrize("error", [TransientError("h:1"), StoreError("h:1"), OperationalError("h:1")])
def test_a_store_that_is_away_is_no_reason_to_go_back_a_version(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    assert said_when(monkeypatch, error) == "The state repository cannot be read."


@pytest.mark.parametrize("error", [MediaMissingError("x"), NotFoundError("x"), FaceProjectError("x"), OSError("x")])
def test_an_artefact_that_does_not_load_is(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    assert "`manage.py rollback`" in said_when(monkeypatch, error)


def test_a_worker_on_cassandra_needs_no_way_to_the_users_database(monkeypatch: pytest.MonkeyPatch, settings) -> None:
    def away() -> bool:
        raise OperationalError("h:1")

    settings.STATE_STORE = "cassandra"
    monkeypatch.setattr(schema, "_is_pending", away)
    monkeypatch.setattr(schema, "_is_store_pending", lambda: False)
    monkeypatch.setattr(schema, "_was_current", False)
    readiness.check_store_schema()
    with pytest.raises(readiness.NotReadyError):
        readiness.check_schema()
