"""The scorer in this process, asked as a client asks; every answer is held against the OpenAPI document."""

from __future__ import annotations

import base64
import importlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from jsonschema import Draft202012Validator

from orchestration.scorer import process
from personas.store import get_store
from personas.store.base import Store
from tests.orchestration.scorer.world import EMBEDDER, TOKEN

REPO = Path(__file__).resolve().parents[3]
OPENAPI = json.loads((REPO / "orchestration" / "scorer" / "openapi.json").read_text())


def check_against_openapi(method: str, path: str, response: HttpResponse) -> None:
    """The document promises this status, media type and shape."""
    if path not in OPENAPI["paths"]:
        promised = OPENAPI["components"]["responses"]["Problem"]
    else:
        responses = OPENAPI["paths"][path].get(method.lower(), {}).get("responses", {})
        promised = responses.get(str(response.status_code))
        if promised is None:
            assert response.status_code == 405 or response.status_code >= 500, "the document does not promise this"
            promised = OPENAPI["components"]["responses"]["Problem"]
        elif "$ref" in promised:
            promised = OPENAPI["components"]["responses"][promised["$ref"].rpartition("/")[2]]
    kind = response.headers["Content-Type"]
    assert kind in promised["content"]
    Draft202012Validator({**OPENAPI, **promised["content"][kind]["schema"]}).validate(json.loads(response.content))


@dataclass
class Asker:
    """A client with a token."""

    token: str = TOKEN

    def ask(self, method: str, path: str, *, checked: bool = True, **options: Any) -> HttpResponse:
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        if "data" in options:  # Django's client says nothing of an empty body
            options = {"CONTENT_LENGTH": str(len(options["data"])), "CONTENT_TYPE": options["content_type"], **options}
        client = Client(raise_request_exception=False)
        response = client.generic(method, path, headers=headers, **options)
        if checked:
            check_against_openapi(method, path.partition("?")[0], response)
        assert int(response.headers["Content-Length"]) == len(response.content)
        return response

    def get(self, path: str, **options: Any) -> Any:
        return self.ask("GET", path, **options)

    def json(self, content: Any, **options: Any) -> HttpResponse:
        """POST /v1/score with JSON."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return self.ask("POST", "/v1/score", data=body, content_type="application/json", **options)

    def raw(self, content: bytes, *, query: str = "", content_type: str = "image/png", **options: Any) -> HttpResponse:
        """POST /v1/score with a picture as the body."""
        return self.ask("POST", f"/v1/score{query}", data=content, content_type=content_type, **options)

    def embeddings(self, rows: Any, **more: Any) -> HttpResponse:
        return self.json({"embeddings": rows, "embedder": EMBEDDER, **more})


def in_base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.fixture
def scorer_settings(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The settings of the scorer's process, with an extractor that needs no weights."""
    monkeypatch.setenv("SECRET_KEY", "of the tests")  # the module would make one and leave it in the environment
    scorer = importlib.import_module("faceproject.settings_scorer")
    for name in (
        *("ROOT_URLCONF", "MIDDLEWARE", "DATA_UPLOAD_MAX_MEMORY_SIZE", "FILE_UPLOAD_MAX_MEMORY_SIZE"),
        *("FILE_UPLOAD_HANDLERS", "DATA_UPLOAD_MAX_NUMBER_FILES", "DATA_UPLOAD_MAX_NUMBER_FIELDS"),
    ):
        setattr(settings, name, getattr(scorer, name))
    settings.MEDIA_ROOT = str(tmp_path / "media")
    settings.CACHE_ROOT = str(tmp_path / "cache")
    settings.FACE_EXTRACTOR = "tests.ingest.fakes.squares"
    settings.SCORER_TOKEN = TOKEN
    settings.SCORER_EXTRACTORS = 1
    settings.SCORER_MODEL_DIR = ""
    return settings


@pytest.fixture
def store(db: None) -> Store:
    return get_store()


@pytest.fixture
def media_root(scorer_settings: Any) -> Path:
    return Path(scorer_settings.MEDIA_ROOT)


@pytest.fixture
def installed(scorer_settings: Any) -> Iterator[Any]:
    """Builds the scorer that the settings describe and lets this process answer with it."""

    def install() -> process.Scorer:
        scorer = process.build()
        process.install(scorer)
        return scorer

    yield install
    process.install(None)


@pytest.fixture
def asker() -> Asker:
    return Asker()
