"""Worker processes on a broker of the test's choice, and messages for them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from celery import Celery

from orchestration.queues import FOLDER_URL, QUEUES, folder_options, redis_options
from tests.processes import end, last_lines, start, wait_until

REPO = Path(__file__).resolve().parents[2]


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
        return {**os.environ, "REDIS_URL": "", "PYTHONPATH": str(REPO), **mine, **self.settings}

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

    def send(self, *names: str, task: str = "ingest.sample", **options: Any) -> None:
        """A task each."""
        for name in names:
            self.app.send_task(task, args=(str(self.folder), name), **options)

    @cached_property
    def app(self) -> Celery:
        """Speaks to the installation's broker as its dispatcher does."""
        app = Celery("sender", set_as_current=False)
        url = self.settings.get("REDIS_URL", FOLDER_URL)
        if url == FOLDER_URL:
            app.conf.broker_transport = "orchestration.folder_transport:Transport"
            app.conf.broker_transport_options = folder_options(self.folder / "home" / "queue")
        else:
            prefix = self.settings.get("REDIS_KEY_PREFIX", "faceproject:")
            app.conf.broker_transport_options = redis_options(key_prefix=prefix, limits={"ingest": 1.0})
        app.conf.broker_url = url
        app.conf.task_publish_retry_policy = {"max_retries": 1}
        app.conf.task_routes = {f"{queue}.*": {"queue": queue} for queue in QUEUES}
        return app

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
