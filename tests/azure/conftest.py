"""Fixtures of tests that deploy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.azure_double import specs
from tests.conftest import NO_DATA


@pytest.fixture(scope="session")
def azure_specs() -> Path:
    """Azure's own schemas; the test is skipped where they are absent."""
    folder = specs.folder()
    if not folder.is_dir():
        pytest.skip(f"{NO_DATA} {folder} (set FACEPROJECT_AZURE_SPECS)")
    return folder


@pytest.fixture
def make_double(azure_specs: Path, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """`make_double(government=True, …)`: a double that ends with the test."""
    from contextlib import ExitStack

    from tests.azure_double.double import AzureDouble

    with ExitStack() as made:

        def make(**more: Any) -> AzureDouble:
            return made.enter_context(AzureDouble(tmp_path, **more))

        yield make


@pytest.fixture
def double(make_double: Callable[..., Any]) -> Any:
    """A double of the public cloud in which every provider is registered."""
    made = make_double()
    made.register_all()
    return made
