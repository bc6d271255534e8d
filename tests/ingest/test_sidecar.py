from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.rejections import SIDECAR_NOT_JSON, SIDECAR_WRONG_TYPE, RejectedError
from ingest.sidecar import MAX_SIDECAR_BYTES, Sidecar, parse_sidecar
from personas.entities import Box

BASE: dict[str, Any] = {"persona": "Ada", "labeled": True}


def parse(**fields: Any) -> Sidecar:
    return parse_sidecar(json.dumps({**BASE, **fields}).encode())


def reason(content: bytes) -> str:
    with pytest.raises(RejectedError) as caught:
        parse_sidecar(content)
    return caught.value.reason


def test_reads_all_fields_and_ignores_the_rest() -> None:
    sidecar = parse(category="portrait", face=2, box=[1, 2.5, 30, 40], source="somewhere", look={"a": 1})
    assert sidecar == Sidecar(persona="Ada", labeled=True, category="portrait", face=2, box=Box(1, 2.5, 30, 40))


def test_only_persona_and_labeled_are_needed() -> None:
    assert parse() == Sidecar(persona="Ada", labeled=True)


def test_null_means_nobody_we_know_and_nothing_said() -> None:
    sidecar = parse(persona=None, category=None, face=None, box=None)
    assert sidecar == Sidecar(persona=None, labeled=True)


def test_names_are_folded_as_everywhere_else() -> None:
    assert parse(persona="  Ada \n Lovelace ").persona == "Ada Lovelace"


def test_a_byte_order_mark_does_no_harm() -> None:
    assert parse_sidecar(b"\xef\xbb\xbf" + json.dumps(BASE).encode()).persona == "Ada"


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"persona: Ada", b"\xff\xfe{", b"[" * 30_000, b" " * (MAX_SIDECAR_BYTES + 1), b"9" * 5000],
    ids=["empty", "cut", "yaml", "not UTF-8", "deep", "too large", "endless number"],
)
def test_what_is_not_json_is_called_that(content: bytes) -> None:
    assert reason(content) == SIDECAR_NOT_JSON


@pytest.mark.parametrize(
    "fields",
    [
        {"persona": 7},
        {"persona": ["Ada"]},
        {"persona": ""},
        {"persona": "A" * 201},
        {"persona": "A\u0000da"},
        {"labeled": "true"},
        {"labeled": 1},
        {"labeled": None},
        {"category": 3},
        {"category": "x" * 101},
        {"face": "0"},
        {"face": -1},
        {"face": 1.5},
        {"face": True},
        {"box": [1, 2, 3]},
        {"box": {"x": 1}},
        {"box": [1, 2, "3", 4]},
        {"box": [1, 2, 0, 4]},
        {"box": [1, 2, True, 4]},
        {"box": [1, 2, float("nan"), 4]},
        {"box": [1, 2, 10**400, 4]},
    ],
    ids=str,
)
def test_wrong_types_are_refused_with_the_name_of_the_field(fields: dict[str, Any]) -> None:
    with pytest.raises(RejectedError, match=next(iter(fields))) as caught:
        parse(**fields)
    assert caught.value.reason == SIDECAR_WRONG_TYPE


@pytest.mark.parametrize("missing", ["persona", "labeled"])
def test_a_missing_field_is_named(missing: str) -> None:
    fields = {key: value for key, value in BASE.items() if key != missing}
    with pytest.raises(RejectedError, match=f'"{missing}" is missing'):
        parse_sidecar(json.dumps(fields).encode())


@pytest.mark.parametrize("content", [b"[]", b"null", b'"Ada"', b"3"])
def test_json_that_is_no_object_has_the_wrong_type(content: bytes) -> None:
    assert reason(content) == SIDECAR_WRONG_TYPE


# machines that build are slow at times, and that is not what these tests are about
_unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=10,
)


@_unhurried
@given(st.dictionaries(st.sampled_from(["persona", "labeled", "category", "face", "box", "other"]), _JSON))
def test_any_object_gives_a_sidecar_or_a_reason(fields: dict[str, Any]) -> None:
    try:
        parse_sidecar(json.dumps(fields).encode())
    except RejectedError as error:
        assert error.reason == SIDECAR_WRONG_TYPE


@_unhurried
@given(st.binary(max_size=200))
def test_any_bytes_give_a_reason(content: bytes) -> None:
    try:
        parse_sidecar(content)
    except RejectedError as error:
        assert error.reason in (SIDECAR_NOT_JSON, SIDECAR_WRONG_TYPE)
