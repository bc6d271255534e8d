"""`ingest --queue` as it runs: a dispatcher and two ingest-workers, killed while they are at it."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY
from tests.ingest.drawing import draw, sidecar
from tests.ingest.fakes import BLUE, GREEN, RED
from tests.processes import PATIENCE_SECONDS, end, kill, last_lines, start, wait_until

pytestmark = pytest.mark.kill
N_PICTURES = 48
DISPATCHER = ("manage.py", "role", "dispatcher")
WORKER = ("manage.py", "role", "ingest-worker")


@dataclass
class Installed:
    """A state folder, and processes at work on it."""

    home: Path
    environment: dict[str, str]
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def log(self) -> Path:
        return self.home / "said.log"

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        process = start([sys.executable, *command], environment=self.environment, folder=REPOSITORY, log=self.log)
        self.running.append(process)
        return process

    def manage(self, *arguments: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments, "--json"],
            cwd=REPOSITORY,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
        assert done.returncode in (0, 3), done.stderr
        return dict(json.loads(done.stdout))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.home / "faceproject.sqlite3", timeout=20)) as connection:
            return connection.execute(query).fetchall()

    def wait(self, query: str, what: str) -> list[tuple[Any, ...]]:
        return wait_until(lambda: self.rows(query), what, logs=lambda: last_lines(self.log))

    def state(self) -> Any:
        command = [sys.executable, "-m", "tests.ingest.states"]
        printed = subprocess.run(
            command, cwd=REPOSITORY, env=self.environment, capture_output=True, check=True, timeout=PATIENCE_SECONDS
        )
        return json.loads(printed.stdout)


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Any]:
    """`installed("a")` is a new installation; its processes end with the test."""
    made: list[Installed] = []

    def install(name: str) -> Installed:
        kept = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
        settings = {
            "DJANGO_SETTINGS_MODULE": "faceproject.settings",
            "FACEPROJECT_HOME": str(tmp_path / name),
            "FACE_EXTRACTOR": "tests.ingest.fakes.slow",
            "INGEST_SHARE_PICTURES": "4",
            "INGEST_PROCESSES": "1",
            "PYTHONPATH": str(REPOSITORY),
        }
        made.append(Installed(home=tmp_path / name, environment={**kept, **settings}))
        made[-1].manage("jobs")
        return made[-1]

    yield install
    for each in made:
        for process in each.running:
            end(process, seconds=1)


LEFT_OUT = ("DATABASE_URL", "MEDIA_ROOT", "CACHE_ROOT", "REDIS_URL", "STATE_STORE", "STORES", "PROBE_PORT")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    for number in range(N_PICTURES):
        colour = (RED, GREEN, BLUE)[number % 3]
        picture = draw(folder / f"{number % 4}" / f"{number:02}.png", [(20, 20, 80, colour)], shade=60 + number)
        sidecar(picture, persona=("Ada", "Bob", None)[number % 3], labeled=number % 4 != 0, category=f"c{number % 2}")
    (folder / "bad.jpg").write_text("not a picture")
    return folder


BEGUN = "SELECT 1 FROM store_share WHERE attempts > 0 AND number > 0"


def test_killed_at_work_it_ends_as_a_direct_ingest_does(installed: Any, source: Path) -> None:
    direct = installed("direct")
    summary = direct.manage("ingest", str(source), "--workers", "2")
    queued = installed("queued")
    job_id = queued.manage("ingest", str(source), "--queue")["job_id"]
    for command in (DISPATCHER, WORKER, WORKER):
        queued.start(*command)
    queued.wait(BEGUN, "a worker at a share")
    for process in queued.running[:2]:
        kill(process)
    queued.start(*WORKER)
    queued.start(*DISPATCHER)
    queued.wait(f"SELECT 1 FROM store_job WHERE job_id = '{job_id}' AND status IN ('done', 'failed')", "the end")
    job = queued.manage("jobs", "show", job_id)
    assert (job["status"], job["done"], job["total"]) == ("done", N_PICTURES + 1, N_PICTURES + 1)
    for name in ("pictures", "reasons"):
        assert job["detail"][name] == summary[name], name
    assert queued.state() == direct.state()
    assert queued.manage("state_hash")["state_hash"] == direct.manage("state_hash")["state_hash"]
