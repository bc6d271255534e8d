"""Whatever is sent to the API, it breaks neither itself nor its document: generated requests, the same in every run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from faceproject.wsgi import application
from personas import sign_in
from personas.entities import LABELS
from personas.store import get_store
from tests.api import ROOT, document, token_of
from tests.api_world import ADA, BOB, World, fill
from tests.groups import put_groups
from tests.web import champions

pytestmark = pytest.mark.django_db

OPERATIONS = sorted(said["operationId"] for operations in document()["paths"].values() for said in operations.values())
#: Requests a way of making them and operation.
EXAMPLES = 8


@pytest.fixture
def world(settings: Any, tmp_path: Path) -> Iterator[World]:
    settings.MEDIA_ROOT, settings.CACHE_ROOT = str(tmp_path / "media"), str(tmp_path / "cache")
    with champions():
        filled = fill(get_store())
        put_groups(get_store(), a=filled.faces[5:])
        yield filled


@pytest.fixture
def token(db: None) -> str:
    return token_of(sign_in.ensure_owner())


@pytest.fixture
def one_connection() -> Iterator[None]:
    """Requests come in the test's own transaction and must not close its connection; so has Django's own client."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def schema(token: str, one_connection: None) -> Any:
    return schemathesis.openapi.from_wsgi(
        f"{ROOT}/openapi.json", application, headers={"Authorization": f"Bearer {token}", "Host": "127.0.0.1"}
    )


def test_the_document_is_valid(schema: Any) -> None:
    schema.validate()


def aimed(case: Any, world: World, pick: int) -> None:
    """Lets a request mean something that is there."""
    face = world.faces[pick % len(world.faces)]
    events = get_store().events(LABELS, after=pick, limit=1) or get_store().events(LABELS, after=0, limit=1)
    there = {
        "image_id": face.image_id,
        "face_no": face.face_no,
        "persona_id": (ADA, BOB, "stranger")[pick % 3],
        "job_id": world.jobs[pick % len(world.jobs)],
        "version": 1 + pick % 2,
        "command_id": events[0].command_id,
        "group_id": "a" * 16,
    }
    for name in case.path_parameters or {}:
        case.path_parameters[name] = there.get(name, case.path_parameters[name])
    if isinstance(case.body, dict) and "labels" in case.body:
        for group in case.body["labels"]:
            group |= {"persona_id": there["persona_id"], "faces": [str(face)]}
    if isinstance(case.body, dict) and case.body.get("cover"):
        case.body["cover"] = str(face)
    if isinstance(case.body, dict) and "into" in case.body:
        case.body["into"] = (ADA, BOB)[pick % 2]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["sound", "unsound"])
@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_no_request_breaks_the_api_or_its_document(
    schema: Any, world: World, token: str, operation_id: str, mode: GenerationMode
) -> None:
    operation = schema.find_operation_by_id(operation_id)
    headers = {"Authorization": f"Bearer {token}", "Host": "127.0.0.1"}

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), pick=st.integers(0, 11))
    def ask(case: Any, pick: int) -> None:
        if mode is GenerationMode.POSITIVE and pick % 4:
            aimed(case, world, pick)
        response = case.call_and_validate(headers=headers, excluded_checks=[positive_data_acceptance])
        if mode is GenerationMode.POSITIVE and response.status_code == 422:  # it cannot be done, but it can be read
            assert response.json()["code"] != "invalid", response.json()["detail"]

    ask()
