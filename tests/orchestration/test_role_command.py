"""`manage.py role NAME`: waits for the schema, says how it is, and ends when told to."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

REPO = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.kill
#: How long anything may take on a slow machine.
PATIENCE = 180.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(port: int, path: str) -> tuple[int, str]:
    """Status and text; 0 while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def wait_for(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.1)
    pytest.fail("it did not happen")


@dataclass
class Started:
    """A process of a role, and its probes."""

    process: subprocess.Popen[str]
    port: int
    log: Path

    def ready(self) -> tuple[int, dict[str, Any]]:
        status, text = ask(self.port, "/readyz")
        return status, json.loads(text) if text else {}

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


class Home:
    """A state folder that no `init` has seen."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[Started] = []

    def environment(self, **more: str) -> dict[str, str]:
        dropped = ("DATABASE_URL", "REDIS_URL", "MEDIA_ROOT", "CACHE_ROOT", "STATE_STORE", "STORES")
        kept = {name: value for name, value in os.environ.items() if name not in dropped}
        home = str(self.folder / "state")
        return {**kept, "FACEPROJECT_HOME": home, "DJANGO_SETTINGS_MODULE": "faceproject.settings", **more}

    def start(self, name: str, *arguments: str, **more: str) -> Started:
        port = free_port()
        log = self.folder / f"{name}-{port}.log"
        with log.open("w") as opened:
            process = subprocess.Popen(
                [sys.executable, "manage.py", "role", name, *arguments],
                cwd=REPO,
                env=self.environment(PROBE_PORT=str(port), LOG_FORMAT="json", **more),
                stdout=opened,
                stderr=opened,
                text=True,
            )
        self.started.append(Started(process, port, log))
        return self.started[-1]

    def init(self, **more: str) -> int:
        return self.start("init", **more).process.wait(PATIENCE)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path)
    yield made
    for started in made.started:
        with contextlib.suppress(ProcessLookupError):
            started.process.kill()
        started.process.wait()


@pytest.mark.parametrize("name", ["ingest-worker", "trainer-worker", "dispatcher", "web"])
def test_a_role_waits_for_the_schema_then_is_ready_and_ends_on_sigterm(home: Home, name: str):
    arguments = ["--port", str(free_port())] if name == "web" else []
    started = home.start(name, *arguments)
    status, said = wait_for(lambda: (found := started.ready())[0] and found)
    assert status == 503
    assert "manage.py role init" in said["checks"]["schema"]
    assert ask(started.port, "/healthz")[0] == 200
    assert home.init() == 0
    status, said = wait_for(lambda: (found := started.ready())[0] == 200 and found)
    assert set(said["checks"].values()) == {"ok"}
    assert ask(started.port, "/healthz")[0] == 200
    assert started.end() == 0
    lines = [json.loads(line) for line in started.log.read_text().splitlines() if line.startswith("{")]
    assert len([line for line in lines if line["message"].startswith(("waiting", "the web process is not ready"))]) == 1
