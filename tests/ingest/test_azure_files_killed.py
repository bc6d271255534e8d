"""`manage.py ingest azurefiles://…` as a person runs it, killed at random moments."""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.azure_double.files import FilesDouble
from tests.ingest.test_kill import (
    N_PICTURES,
    Environment,
    finish,
    homes,
    prepared,
    source,
    start,
    state,
    stored,
    wait_for,
)

__all__ = ["homes", "prepared", "source"]  # fixtures
pytestmark = pytest.mark.kill


@pytest.fixture
def in_the_share(source: Path, files: FilesDouble) -> str:
    """The pictures of `source`, in the share."""
    shutil.copytree(source, files.folder / "faces" / "set")
    files.latency = 0.01
    return "azurefiles://fpstorage/faces/set"


def test_killed_and_run_again_it_ends_in_the_state_of_an_undisturbed_one(
    homes: Callable[[str], Environment], in_the_share: str, files: FilesDouble
) -> None:
    reach = {
        "AZURE_STORAGE_ENDPOINT": files.url,
        "AZURE_STORAGE_KEY": files.key,
        "AZURE_CA_BUNDLE": str(files.bundle),
    }
    undisturbed, killed = {**homes("undisturbed"), **reach}, {**homes("killed"), **reach}
    summary = finish(undisturbed, in_the_share)
    assert (summary["pictures"], summary["new"]) == (N_PICTURES + 6, N_PICTURES + 1)
    assert [each["path"] for each in summary["rejected"]] == ["bad.jpg"]
    for _ in range(2):
        before = stored(killed)
        process = start(killed, in_the_share)
        assert wait_for(lambda: stored(killed) > before or process.poll() is not None, seconds=60)  # noqa: B023
        time.sleep(random.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.wait()
        if stored(killed) == N_PICTURES + 1:
            break
    finish(killed, in_the_share)
    assert state(killed) == state(undisturbed)
    again = finish(killed, in_the_share)
    assert (again["new"], again["labels"], again["truths"]) == (0, 0, 0)
    kept = Path(killed["FACEPROJECT_HOME"])
    assert not [each for each in kept.rglob("*") if each.is_file() and files.key.encode() in each.read_bytes()]
