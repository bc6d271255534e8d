"""An installation of the product for tests: its own folders, store and broker, every role a process of its own.

    with Installation(home, {**on_postgres(server), **on_redis(broker)}) as installation:
        installation.prepare()
        installation.start("trainer-worker", "ingest-worker", "dispatcher")
        installation.manage("ingest", folder)
        installation.wait_until(installation.is_quiet, "all learnt and scored")

What it starts is ended when the block is left, however that happens. A wait that fails shows what every process said.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import pytest

from tests import processes
from tests.processes import PATIENCE_SECONDS, NeverHappenedError, free_port, last_lines
from tests.servers import PostgresServer, RedisServer
from tests.visitor import Visitor

T = TypeVar("T")
REPOSITORY = Path(__file__).resolve().parent.parent
#: What tests of whole installations run on.
STORES = ("sqlite", "postgres", "cassandra")
#: What the scorer asks for.
SCORER_TOKEN = "a-token-of-the-tests-that-guards-nothing"
#: Settings of whoever runs the tests that must not reach the installation.
_FOREIGN = re.compile(
    r"(FACEPROJECT_HOME|MEDIA_ROOT|CACHE_ROOT|STATIC_ROOT|DATABASE_URL|REDIS_URL|STATE_STORE|STORES|STORE_BUCKETS|"
    r"CASSANDRA_|FACE_|AZURE|SECRET_KEY|EMBEDDED|DJANGO_|DEBUG|LOG_|SCORER_|INGEST_|PROBE_|INIT_|FACEPROJECT_TEST_HOME|PYTEST_)"
)


class CommandFailedError(AssertionError):
    """A command of the product ended with another exit code than expected; the message shows what it said."""


class UnansweredQuestionError(Exception):
    """The store could not be asked just now."""


# ---- where the state and the messages lie ----------------------------------------------------------------------------
def on_sqlite() -> dict[str, str]:
    return {}


def on_postgres(server: PostgresServer) -> dict[str, str]:
    """A database of its own, which the server drops at its end."""
    return {"DATABASE_URL": server.new_database()}


def on_cassandra(node: Mapping[str, str]) -> dict[str, str]:
    """A keyspace of its own; dropping it is for whoever has the node. node: CASSANDRA_CONTACT_POINTS and so on."""
    return {**node, "STATE_STORE": "cassandra", "CASSANDRA_KEYSPACE": f"test_{uuid.uuid4().hex[:12]}"}


@contextlib.contextmanager
def store_settings(store: str, request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Settings of an empty store of that kind, from the session's servers; the test is skipped where there is none."""
    match store:
        case "postgres":
            yield on_postgres(request.getfixturevalue("postgres_server"))
        case "cassandra":
            settings = on_cassandra(request.getfixturevalue("cassandra_server").environment)
            driver = request.getfixturevalue("cassandra_driver")
            yield settings
            driver.execute(f"DROP KEYSPACE IF EXISTS {settings['CASSANDRA_KEYSPACE']}", timeout=120)
        case _:
            yield on_sqlite()


def on_redis(server: RedisServer) -> dict[str, str]:
    """Messages through Redis; without it they lie in the file system."""
    server.flush()
    return {"REDIS_URL": server.url}


