"""The scorer's addresses: parse, ask the version in use, answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from http import HTTPStatus
from pathlib import Path
from typing import Any

from django.http import HttpRequest, HttpResponse

from ingest.vision import PictureError
from orchestration.scorer.answers import Json, said_of, said_of_pictures
from orchestration.scorer.measuring import measured
from orchestration.scorer.problems import ProblemError, answer, problem
from orchestration.scorer.process import Scorer, current_scorer
from orchestration.scorer.requests import Embeddings, Pictures, read_request
from orchestration.scorer.serving import Served

View = Callable[[HttpRequest], HttpResponse]
#: How a picture that is the whole body fails, by its code; the others are 422.
STATUSES = {
    "too_many_bytes": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "too_many_pixels": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "not_a_picture": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "extraction_failed": HTTPStatus.INTERNAL_SERVER_ERROR,
}


def allows(*methods: str) -> Callable[[View], View]:
    """Any other method is a problem document, which Django's own decorators do not know."""

    def decorate(view: View) -> View:
        @wraps(view)
        def checked(request: HttpRequest) -> HttpResponse:
            if request.method not in methods:
                raise ProblemError(
                    HTTPStatus.METHOD_NOT_ALLOWED, "method", f"Use {methods[0]} here.", Allow=", ".join(methods)
                )
            return view(request)

        return checked

    return decorate


@allows("POST")
def score(request: HttpRequest) -> HttpResponse:
    """Who is in these pictures, or whose are these embeddings?"""
    scorer = current_scorer()
    with measured() as measurement, scorer.slot():
        served = scorer.served()
        asked = read_request(request, n_features=int(served.recogniser.classifier.n_features_in_))
        measurement.kind = "pictures" if isinstance(asked, Pictures) else "embeddings"
        results = _pictures(scorer, served, asked) if isinstance(asked, Pictures) else _embeddings(served, asked)
        measurement.count(results)
        return answer({"version": served.version, "embedder": served.embedder, "results": results})


def _pictures(scorer: Scorer, served: Served, asked: Pictures) -> list[Json]:
    sound = [content for content in asked.contents if isinstance(content, bytes)]
    extracted = iter(scorer.extractors.extract_many(sound))
    outcomes = [next(extracted) if isinstance(each, bytes) else each for each in asked.contents]
    if asked.alone and isinstance(outcomes[0], PictureError):
        error = outcomes[0]
        raise ProblemError(STATUSES.get(error.reason, HTTPStatus.UNPROCESSABLE_ENTITY), error.reason, str(error))
    return _numbered(said_of_pictures(served, outcomes, top_k=asked.top_k))


def _embeddings(served: Served, asked: Embeddings) -> list[Json]:
    if asked.embedder != served.embedder:
        raise ProblemError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "other_embedder",
            f"The version in use knows embeddings of {served.embedder!r} only; vectors of two embedders never mix.",
        )
    said = said_of(served, asked.vectors, top_k=asked.top_k)
    for row, message in asked.errors.items():
        said[row] = {"error": {"code": "not_an_embedding", "message": message}}
    return _numbered(said)


def _numbered(results: list[Json]) -> list[Json]:
    for number, result in enumerate(results):  # in place: a second ten thousand of objects would cost a tenth
        result["index"] = number
    return results


@allows("GET", "HEAD")
def model(request: HttpRequest) -> HttpResponse:
    """The version in use."""
    served = current_scorer().served()
    return answer(
        {
            "version": served.version,
            "embedder": served.embedder,
            "personas": len(served.personas),
            "created_at": served.created_at,
            "loaded_at": served.loaded_at,
        }
    )


@allows("GET", "HEAD")
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return answer({"status": "ok"})


@allows("GET", "HEAD")
def readyz(request: HttpRequest) -> HttpResponse:
    """The process can score. The extractors are loaded before it listens."""
    scorer = current_scorer()
    served = scorer.source.served
    return answer(
        {
            "status": "ok" if served else "not ready",
            "version": served.version if served else None,
            "extractor": str(scorer.extractors.tags),
            "problem": scorer.source.problem or None,
        },
        status=HTTPStatus.OK if served else HTTPStatus.SERVICE_UNAVAILABLE,
    )


@allows("GET", "HEAD")
def openapi(request: HttpRequest) -> HttpResponse:
    """This interface, described."""
    return HttpResponse(_openapi(), content_type="application/json")


@cache
def _openapi() -> bytes:
    return Path(__file__).with_name("openapi.json").read_bytes()


def not_found(request: HttpRequest, exception: Any = None) -> HttpResponse:
    return problem(HTTPStatus.NOT_FOUND, "not_found", "There is nothing here. GET /v1/openapi.json says what there is.")


def bad_request(request: HttpRequest, exception: Any = None) -> HttpResponse:
    return problem(HTTPStatus.BAD_REQUEST, "bad_request", "The request cannot be read.")


def broken(request: HttpRequest) -> HttpResponse:
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "broken", "The scorer failed; its log says how.")
