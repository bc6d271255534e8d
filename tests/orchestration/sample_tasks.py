"""Tasks for the process tests: what they do shows in a folder."""

from __future__ import annotations

import os
import time
from pathlib import Path

from django.utils import timezone

from personas.entities import Share, ShareStatus
from personas.errors import TransientError
from personas.lease import Lease
from personas.shares import do_share
from personas.store import get_store
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


@task("ingest.sample_share")
def sample_share(folder: str, job_id: str) -> str:
    """A share that hangs whenever somebody does it; leaves `<job_id>.set-aside` once nobody does any more."""

    def hang(share: Share, lease: Lease) -> dict[str, int]:
        while True:
            time.sleep(60)

    share = do_share(get_store(), job_id, 0, do=hang, clock=timezone.now)
    if share is not None and share.status is ShareStatus.FAILED:
        (Path(folder) / f"{job_id}.set-aside").write_text(f"{share.attempts} {share.message}")
    return "Told."
