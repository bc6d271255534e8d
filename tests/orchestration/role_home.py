"""A state folder on which tests start roles, each with probes of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.processes import PATIENCE_SECONDS, end, free_port, last_lines, start, wait_until

REPO = Path(__file__).resolve().parents[2]
#: What a developer exported for a server must not reach the tests.
_DROPPED = ("DATABASE_URL", "REDIS_URL", "MEDIA_ROOT", "CACHE_ROOT", "STATE_STORE", "STORES", "INIT_SOURCE")


def ask(port: int, path: str) -> tuple[int, str]:
    """Status and text of an address of this machine; 0 while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


@dataclass
class Started:
    """A process of a role. port: of its probes."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def checks(self) -> tuple[int, dict[str, str]]:
        """Status of /readyz, and what it says of each check."""
        status, text = ask(self.port, "/readyz")
        return status, json.loads(text)["checks"] if text else {}

    def wait_for_status(self, status: int) -> dict[str, str]:
        return wait_until(
            lambda: (found := self.checks())[0] == status and found[1], f"/readyz says {status}", logs=self.said
        )

    def wait_ready(self) -> dict[str, str]:
        return self.wait_for_status(200)

    def exit_code(self) -> int:
        return self.process.wait(PATIENCE_SECONDS)

    def end(self) -> int:
        """SIGTERM; returns the exit code."""
        return end(self.process, by=signal.SIGTERM, seconds=PATIENCE_SECONDS)

    def said(self) -> str:
        return last_lines(self.log)

    def records(self) -> list[dict[str, Any]]:
        """What it logged as JSON."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]


@dataclass
class RoleHome:
    """folder: of the test. settings: environment of all its processes."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    started: list[Started] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in _DROPPED}
        mine = {
            "FACEPROJECT_HOME": str(self.folder / "state"),
            "DJANGO_SETTINGS_MODULE": "faceproject.settings",
            "LOG_FORMAT": "json",
            "LOG_LEVEL": "INFO",
        }
        return {**kept, **mine, **self.settings}

    def start(self, name: str, *arguments: str, **more: str) -> Started:
        port = free_port()
        log = self.folder / f"{len(self.started)}-{name}.log"
        process = start(
            [sys.executable, "manage.py", "role", name, *arguments],
            environment={**self.environment, "PROBE_PORT": str(port), **more},
            folder=REPO,
            log=log,
        )
        self.started.append(Started(process, port, log))
        return self.started[-1]

    def init(self, **more: str) -> Started:
        """Run it to its end."""
        started = self.start("init", **more)
        started.exit_code()
        return started

    def manage(self, *arguments: str) -> Any:
        """Run a command to its end and read its JSON."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments, "--json"],
            cwd=REPO,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def end(self) -> None:
        for started in self.started:
            end(started.process)