class Installation:
    """home: FACEPROJECT_HOME, made if absent. environment: settings on top of the defaults."""

    def __init__(self, home: Path, environment: Mapping[str, str] | None = None) -> None:
        self.home = home
        self.home.mkdir(parents=True, exist_ok=True)
        self.settings = dict(environment or {})
        self.port = free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.scorer_port = free_port()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._probe: subprocess.Popen[bytes] | None = None
        self._asking = threading.Lock()

    @property
    def environment(self) -> dict[str, str]:
        """Of its processes and commands."""
        kept = {name: value for name, value in os.environ.items() if not _FOREIGN.match(name)}
        return {
            **kept,
            "FACEPROJECT_HOME": str(self.home),
            "DJANGO_SETTINGS_MODULE": "faceproject.settings",
            "PYTHONPATH": str(REPOSITORY),
            "PYTHONUNBUFFERED": "1",
            "SCORER_TOKEN": SCORER_TOKEN,
            **self.settings,
        }

    # ---- commands ----------------------------------------------------------------------------------------------------
    def run(self, *arguments: object, exit_codes: tuple[int, ...] = (0,), seconds: float = 600.0) -> str:
        """`manage.py …` to its end; returns what it printed. Raises CommandFailedError."""
        command = [sys.executable, "manage.py", *map(str, arguments)]
        done = subprocess.run(
            command,
            cwd=REPOSITORY,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if done.returncode not in exit_codes:
            said = (done.stdout + done.stderr)[-4000:]
            raise CommandFailedError(f"manage.py {' '.join(command[2:])} ended with {done.returncode}:\n{said}")
        return done.stdout

    def manage(self, *arguments: object, exit_codes: tuple[int, ...] = (0,)) -> Any:
        """`manage.py … --json`, read. Raises CommandFailedError."""
        return json.loads(self.run(*arguments, "--json", exit_codes=exit_codes))

    def export(self, kind: str) -> list[dict[str, Any]]:
        """The lines of `manage.py export KIND`."""
        return [json.loads(line) for line in self.run("export", kind, "--format", "jsonl").splitlines()]

    def prepare(self) -> None:
        """Bring database and state repository to this version's schema, as `init` does before the others start."""
        self.run("role", "init")

    # ---- processes ---------------------------------------------------------------------------------------------------
    def start(self, *roles: str) -> None:
        """A process each: "web", "ingest-worker", "trainer-worker", "dispatcher", "scorer". A number behind a colon
        tells two of one role apart ("ingest-worker:2")."""
        for name in roles:
            if name in self.running():
                raise ValueError(f"{name} runs already")
            self._processes[name] = processes.start(
                self._command(name.partition(":")[0]),
                environment=self.environment,
                folder=REPOSITORY,
                log=self._log(name),
            )

    def _command(self, role: str) -> list[str]:
        port = {"web": self.port, "scorer": self.scorer_port}.get(role)
        return [sys.executable, "manage.py", "role", role, *(["--port", str(port)] if port else [])]

    def _log(self, name: str) -> Path:
        return self.home.with_name(f"{self.home.name}.{name.replace(':', '-')}.log")

    def running(self) -> list[str]:
        """Names of the processes that have not ended."""
        return [name for name, process in self._processes.items() if process.poll() is None]

    def pid(self, name: str) -> int:
        return self._processes[name].pid

    def kill(self, name: str) -> None:
        """kill -9, with all it started."""
        processes.kill(self._processes[name])

    def end(self, name: str) -> int:
        """Ask it to end (SIGTERM); returns its exit code."""
        return processes.end(self._processes[name])

    def signal(self, name: str, number: signal.Signals) -> None:
        """To the process and all it started."""
        processes.signal_group(self._processes[name], number)

    def restart(self, name: str) -> None:
        """kill -9, then start again."""
        self.kill(name)
        self.start(name)

    def wait_for(self, role: str) -> None:
        """Until "web" or "scorer" says that it is ready. Raises NeverHappenedError, at once when it has ended."""
        port = {"web": self.port, "scorer": self.scorer_port}[role]

        def ready() -> bool:
            if role not in self.running():
                raise NeverHappenedError(f"the {role} ended\n{self.logs()}")
            return _answers(f"http://127.0.0.1:{port}/readyz")

        self.wait_until(ready, f"the {role} is ready")

    def visitor(self) -> Visitor:
        """The owner, signed in by a one-time link."""
        visitor = Visitor(self.base_url)
        visitor.follow(self.manage("sign_in_link", "--url", self.base_url)["link"])
        return visitor

    # ---- looking -----------------------------------------------------------------------------------------------------
    def ask(self, question: str, **of: Any) -> Any:
        """See tests/probe.py; from any thread. Raises UnansweredQuestionError."""
        with self._asking:
            line = self._put_to_probe(json.dumps({"ask": question, "with": of}).encode())
        if not line:
            raise UnansweredQuestionError(f"the probe ended:\n{last_lines(self._log('probe'))}")
        answered = json.loads(line)
        if "error" in answered:
            raise UnansweredQuestionError(answered["error"])
        return answered["answer"]

    def _put_to_probe(self, question: bytes) -> bytes:
        """The line it answers; empty when it has ended."""
        if self._probe is None or self._probe.poll() is not None:
            self._probe = self._start_probe()
        probe = self._probe
        assert probe.stdin is not None and probe.stdout is not None
        try:
            probe.stdin.write(question + b"\n")
            probe.stdin.flush()
            return probe.stdout.readline()
        except BrokenPipeError:
            return b""

    def _start_probe(self) -> subprocess.Popen[bytes]:
        with self._log("probe").open("ab") as said:
            return subprocess.Popen(
                [sys.executable, "-m", "tests.probe"],
                cwd=REPOSITORY,
                env={**self.environment, "LOG_LEVEL": "ERROR"},
                stdin=subprocess.PIPE,  # it ends when this closes, so also at our death
                stdout=subprocess.PIPE,
                stderr=said,
                start_new_session=True,
            )

    def is_quiet(self) -> bool:
        """Everything said is learnt, everything ingested is scored, and no job is under way."""
        progress = self.ask("progress")
        return (
            progress["learnt"] >= progress["said"]
            and (progress["scored"] is None or progress["scored"] >= progress["ingested"])
            and not progress["unfinished"]
        )

    def wait_until(self, condition: Callable[[], T], what: str, *, seconds: float = PATIENCE_SECONDS) -> T:
        """Ask until the answer is truthy; a store that is away for a moment is asked again.

        Raises NeverHappenedError, which shows what every process said.
        """
        unanswered = ""

        def patiently() -> T | None:
            nonlocal unanswered
            try:
                return condition()
            except UnansweredQuestionError as error:
                unanswered = f"last question unanswered: {error}\n"
                return None

        answer = processes.wait_until(patiently, what, seconds=seconds, logs=lambda: unanswered + self.logs())
        assert answer is not None
        return answer

    def logs(self) -> str:
        """The last lines of every process, and how it stands."""
        parts = []
        for name, process in self._processes.items():
            code = process.poll()
            how = "running" if code is None else f"ended with {code}"
            parts.append(f"---- {name} ({how})\n{last_lines(self._log(name))}")
        with contextlib.suppress(UnansweredQuestionError):
            parts.append(f"---- state\n{json.dumps(self.ask('progress'))}")
        return "\n".join(parts)

    # ---- ending ------------------------------------------------------------------------------------------------------
    def stop(self) -> None:
        """End every process, and leave nothing of them."""
        for process in self._processes.values():
            processes.signal_group(process, signal.SIGTERM)
        for process in self._processes.values():
            processes.end(process)
        self._processes.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        finally:
            if self._probe is not None:
                processes.kill(self._probe)
                for pipe in (self._probe.stdin, self._probe.stdout):
                    assert pipe is not None
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()
                self._probe = None


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10):
            return True
    except OSError:  # HTTPError is one
        return False
