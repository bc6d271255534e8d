"""How the scorer answers: JSON, or what went wrong as `personas.problems` has it."""

from __future__ import annotations

from http import HTTPStatus

import orjson
from django.http import HttpResponse

from personas.problems import ProblemError, problem

__all__ = ["ProblemError", "answer", "problem"]


def answer(content: object, *, status: HTTPStatus = HTTPStatus.OK) -> HttpResponse:
    """JSON. Answers speak of persons, so nobody on the way keeps them."""
    return HttpResponse(
        orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
