"""deployment.example.toml: valid, complete, and true about defaults."""

from __future__ import annotations

import tomllib
from typing import Any

from pydantic import BaseModel

from orchestration.deployment.description import NO_SUBSCRIPTION, Description, load
from tests.conftest import REPOSITORY

EXAMPLE = REPOSITORY / "deployment.example.toml"


def keys(model: type[BaseModel]) -> dict[str, Any]:
    """Every key of a part, with its own keys below where it is a part itself."""
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        part = field.annotation
        found[name] = keys(part) if isinstance(part, type) and issubclass(part, BaseModel) else None
    return found


def without_values(said: dict[str, Any]) -> dict[str, Any]:
    return {key: without_values(value) if isinstance(value, dict) else None for key, value in said.items()}


def test_the_example_can_be_used_as_it_stands():
    assert load(EXAMPLE).subscription == NO_SUBSCRIPTION


def test_the_example_has_every_key_and_no_other():
    assert without_values(tomllib.loads(EXAMPLE.read_text())) == keys(Description)


def test_what_the_example_says_is_the_default_but_for_the_image():
    required = Description(name="faceproject", subscription=NO_SUBSCRIPTION, location="eastus")
    assert load(EXAMPLE).image.product
    assert load(EXAMPLE, **{"image.product": ""}) == required


def test_every_top_level_key_has_a_comment():
    text = EXAMPLE.read_text()
    for key, value in tomllib.loads(text).items():
        if not isinstance(value, dict):
            (line,) = [line for line in text.splitlines() if line.startswith(f"{key} = ")][:1]
            assert " # " in line
