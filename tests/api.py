"""Asking the API as a program does; every answer is held against the OpenAPI document."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import Resolver404, resolve, reverse
from django.utils import timezone
from jsonschema import Draft202012Validator

from personas.api_tokens import make_token
from personas.store import get_store

ROOT = "/api/v1"
LABELLER = ("add_label", "add_image")
CURATOR = (*LABELLER, "change_modelversion", "delete_persona")


def user_with(*permissions: str, name: str = "grace") -> User:
    """A user with these permissions of the app `personas`."""
    user = User.objects.create_user(name)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions, content_type__app_label="personas"))
    return user


def token_of(user: User, *, name: str = "tests", days: int | None = None) -> str:
    return make_token(store=get_store(), user=user, name=name, days=days, at=timezone.now())


class Api:
    """A program with a token."""

    def __init__(self, token: str | None) -> None:
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.client = Client(raise_request_exception=False)

    def ask(self, method: str, path: str, *, checked: bool = True, **options: Any) -> Any:
        """path: below `/api/v1`."""
        headers = {**self.headers, **options.pop("headers", {})}
        response = self.client.generic(method, ROOT + path, headers=headers, **options)
        if checked:
            check_against_document(method, ROOT + path.partition("?")[0], response)
        return response

    def get(self, path: str, **options: Any) -> Any:
        return self.ask("GET", path, **options)

    def send(self, path: str, content: Any = None, *, method: str = "POST", key: str = "", **options: Any) -> Any:
        """With a body of JSON, and an Idempotency-Key."""
        headers = {"Idempotency-Key": key} if key else {}
        body = b"" if content is None else json.dumps(content).encode()
        return self.ask(method, path, data=body, content_type="application/json", headers=headers, **options)

    def all(self, path: str) -> list[Any]:
        """Items of every page, by following the links."""
        items: list[Any] = []
        while path:
            response = self.get(path)
            assert response.status_code == 200, response.content
            items += response.json()["items"]
            link = response.headers.get("Link", "")
            assert bool(link) is (response.json()["next_cursor"] is not None)
            path = link.partition(">")[0].removeprefix(f"<{ROOT}")
        return items


@cache
def document() -> dict[str, Any]:
    from faceproject.api import api

    return json.loads(json.dumps(api.get_openapi_schema()))


def check_against_document(method: str, path: str, response: Any) -> None:
    """The document promises this status, media type and shape."""
    whole, kind = document(), response.headers.get("Content-Type", "")
    operation = whole["paths"].get(_documented(path), {}).get(method.lower())
    if response.status_code >= 400 and (operation is None or response.status_code == 405):
        schema: Any = {"$ref": "#/components/schemas/Problem"}
        assert kind == "application/problem+json"
    elif operation is None:
        return  # the document itself, and the page
    else:
        promised = operation["responses"].get(str(response.status_code))
        assert promised is not None, f"{method} {path}: {response.status_code} is not documented: {response.content!r}"
        if "$ref" in promised:
            promised = whole["components"]["responses"][promised["$ref"].rpartition("/")[2]]
        if "content" not in promised:
            assert response.content == b""
            return
        media_type = kind.partition(";")[0]
        assert media_type in promised["content"]
        schema = promised["content"][media_type]["schema"]
    if "json" in kind:
        Draft202012Validator({**whole, **schema}).validate(json.loads(response.content))


def _documented(path: str) -> str:
    """The path of the document that an address belongs to."""
    try:
        route = resolve(path).route
    except Resolver404:
        return ""
    return "/" + "".join(
        "{" + part.partition(">")[0].rpartition(":")[2] + "}" + part.partition(">")[2] if ">" in part else part
        for part in route.split("<")
    )


def problem_in(response: Any, status: int, code: str) -> dict[str, Any]:
    """The problem document of an answer, which has this status and code."""
    assert (response.status_code, response.headers["Content-Type"]) == (status, "application/problem+json")
    said = response.json()
    assert (said["status"], said["code"], said["type"]) == (status, code, "about:blank")
    assert said["title"]
    assert said["detail"]
    return said


def document_url() -> str:
    return reverse("api:openapi-json")
