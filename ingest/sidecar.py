"""Sidecars: `abc.json` beside `abc.jpg`, what a person wrote about the picture. Pure: bytes in, a `Sidecar` out.

    {"persona": "Ada Lovelace", "labeled": true, "category": "portrait", "face": 0, "box": [12, 8, 96, 96]}

`persona` (a name, or null for nobody we know) and `labeled` are required; `category`, `face` and `box` are optional;
other keys are ignored. Types are strict: a number in quotes is an error with the key's name, not a guess.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from ingest.rejections import SIDECAR_NOT_JSON, SIDECAR_WRONG_TYPE, RejectedError
from personas.entities import Box
from personas.services.personas import UnableToNameError, clean_name

#: A sidecar is a few hundred bytes; what is larger is something else that ends in .json.
MAX_SIDECAR_BYTES = 64 * 1024
MAX_CATEGORY_LENGTH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """What a sidecar says of one face of its picture.

    persona: a cleaned name; None: nobody we know. labeled: True makes a Label, False is ground truth for evaluation.
    face, box: which face is meant (box in pixels of the upright picture); neither: the one in the middle.
    """

    persona: str | None
    labeled: bool
    category: str = ""
    face: int | None = None
    box: Box | None = None


def parse_sidecar(content: bytes) -> Sidecar:
    """Read a sidecar. Raises RejectedError (`sidecar_not_json`, `sidecar_wrong_type`)."""
    fields = _object(content)
    for key in ("persona", "labeled"):
        if key not in fields:
            raise _wrong(f'"{key}" is missing')
    persona, labeled = fields["persona"], fields["labeled"]
    if persona is not None:
        persona = _name(persona)
    if not isinstance(labeled, bool):
        raise _wrong(f'"labeled" must be true or false, not {_shown(labeled)}')
    return Sidecar(
        persona=persona,
        labeled=labeled,
        category=_category(fields.get("category")),
        face=_face(fields.get("face")),
        box=_box(fields.get("box")),
    )


def _object(content: bytes) -> dict[str, Any]:
    if len(content) > MAX_SIDECAR_BYTES:
        raise RejectedError(
            SIDECAR_NOT_JSON, f"The sidecar has more than {MAX_SIDECAR_BYTES:,} bytes; a sidecar is one small object."
        )
    try:
        value = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise RejectedError(SIDECAR_NOT_JSON, f"The sidecar is not JSON ({error}). Correct or remove it.") from error
    if not isinstance(value, dict):
        raise _wrong(f"it must be an object, not {_shown(value)}")
    return value


def _name(value: object) -> str:
    if not isinstance(value, str):
        raise _wrong(f'"persona" must be a name or null, not {_shown(value)}')
    try:
        return clean_name(value)
    except UnableToNameError as error:
        raise _wrong(f'"persona" cannot be a name: {str(error).rstrip(".")}') from error


def _category(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > MAX_CATEGORY_LENGTH or not value.isprintable():
        raise _wrong(f'"category" must be a text of at most {MAX_CATEGORY_LENGTH} characters, not {_shown(value)}')
    return value


def _face(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _wrong(f'"face" must be a number counted from 0, not {_shown(value)}')
    return value


def _box(value: object) -> Box | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 4 or not all(_is_number(part) for part in value):
        raise _wrong(f'"box" must be four numbers [x, y, width, height], not {_shown(value)}')
    box = Box(*(float(part) for part in value))
    if box.width <= 0 or box.height <= 0:
        raise _wrong(f'"box" must have a width and a height above 0, not {_shown(value)}')
    return box


def _is_number(value: object) -> bool:
    """A finite number a float can hold; json.loads also gives NaN, Infinity and integers of any length."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _wrong(what: str) -> RejectedError:
    return RejectedError(SIDECAR_WRONG_TYPE, f"The sidecar cannot be used: {what}. Correct or remove it.")


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
