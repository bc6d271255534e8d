"""What cannot be read from the environment."""

from __future__ import annotations

from typing import Any

import pytest

from faceproject.environment import Environment


@pytest.mark.parametrize(
    ("kind", "said", "default"), [("bool", "maybe", True), ("int", "lots", 7), ("int", "1.5", 7), ("float", "1,5", 2.0)]
)
def test_a_value_that_is_none_is_told_by_name_with_what_to_set(
    monkeypatch: pytest.MonkeyPatch, kind: str, said: str, default: Any
) -> None:
    monkeypatch.setenv("SOME_SETTING", said)
    with pytest.raises(SystemExit, match=f"SOME_SETTING is {said!r}. Set it to"):
        getattr(Environment(), kind)("SOME_SETTING", default=default)


@pytest.mark.parametrize(
    ("kind", "said", "meant"),
    [("bool", "Yes", True), ("bool", " off ", False), ("bool", "", False), ("int", "-3", -3), ("float", "0.5", 0.5)],
)
def test_a_value_is_read_as_what_it_is(monkeypatch: pytest.MonkeyPatch, kind: str, said: str, meant: Any) -> None:
    monkeypatch.setenv("SOME_SETTING", said)
    assert getattr(Environment(), kind)("SOME_SETTING", default=type(meant)(1)) == meant


def test_what_is_not_said_is_the_default() -> None:
    assert Environment().int("NOBODY_SETS_THIS", default=5) == 5
