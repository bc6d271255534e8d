"""Tasks for the process tests: what they do shows in a folder."""

from __future__ import annotations

import os
import time
from pathlib import Path

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
