"""Worker processes on a broker of the test's choice, and messages for them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.processes import end, last_lines, start, wait_until

REPO = Path(__file__).resolve().parents[2]
SEND = """
import sys
import django
django.setup()
from orchestration.dispatcher import send_by_celery
for name in sys.argv[2:]:
    send_by_celery("ingest.sample", (sys.argv[1], name))
"""


@dataclass
class Workers:
    """An installation whose ingest workers do sample tasks. settings: environment of all its processes."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def environment(self) -> dict[str, str]:
        mine = {"FACEPROJECT_HOME": str(self.folder / "home"), "DJANGO_SETTINGS_MODULE": "faceproject.settings"}
        return {**os.environ, "DATABASE_URL": "", "REDIS_URL": "", "PYTHONPATH": str(REPO), **mine, **self.settings}

    def start(self) -> subprocess.Popen[bytes]:
        """One more worker; returns when it takes tasks, or when it says that it cannot reach its broker."""
        before = self._ready()
        worker = self.start_blindly()
        self.wait(lambda: self._ready() > before, "a worker that is ready")
        return worker

    def start_blindly(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "celery", "--quiet", "-A", "faceproject", "worker", "--queues", "ingest"]
        command += ["--include", "tests.orchestration.sample_tasks", "--hostname", f"w{len(self.running)}@%h"]
        command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        worker = start(command, environment=self.environment, folder=REPO, log=self.log)
        self.running.append(worker)
        return worker

    def _ready(self) -> int:
        return last_lines(self.log, 10_000).count(" ready.")

    def send(self, *names: str) -> None:
        """As the dispatcher does; fails when that does."""
        command = [sys.executable, "-c", SEND, str(self.folder), *names]
        subprocess.run(command, cwd=REPO, env=self.environment, check=True, timeout=180)

    def hold(self) -> None:
        """Tasks do not end until `let_go`."""
        (self.folder / "wait").touch()

    def let_go(self) -> None:
        (self.folder / "wait").unlink(missing_ok=True)

    def times(self, name: str, what: str) -> int:
        """How many processes have "begun" or "done" the task of this name."""
        return len(list(self.folder.glob(f"{name}.{what}.*")))

    def wait(self, condition: Callable[[], object], what: str) -> None:
        wait_until(condition, what, logs=lambda: last_lines(self.log))

    def wait_for(self, *names: str, what: str = "done") -> None:
        for name in names:
            self.wait(lambda name=name: self.times(name, what), f"{name} {what}")

    def said(self, text: str) -> bool:
        return text in last_lines(self.log, 10_000)

    def end(self) -> None:
        self.let_go()
        for worker in self.running:
            end(worker)
