"""What all routes share: who asks, how bodies are read, how failures are said, and what the document says of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import orjson
from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.openapi.docs import DocsBase
from ninja.openapi.schema import OpenAPISchema
from ninja.parser import Parser
from ninja.renderers import BaseRenderer
from ninja.security import APIKeyCookie, HttpBearer

from personas.api.asking import key_used
from personas.api.reference import subjects_of
from personas.errors import FaceProjectError
from personas.middleware import takes_bodies
from personas.permissions import Permission
from personas.problems import MEDIA_TYPE, ProblemError, problem, problem_of, status_of
from personas.services.commands import CommandUsedError

#: Bodies that are JSON are documented and read as this type only.
JSON: Final = "application/json"
WRITES: Final = frozenset({"post", "put", "patch", "delete"})
CHALLENGE: Final = 'Bearer realm="faceproject"'

PROBLEM_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "description": "What went wrong, as RFC 9457 has it.",
    "properties": {
        "type": {"const": "about:blank"},
        "title": {"type": "string", "description": "The status in words."},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "Which problem it is; stable, for programs."},
        "detail": {"type": "string", "description": "What happened and what to do next, for people."},
        "errors": {
            "type": "array",
            "description": "Of a request that is not valid (code `invalid`): what is wrong where.",
            "items": {
                "type": "object",
                "properties": {
                    "in": {"enum": ["body", "query", "path", "header", "file"]},
                    "pointer": {"type": "string", "description": "A JSON pointer into that part of the request."},
                    "detail": {"type": "string"},
                },
                "required": ["in", "pointer", "detail"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["type", "title", "status", "code", "detail"],
    "additionalProperties": False,
}


class ApiRequest(HttpRequest):
    """A request that `personas.api.middleware` let through."""

    user: User


class Token(HttpBearer):
    """A token of the user's account (`manage.py api_token USER`, or the page of API tokens)."""

    def __call__(self, request: HttpRequest) -> User | None:
        """The middleware has redeemed it; nobody else sets the mark."""
        return getattr(request, "token_user", None)

    def authenticate(self, request: HttpRequest, token: str) -> User | None:
        return self(request)


class Session(APIKeyCookie):
    """Signed in as for the pages; what changes something must bear `X-CSRFToken`."""

    param_name = settings.SESSION_COOKIE_NAME

    def authenticate(self, request: HttpRequest, key: str | None) -> User | None:
        return request.user if isinstance(request.user, User) else None


class StrictJson(Parser):
    """Bodies are JSON, said to be JSON."""

    def parse_body(self, request: HttpRequest) -> Any:
        if request.content_type != JSON:
            raise ProblemError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "media_type", f"Send the body as JSON, with Content-Type: {JSON}."
            )
        try:
            return orjson.loads(request.body)
        except orjson.JSONDecodeError as error:
            raise ProblemError(HTTPStatus.BAD_REQUEST, "bad_json", f"The body is not JSON ({error}).") from error


class Renderer(BaseRenderer):
    """Times as RFC 3339, in UTC."""

    media_type = JSON

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:
        return orjson.dumps(data)


class Docs(DocsBase):
    """The page that shows the document; everything it loads comes from this installation."""

    def render_page(self, request: HttpRequest, api: NinjaAPI, **kwargs: Any) -> HttpResponse:
        context = {
            "openapi_url": self.get_openapi_url(api, kwargs),
            "subjects": subjects_of(api.get_openapi_schema()),
        }
        return render(request, "api/docs.html", context)


class Api(NinjaAPI):
    """A NinjaAPI whose failures are problems, and whose document says so."""

    def __init__(self, **options: Any) -> None:
        super().__init__(auth=[Token(), Session()], parser=StrictJson(), renderer=Renderer(), docs=Docs(), **options)
        self.add_exception_handler(FaceProjectError, _anticipated)
        self.add_exception_handler(HttpError, _refused)
        self.add_exception_handler(ValidationError, _invalid)
        self.add_exception_handler(Exception, _unforeseen)

    def get_openapi_operation_id(self, operation: Any) -> str:
        """The function's own name: unique, and short in the clients made of the document."""
        return str(operation.view_func.__name__)

    def _get_urls(self) -> list[Any]:
        """Marks the addresses whose functions take large bodies: the middleware sees Ninja's view, not the function."""
        urls, bodies = super()._get_urls(), self._bodies()
        for pattern in urls:
            if isinstance(pattern, URLPattern) and pattern.name in bodies:
                takes_bodies(bodies[pattern.name])(pattern.callback)
        return urls

    def _bodies(self) -> dict[str, Permission]:
        """Who may send large bodies, by the name of the function."""
        functions = (
            operation.view_func
            for router in self._get_bound_routers()
            for path in router.path_operations.values()
            for operation in path.operations
        )
        return {f.__name__: f.takes_bodies for f in functions if hasattr(f, "takes_bodies")}

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        document = super().get_openapi_schema(**options)
        document["components"]["schemas"]["Problem"] = PROBLEM_SCHEMA
        document["components"]["responses"] = {
            str(status.value): {
                "description": status.phrase,
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            }
            for status in _PROBLEMS | _WRITE_PROBLEMS | _RARE_PROBLEMS
        }
        for operations in document["paths"].values():
            for method, operation in operations.items():
                _complete(operation, writes=method in WRITES)
        return document


