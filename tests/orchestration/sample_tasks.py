"""Tasks for the process tests: what they do shows in a folder."""

from __future__ import annotations

import os
import time
from pathlib import Path

from personas.errors import TransientError
from personas.tasks import task


@task("ingest.sample")
def sample(folder: str, name: str) -> str:
    """Leaves `<name>.begun.<pid>`, waits as long as a file `wait` is there, leaves `<name>.done.<pid>`."""
    here = Path(folder)
    (here / f"{name}.begun.{os.getpid()}").touch()
    while (here / "wait").exists():
        time.sleep(0.02)
    with (here / f"{name}.done.{os.getpid()}").open("x"):
        return "Done."


@task("ingest.sample_that_needs_patience")
def sample_that_needs_patience(folder: str, name: str) -> str:
    """Like `sample`, at the third attempt."""
    attempts = Path(folder) / f"{name}.attempts"
    attempts.touch()
    attempts.write_text(attempts.read_text() + ".")
    if len(attempts.read_text()) < 3:
        raise TransientError("The store is busy.")
    return str(sample(folder, name))
