"""Programs of others that deploying calls: whether they are there, and what they said when they failed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from orchestration.deployment.errors import DeploymentError

#: Characters of what a program said that are shown when it failed.
SHOWN: Final = 2000


class MissingProgramError(DeploymentError):
    """A program that is needed is not installed."""


def find(name: str, *, why: str) -> str:
    """The path of a program. Raises MissingProgramError; why: ends its message, with what to do."""
    found = shutil.which(name)
    if found is None:
        raise MissingProgramError(f"{name} is not here. {why}")
    return found


def run(command: Sequence[str | Path], *, given: str | None = None, folder: Path | None = None) -> str:
    """What it wrote to stdout. given: its stdin. Raises DeploymentError with the end of what it said to stderr."""
    words = [str(word) for word in command]
    ended = subprocess.run(words, input=given, capture_output=True, text=True, check=False, cwd=folder)  # noqa: S603
    if ended.returncode:
        said = (ended.stderr.strip() or "It said nothing.")[-SHOWN:]
        raise DeploymentError(f"`{' '.join(words)}` failed with exit code {ended.returncode}:\n{said}")
    return ended.stdout
