"""From an HTTP request to pictures or embeddings, within the limits."""

from __future__ import annotations

import base64
import binascii
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import numpy as np
import orjson
from django.conf import settings
from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation
from django.http import HttpRequest, UnreadablePostError
from django.http.multipartparser import MultiPartParserError

from ingest.vision import PictureError
from orchestration.scorer.problems import ProblemError
from personas.entities import FloatArray

DEFAULT_TOP_K, MAX_TOP_K = 3, 50
#: Commas and brackets that a JSON request may have besides those of its embeddings or pictures.
SPARE_MARKS = 100
#: What a JSON request may say.
KEYS = frozenset({"image", "images", "embedding", "embeddings", "embedder", "top_k"})
CONTENTS = ("image", "images", "embedding", "embeddings")


class NotBase64Error(PictureError):
    """A picture in JSON is not base64."""

    reason = "not_base64"


class TooLargeError(PictureError):
    """A picture is over MAX_IMAGE_BYTES."""

    reason = "too_many_bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """contents: files as they came, or why one cannot be one. alone: the body is the picture."""

    contents: Sequence[bytes | PictureError]
    top_k: int
    alone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Embeddings:
    """vectors: float32 (n, 128), a row of zeros where `errors` says what is wrong with it, by row number."""

    vectors: FloatArray
    errors: dict[int, str]
    embedder: str
    top_k: int


def read_request(request: HttpRequest, *, n_features: int) -> Pictures | Embeddings:
    """n_features: length of an embedding. Raises ProblemError."""
    _require_length(request)
    kind = request.content_type or ""
    top_k = _top_k(request.GET.get("top_k"))
    try:
        if kind.startswith("image/") or kind == "application/octet-stream":
            return Pictures(contents=[_bounded(request.body)], top_k=top_k, alone=True)
        if kind == "multipart/form-data":
            return _form(request, top_k)
        if kind == "application/json":
            return _json(request.body, top_k, n_features)
    except UnreadablePostError as error:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "cut_short", "The body ended before its end.") from error
    raise ProblemError(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "media_type",
        "Send a picture (Content-Type: image/jpeg or another image type), a form (multipart/form-data) or JSON.",
    )


def _require_length(request: HttpRequest) -> None:
    """Before a byte of the body is read."""
    length = request.META.get("CONTENT_LENGTH") or ""
    if not length.isdecimal():
        raise ProblemError(HTTPStatus.LENGTH_REQUIRED, "no_length", "Send the body with a Content-Length.")
    if int(length) > settings.SCORER_MAX_BODY_BYTES:
        raise ProblemError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "too_many_bytes",
            f"The body has {int(length):,} bytes, the limit is {settings.SCORER_MAX_BODY_BYTES:,}. Send fewer at once.",
        )


def _form(request: HttpRequest, top_k: int) -> Pictures:
    """Every file of the form, whatever its field is called, in order."""
    try:
        files = [file for _, each in request.FILES.lists() for file in each]
        said = request.POST.get("top_k")
    except (RequestDataTooBig, SuspiciousOperation) as error:
        raise _too_many("pictures", settings.SCORER_MAX_PICTURES) from error
    except (MultiPartParserError, BadRequest) as error:
        raise _unprocessable("bad_form", "The form cannot be read. Send it as multipart/form-data.") from error
    if not files:
        raise _unprocessable("nothing", "The form holds no file.")
    _require_number(len(files), settings.SCORER_MAX_PICTURES, "pictures")
    contents = [_bounded(file.read()) for file in files]
    return Pictures(contents=contents, top_k=top_k if said is None else _top_k(said))


def _json(body: bytes, top_k: int, n_features: int) -> Pictures | Embeddings:
    _require_few_values(body, n_features)
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "bad_json", f"The body is not JSON ({error}).") from error
    if not isinstance(said, dict):
        raise _unprocessable("bad_request", "Send one JSON object.")
    unknown = sorted(set(said) - KEYS)
    if unknown:
        raise _unprocessable(
            "bad_request", f"{unknown[0][:60]!r} is not known; a request has {', '.join(sorted(KEYS))}."
        )
    given = [name for name in CONTENTS if name in said]
    if len(given) != 1:
        raise _unprocessable("bad_request", f"Send exactly one of {', '.join(CONTENTS)}.")
    if "top_k" in said:
        top_k = _top_k(said["top_k"])
    name, value = given[0], said[given[0]]
    if name == "image":
        return Pictures(contents=[_decoded(value)], top_k=top_k)
    if name == "images":
        if not isinstance(value, list) or not value:
            raise _unprocessable("nothing", "`images` is a list of pictures in base64, at least one.")
        _require_number(len(value), settings.SCORER_MAX_PICTURES, "pictures")
        return Pictures(contents=[_decoded(each) for each in value], top_k=top_k)
    embedder = said.get("embedder")
    if not isinstance(embedder, str) or not embedder:
        raise _unprocessable("no_embedder", "Say in `embedder` what made the embeddings: vectors of two never mix.")
    vectors, errors = _vectors([value] if name == "embedding" else value, n_features)
    return Embeddings(vectors=vectors, errors=errors, embedder=embedder, top_k=top_k)


def _vectors(value: Any, n_features: int) -> tuple[FloatArray, dict[int, str]]:
    """Rows of numbers, or base64 of float32 rows (little endian); and what is wrong with which row."""
    if isinstance(value, str):
        vectors = _packed(value, n_features)
    elif isinstance(value, list) and value:
        _require_number(len(value), settings.SCORER_MAX_EMBEDDINGS, "embeddings")
        vectors = _rows(value, n_features)
    else:
        raise _unprocessable(
            "nothing", "`embeddings` is a list of lists of numbers, or base64 of float32, one at least."
        )
    norms = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
    useless = np.flatnonzero(~np.isfinite(norms) | (norms == 0))
    vectors[useless] = 0
    wrong = f"An embedding is {n_features} finite numbers, not all of them zero."
    return vectors, dict.fromkeys(useless.tolist(), wrong)


def _packed(text: str, n_features: int) -> FloatArray:
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _unprocessable("not_base64", "`embeddings` is neither a list nor base64.") from error
    if not content or len(content) % (4 * n_features):
        raise _unprocessable("bad_request", f"`embeddings` in base64 is rows of {n_features} float32, one at least.")
    vectors = np.frombuffer(content, "<f4").reshape(-1, n_features).astype(np.float32)
    _require_number(len(vectors), settings.SCORER_MAX_EMBEDDINGS, "embeddings")
    return vectors


def _rows(rows: list[Any], n_features: int) -> FloatArray:
    """float32 (n, n_features); a row that is no embedding is zeros."""
    flat = array("d")  # takes numbers only, and texts that look like numbers not at all
    try:
        for row in rows:
            flat.fromlist(row)
            if len(row) != n_features:
                break
        else:
            return _narrowed(np.frombuffer(flat, np.float64).reshape(-1, n_features))
    except (TypeError, OverflowError):  # one of them is to blame
        pass
    vectors = np.zeros((len(rows), n_features), np.float32)
    for number, row in enumerate(rows):
        if isinstance(row, list) and len(row) == n_features and all(isinstance(each, int | float) for each in row):
            vectors[number] = _narrowed(np.array(row, np.float64))
    return vectors


def _narrowed(values: Any) -> FloatArray:
    """As float32; what is too large for it becomes infinite, which is refused later."""
    with np.errstate(over="ignore"):
        return np.asarray(values, np.float32)


def _decoded(text: Any) -> bytes | PictureError:
    if not isinstance(text, str):
        return NotBase64Error("A picture in JSON is base64 in a text.")
    try:
        return _bounded(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return NotBase64Error("The picture is not base64 (RFC 4648, without line breaks and without a data: prefix).")


def _bounded(content: bytes) -> bytes | PictureError:
    if len(content) > settings.MAX_IMAGE_BYTES:
        return TooLargeError(f"The picture has {len(content):,} bytes, the limit is {settings.MAX_IMAGE_BYTES:,}.")
    return content


def _top_k(said: Any) -> int:
    if said is None:
        return DEFAULT_TOP_K
    if isinstance(said, str) and said.isdecimal() and len(said) < 10:
        said = int(said)
    if type(said) is not int or not 0 <= said <= MAX_TOP_K:
        raise _unprocessable("bad_top_k", f"`top_k` is a whole number from 0 to {MAX_TOP_K}.")
    return said


def _require_number(number: int, limit: int, what: str) -> None:
    if number > limit:
        raise _too_many(what, limit)


def _require_few_values(body: bytes, n_features: int) -> None:
    """Before it is parsed: `[[],[],…]` takes 30 times its length in memory, nested 50. Base64 has no such byte."""
    most = max(settings.SCORER_MAX_EMBEDDINGS * (n_features + 1), settings.SCORER_MAX_PICTURES) + SPARE_MARKS
    if sum(map(body.count, (b",", b"[", b"{"))) > most:
        raise ProblemError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "too_many_items",
            f"The body has more values than {settings.SCORER_MAX_EMBEDDINGS:,} embeddings of {n_features} numbers, the "
            "most in one request. Send fewer at once.",
        )


def _too_many(what: str, limit: int) -> ProblemError:
    return ProblemError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_many_items", f"Send at most {limit:,} {what} in one request."
    )


def _unprocessable(code: str, message: str) -> ProblemError:
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, code, message)