_PROBLEMS = {
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE,
}
_WRITE_PROBLEMS = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
}
#: Problems of a few operations, which name them.
_RARE_PROBLEMS = {HTTPStatus.CONFLICT}


def _complete(operation: dict[str, Any], *, writes: bool) -> None:
    """What every operation may answer besides its own answers; and its first sentence, for lists of operations."""
    operation["summary"] = operation["description"].partition(".")[0]
    for parameter in operation["parameters"]:
        parameter["schema"] = _given(parameter["schema"])
    responses = operation["responses"] = {str(status): said for status, said in operation["responses"].items()}
    if not writes:
        responses["304"] = {"description": "Nothing has changed since the answer that If-None-Match names."}
    for status in sorted(_PROBLEMS | _WRITE_PROBLEMS if writes else _PROBLEMS):
        responses.setdefault(str(status.value), {"$ref": f"#/components/responses/{status.value}"})


def _given(schema: dict[str, Any]) -> dict[str, Any]:
    """Of a parameter: left out it is null, but null cannot be sent."""
    for choice in schema.get("anyOf", ()):
        if choice.get("type") != "null":
            return {**{name: said for name, said in schema.items() if name != "anyOf"}, **choice}
    return schema


# ---- failures --------------------------------------------------------------------------------------------------------
def _anticipated(request: HttpRequest, error: FaceProjectError | type[FaceProjectError]) -> HttpResponse:
    if isinstance(error, ProblemError):
        return error.response()
    if isinstance(error, CommandUsedError):
        return key_used().response()
    assert isinstance(error, FaceProjectError)
    return problem_of(status_of(error), str(error))


def _refused(request: HttpRequest, error: HttpError | type[HttpError]) -> HttpResponse:
    """What Ninja refuses by itself: nobody asks, a form of another page, a body that cannot be read."""
    assert isinstance(error, HttpError)
    if isinstance(error.__cause__, ProblemError):  # of `StrictJson`
        return error.__cause__.response()
    if isinstance(error, AuthenticationError):
        return unauthorised()
    if error.status_code == HTTPStatus.FORBIDDEN:
        return problem(
            HTTPStatus.FORBIDDEN,
            "csrf",
            "Signed in by a session, send its CSRF token as X-CSRFToken, from a page of this installation. "
            "Programs send a token instead: `Authorization: Bearer TOKEN`.",
        )
    return problem_of(HTTPStatus(error.status_code), str(error))


def unauthorised(*, bad: bool = False) -> HttpResponse:
    """bad: a token was sent, and it opens nothing."""
    detail = (
        "This token is unknown, has run out or was revoked. Make another on the page of API tokens, or with "
        "`manage.py api_token USER`."
        if bad
        else "Send a token: `Authorization: Bearer TOKEN`. `manage.py api_token USER` makes one."
    )
    challenge = f'{CHALLENGE}, error="invalid_token"' if bad else CHALLENGE
    return problem(
        HTTPStatus.UNAUTHORIZED, "bad_token" if bad else "no_token", detail, headers={"WWW-Authenticate": challenge}
    )


def _invalid(request: HttpRequest, error: ValidationError | type[ValidationError]) -> HttpResponse:
    assert isinstance(error, ValidationError)
    errors = [_said(each["loc"], each["msg"]) for each in error.errors]
    first = errors[0]
    detail = f"The {first['in']} is not valid at {first['pointer']}: {first['detail']}. See /api/v1/docs."
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", detail, errors=errors)


def _said(place: Sequence[str | int], message: str) -> dict[str, str]:
    """Nothing of what was sent is repeated. A body's place begins with the name of the function's parameter."""
    part, path = str(place[0]), place[2:] if place[0] == "body" else place[1:]
    pointer = "".join("/" + re.sub("[~/]", _escaped, str(step)) for step in path)
    return {"in": part, "pointer": f"#{pointer}", "detail": message}


def _escaped(found: re.Match[str]) -> str:
    return "~0" if found[0] == "~" else "~1"  # RFC 6901


def _unforeseen(request: HttpRequest, error: Exception | type[Exception]) -> HttpResponse:
    """Django's to answer, and to log: see `personas.views.errors.broken`."""
    raise error
