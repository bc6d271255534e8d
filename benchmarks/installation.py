"""The product as a user has it: its commands in processes of their own, its state in a folder of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.settings import REPOSITORY

#: Settings of whoever measures that must not reach the installation that is measured.
_FOREIGN = re.compile(r"^(FACEPROJECT_HOME|MEDIA_ROOT|CACHE_ROOT|DATABASE_URL|REDIS_URL|STATE_STORE|CASSANDRA_|FACE_|AZURE_|SECRET_KEY|EMBEDDED|DJANGO_SETTINGS_MODULE|DEBUG)")  # fmt: skip  # noqa: E501
START_SECONDS = 60.0


class CommandFailedError(Exception):
    """A command of the product ended with an exit code that was not expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """`manage.py run`, up."""

    base_url: str
    sign_in_link: str
    process: subprocess.Popen[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """home: FACEPROJECT_HOME. environment: settings on top."""

    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    @classmethod
    def create(cls, home: Path, **environment: str) -> Installation:
        """An empty installation with its schema."""
        home.mkdir(parents=True)
        created = cls(home=home, environment=environment)
        created._command("migrate", "--verbosity", "0")
        return created

    def copy(self, home: Path) -> Installation:
        """The same state in another folder. Nothing may be running on this one."""
        shutil.copytree(self.home, home)
        return Installation(home=home, environment=self.environment)

    def manage(self, *arguments: str, exit_codes: tuple[int, ...] = (0,)) -> dict[str, Any]:
        """`manage.py … --json`, parsed. Raises CommandFailedError."""
        output = self._command(*arguments, "--json", exit_codes=exit_codes)
        result: dict[str, Any] = json.loads(output.strip().splitlines()[-1])
        return result

    def _command(self, *arguments: str, exit_codes: tuple[int, ...] = (0,)) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=REPOSITORY, env=self.environ(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode not in exit_codes:
            said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-12:])
            raise CommandFailedError(f"manage.py {' '.join(arguments)} ended with {done.returncode}:\n{said}")
        return done.stdout

    def export(self, kind: str) -> list[dict[str, Any]]:
        """The lines of `manage.py export KIND`."""
        return [json.loads(line) for line in self._command("export", kind, "--format", "jsonl").splitlines()]

    def environ(self) -> dict[str, str]:
        """The environment of its processes."""
        own = {name: value for name, value in os.environ.items() if not _FOREIGN.match(name)}
        return {
            **own,
            "PYTHONUNBUFFERED": "1",
            "LOG_LEVEL": "WARNING",
            "FACEPROJECT_HOME": str(self.home),
            **self.environment,
        }

    @contextmanager
    def running(self) -> Iterator[Running]:
        """All processes of one machine, ended afterwards by SIGTERM to the one that was started."""
        port = free_port()
        process = subprocess.Popen(
            [sys.executable, "manage.py", "run", "--port", str(port)],
            cwd=REPOSITORY, env=self.environ(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        said: list[str] = []
        reader = threading.Thread(target=_collect, args=(process, said), daemon=True)
        reader.start()
        try:
            link = _wait_for_link(process, said, f"http://127.0.0.1:{port}/")
            yield Running(base_url=f"http://127.0.0.1:{port}", sign_in_link=link, process=process)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            reader.join(5)


def _collect(process: subprocess.Popen[str], said: list[str]) -> None:
    assert process.stdout is not None
    said.extend(line.rstrip() for line in process.stdout)  # grows line by line


def _wait_for_link(process: subprocess.Popen[str], said: list[str], base_url: str) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        for line in list(said):
            links = re.findall(rf"{re.escape(base_url)}\S{{8,}}", line)
            if links:
                return str(links[0])
        time.sleep(0.05)
    raise CommandFailedError("manage.py run printed no sign-in link:\n" + "\n".join(said[-12:]))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
