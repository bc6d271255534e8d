"""An installation of its own, used through its commands as a user would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.servers import NoServerError, RedisServer

REPO = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Installation:
    """A state folder, and `manage.py` on it."""

    home: Path

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
        return {**kept, "FACEPROJECT_HOME": str(self.home), "DJANGO_SETTINGS_MODULE": "faceproject.settings"}

    def manage(self, *arguments: str, exit_code: int = 0) -> Any:
        """Run a command to its end and read its JSON."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments, "--json"],
            cwd=REPO,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == exit_code, done.stderr
        return json.loads(done.stdout)

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start a command that goes on running."""
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.Popen(command, cwd=REPO, env=self.environment, text=True, **options)

    def exported(self, what: str) -> list[dict[str, Any]]:
        lines = self.home / f"{what}.jsonl"
        self.manage("export", what, "--output", str(lines))
        return [json.loads(line) for line in lines.read_text().splitlines()]


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """One of the test's own, because it is ill-treated."""
    try:
        server = RedisServer()
    except NoServerError as error:
        pytest.skip(str(error))
    with server:
        yield server


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation(tmp_path_factory.mktemp("home"))
