"""The API as a whole: its document, who gets in, and how failures are said."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from personas import sign_in
from personas.errors import TransientError
from personas.models import ApiToken
from personas.store import get_store
from tests import factories
from tests.api import LABELLER, ROOT, Api, document, problem_in, token_of, user_with

pytestmark = pytest.mark.django_db
REPO = Path(__file__).resolve().parents[2]


@pytest.fixture
def owner() -> Api:
    return Api(token_of(sign_in.ensure_owner()))


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, said) for path, methods in document()["paths"].items() for method, said in methods.items()]


# ---- the document ----------------------------------------------------------------------------------------------------
def test_the_document_is_openapi_3_1_and_served_to_whoever_may_ask(owner: Api) -> None:
    served = owner.get("/openapi.json").json()
    assert served == document()
    assert served["openapi"].startswith("3.1")


def test_every_route_of_the_api_is_in_the_document() -> None:
    from faceproject.api import api

    routes = {
        re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", f"{ROOT}/{pattern.pattern}")
        for pattern in api.urls[0]
        if pattern.name not in ("openapi-json", "openapi-view", "api-root")
    }
    assert routes == set(document()["paths"])


def test_every_operation_says_what_it_does_and_who_may_ask() -> None:
    for path, method, said in operations():
        assert said["summary"], (path, method)
        assert said["tags"], (path, method)
        assert {"Token": []} in said["security"], (path, method)
        assert {"401", "404", "422", "503"} <= set(said["responses"]), (path, method)


def test_no_two_operations_share_an_id() -> None:
    ids = [said["operationId"] for _, _, said in operations()]
    assert sorted(ids) == sorted(set(ids))


def test_every_operation_is_in_the_documentation_and_no_other() -> None:
    text = (REPO / "docs" / "api.md").read_text()
    told = set(re.findall(r"^\| `(GET|POST|PATCH|DELETE) (/[^`]*)`", text, flags=re.MULTILINE))
    assert told == {(method.upper(), path.removeprefix(ROOT)) for path, method, _ in operations()}


# ---- who gets in -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", ["/personas", "/openapi.json", "/no/such/place", "/jobs/x/pause"])
def test_without_a_token_nothing_is_told_not_even_what_there_is(path: str) -> None:
    response = Api(None).get(path)
    problem_in(response, 401, "no_token")
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("token", ["", "fp_wrong", "fp_wrong with spaces"])
def test_a_token_that_opens_nothing_is_said_to(token: str) -> None:
    response = Api(None).get("/personas", headers={"Authorization": f"Bearer {token}"})
    problem_in(response, 401, "bad_token")
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


def test_a_bad_token_is_refused_though_a_session_is_open() -> None:
    api = Api("fp_wrong")
    api.client.force_login(sign_in.ensure_owner())
    problem_in(api.get("/personas"), 401, "bad_token")


def test_a_token_opens_until_it_runs_out_or_its_account_is_switched_off() -> None:
    user = user_with()
    api = Api(token_of(user, days=1))
    assert api.get("/personas").status_code == 200
    User.objects.update(is_active=False)
    problem_in(api.get("/personas"), 401, "bad_token")
    User.objects.update(is_active=True)
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    problem_in(api.get("/personas"), 401, "bad_token")


def test_a_token_counts_below_the_api_only(client: Client) -> None:
    token = token_of(sign_in.ensure_owner())
    response = client.get("/", headers={"Authorization": f"Bearer {token}"})
    assert response.status_code == 302
    assert response.headers["Location"].startswith("/sign-in/")


def test_when_a_token_was_used_is_noted_but_not_at_every_request() -> None:
    api = Api(token_of(user_with()))
    api.get("/personas")
    first = ApiToken.objects.get().last_used_at
    assert first is not None
    api.get("/personas")
    assert ApiToken.objects.get().last_used_at == first
    ApiToken.objects.update(last_used_at=first - timedelta(minutes=2))
    api.get("/personas")
    assert ApiToken.objects.get().last_used_at >= first


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/personas", {"name": "Ada"}),
        ("PATCH", "/personas/ada", {"name": "Ada"}),
        ("DELETE", "/personas/ada", None),
        ("POST", "/personas/ada/merge", {"into": "bob"}),
        ("DELETE", f"/images/{factories.image_id(0)}", None),
        ("POST", f"/commands/{factories.command_id(0)}/undo", None),
        ("POST", "/labels", {"labels": [{"persona_id": "ada", "faces": [str(factories.key(0))]}]}),
        ("POST", "/uploads", None),
        ("POST", "/models/1/promote", {}),
        ("POST", "/models/rollback", None),
    ],
)
def test_who_may_only_look_changes_nothing(method: str, path: str, body: Any) -> None:
    said = problem_in(Api(token_of(user_with())).send(path, body, method=method), 403, "forbidden")
    assert "Ask an administrator" in said["detail"]
    assert get_store().head("labels") == 0


# ---- sessions --------------------------------------------------------------------------------------------------------
@pytest.fixture
def session() -> Client:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user_with(*LABELLER))
    return client


def test_a_session_may_look(session: Client) -> None:
    assert session.get(f"{ROOT}/personas").status_code == 200


def test_a_session_changes_something_only_with_its_csrf_token(session: Client) -> None:
    def send(**headers: str) -> Any:
        return session.post(f"{ROOT}/personas", {"name": "Ada"}, content_type="application/json", headers=headers)

    problem_in(send(), 403, "csrf")
    assert get_store().head("labels") == 0
    session.get(f"{ROOT}/docs")
    assert send(**{"X-CSRFToken": session.cookies["csrftoken"].value}).status_code == 201


def test_the_docs_page_leads_to_the_sign_in(client: Client) -> None:
    response = client.get(f"{ROOT}/docs")
    assert response.status_code == 302
    assert response.headers["Location"] == f"/sign-in/?next={ROOT}/docs"


# ---- failures --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", ["/no/such/place", "/personas/", "/", "/models/champion/more"])
def test_an_unknown_address_is_a_problem_document(owner: Api, path: str) -> None:
    problem_in(owner.get(path), 404, "not_found")


def test_below_api_another_version_is_a_problem_document_too(owner: Api) -> None:
    response = owner.client.get("/api/v2/personas", headers=owner.headers)
    problem_in(response, 404, "not_found")


def test_a_method_that_is_not_known_here_is_answered_with_those_that_are(owner: Api) -> None:
    response = owner.ask("DELETE", "/personas")
    problem_in(response, 405, "method")
    assert response.headers["Allow"] == "GET, POST, HEAD"


def test_a_head_is_a_get_without_its_content(owner: Api) -> None:
    head, get = owner.ask("HEAD", "/personas", checked=False), owner.get("/personas")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["ETag"] == get.headers["ETag"]


def test_a_body_that_is_not_json_says_so(owner: Api) -> None:
    response = owner.ask("POST", "/personas", data=b"{", content_type="application/json")
    problem_in(response, 400, "bad_json")


def test_a_body_of_another_type_is_refused(owner: Api) -> None:
    response = owner.ask("POST", "/personas", data=b"name=Ada", content_type="application/x-www-form-urlencoded")
    problem_in(response, 415, "media_type")


def test_what_is_not_valid_is_pointed_at_and_not_repeated(owner: Api) -> None:
    body = {"labels": [{"persona_id": "ada", "faces": ["secret-word"], "a/b": 1}]}
    said = problem_in(owner.send("/labels", body), 422, "invalid")
    assert {(each["in"], each["pointer"]) for each in said["errors"]} == {
        ("body", "#/labels/0/faces/0"),
        ("body", "#/labels/0/a~1b"),
    }
    assert "secret-word" not in str(said)
    query = problem_in(owner.get("/personas?limit=0"), 422, "invalid")
    assert [(each["in"], each["pointer"]) for each in query["errors"]] == [("query", "#/limit")]
    header = problem_in(owner.send("/personas", {"name": "Ada"}, key="no uuid"), 422, "invalid")
    assert [(each["in"], each["pointer"]) for each in header["errors"]] == [("header", "#/Idempotency-Key")]


def test_a_body_that_is_too_large_is_not_read(owner: Api, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 70_000
    problem_in(owner.send("/personas", {"name": "A" * 80_000}), 413, "too_many_bytes")


def test_what_may_work_later_says_when_to_try_again(owner: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*args: Any, **kwargs: Any) -> Any:
        raise TransientError("The store is busy; try again.")

    monkeypatch.setattr("personas.api.personas.persona_grid", busy)
    response = owner.get("/personas")
    assert problem_in(response, 503, "unavailable")["detail"] == "The store is busy; try again."
    assert int(response.headers["Retry-After"]) > 0


def test_what_nobody_foresaw_is_a_problem_document_that_tells_nothing(
    owner: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("secret-word")

    monkeypatch.setattr("personas.api.personas.persona_grid", broken)
    assert "secret-word" not in str(problem_in(owner.get("/personas"), 500, "broken"))


def test_what_has_not_changed_is_not_sent_again(owner: Api) -> None:
    tag = owner.get("/personas").headers["ETag"]
    assert owner.get("/personas", headers={"If-None-Match": tag}).status_code == 304
    owner.send("/personas", {"name": "Ada"})
    assert owner.get("/personas", headers={"If-None-Match": tag}).status_code == 200


def test_answers_are_kept_by_their_asker_alone(owner: Api) -> None:
    response = owner.get("/personas")
    assert "private" in response.headers["Cache-Control"]
    assert "Authorization" in response.headers["Vary"]
