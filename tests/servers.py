"""Real servers for tests that run the product as separate processes: Redis and PostgreSQL, each of the run's own.

`redis_server` and `postgres_server` are fixtures of the whole session; a Cassandra node comes from
tests/cassandra_node. The classes need no pytest: benchmarks start the same servers.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import redis
from psycopg import sql

from tests.processes import end, free_port, kill, last_lines, start, wait_until

#: The account that Debian's package makes; PostgreSQL refuses to run as root.
POSTGRES_USER = "postgres"


class NoServerError(Exception):
    """There can be no such server here; the message says what to install."""


# ---- Redis -----------------------------------------------------------------------------------------------------------
class RedisServer:
    """A Redis that keeps nothing on disk: what it holds is gone when it is killed, as a broker's messages may be."""

    def __init__(self) -> None:
        """Start it. Raises NoServerError."""
        executable = shutil.which("redis-server")
        if executable is None:
            raise NoServerError("no Redis: install it (apt-get install redis-server)")
        self._executable = executable
        self._folder = Path(tempfile.mkdtemp(prefix="redis-"))
        self._log = self._folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        for attempt in reversed(range(3)):
            self.port = free_port()
            try:
                self.start()
                break
            except NoServerError:  # somebody else took the port in between
                if not attempt:
                    raise

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, socket_timeout=10)

    def start(self) -> None:
        """On the same port as before; returns when it answers."""
        self._process = start(
            [
                *(self._executable, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)),
                *("--save", "", "--appendonly", "no", "--daemonize", "no"),
            ],
            log=self._log,
        )
        wait_until(self._answers, f"Redis on port {self.port}", logs=lambda: last_lines(self._log))

    def _answers(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise NoServerError(f"Redis ended with {self._process.returncode}:\n{last_lines(self._log)}")
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def flush(self) -> None:
        """Lose every message, and keep running."""
        with self.client() as client:
            client.flushall()

    def kill(self) -> None:
        """kill -9; all messages are lost."""
        if self._process is not None:
            kill(self._process)
            self._process = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """While the block runs it takes connections and answers nothing, as behind a network that swallows packets."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def restart(self) -> None:
        self.kill()
        self.start()

    def stop(self) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


# ---- PostgreSQL ------------------------------------------------------------------------------------------------------
@dataclass(slots=True)
class PostgresServer:
    """A server in which databases may be made. url: of a database of it, as a user who may."""

    url: str
    _made: list[str] = field(default_factory=list)

    def new_database(self) -> str:
        """An empty database of the caller's own, gone at the end of the session; returns its URL."""
        name = f"faceproject_{uuid.uuid4().hex[:12]}"
        self._execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        self._made.append(name)
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))

    def drop_databases(self) -> None:
        while self._made:
            name = sql.Identifier(self._made.pop())
            self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url, autocommit=True, connect_timeout=30) as connection:
            connection.execute(statement)


@contextmanager
def postgres(given: str = "") -> Iterator[PostgresServer]:
    """The server of the URL given, else a throw-away cluster. Raises NoServerError."""
    with _cluster() if not given else _given(given) as server:
        try:
            yield server
        finally:
            server.drop_databases()


@contextmanager
def _given(url: str) -> Iterator[PostgresServer]:
    yield PostgresServer(url)


@contextmanager
def _cluster() -> Iterator[PostgresServer]:
    programs = _postgres_programs()
    user = POSTGRES_USER if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    try:
        if user:
            shutil.chown(folder, user, user)
        log, cluster = folder / "log", folder / "cluster"
        making = subprocess.run(
            [programs / "initdb", "-D", cluster, "--auth=trust", "-U", POSTGRES_USER, "--no-sync", "--no-instructions"],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )
        if making.returncode:
            raise NoServerError(f"no PostgreSQL: initdb failed: {(making.stdout + making.stderr)[-2000:]}")
        port = free_port()
        process = start(
            [
                *(str(programs / "postgres"), "-D", str(cluster), "-p", str(port), "-k", str(folder)),
                *("-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=200"),
            ],
            folder=folder,
            log=log,
            user=user,
            at_our_death=signal.SIGQUIT,
        )
        try:
            server = PostgresServer(f"postgres://{POSTGRES_USER}@127.0.0.1:{port}/postgres")
            wait_until(lambda: _takes_connections(server.url), "PostgreSQL", logs=lambda: last_lines(log))
            yield server
        finally:
            end(process, by=signal.SIGQUIT)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _postgres_programs() -> Path:
    """The folder of the newest version's initdb and postgres; Debian keeps them off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    if not found and on_path:
        found = [Path(on_path).resolve()]
    if not found:
        raise NoServerError("no PostgreSQL: install it (apt-get install postgresql), or set TEST_POSTGRES_URL")
    return found[-1].parent


def _takes_connections(url: str) -> bool:
    with suppress(psycopg.OperationalError), psycopg.connect(url, connect_timeout=10):
        return True
    return False


# ---- fixtures --------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis of this session's own. A test that kills it starts it again."""
    try:
        server = RedisServer()
    except NoServerError as error:
        pytest.skip(str(error))
    with server:
        yield server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The server of TEST_POSTGRES_URL, or one of this session's own; `new_database()` is a test's own."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(postgres(os.environ.get("TEST_POSTGRES_URL", "")))
        except NoServerError as error:
            pytest.skip(str(error))
        yield server
