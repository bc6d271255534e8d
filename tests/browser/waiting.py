"""Waiting for what no element of a page shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.processes import PATIENCE_SECONDS

_PAUSE_MS = 50


def until(page: Any, condition: Callable[[], bool]) -> None:
    """Let the page go on until it is so; what the test asserts next says what it waited for in vain."""
    for _ in range(int(PATIENCE_SECONDS * 1000 / _PAUSE_MS)):
        if condition():
            return
        page.wait_for_timeout(_PAUSE_MS)
