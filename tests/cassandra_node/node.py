"""A real Apache Cassandra node for tests, without Docker: Java 17, Maven, and the jars from Maven Central, once.

`python -m tests.cassandra_node.node [folder]` starts one and prints its port; `kill $(cat folder/pid)` stops it.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
USER = PASSWORD = "cassandra"  # of a fresh node's superuser
JAR = "cassandra-all-5.0.9.jar"
#: Seconds a node may take to start on a busy machine.
START_SECONDS = 400
#: Lines of its log: it serves; a fresh one has its superuser.
LISTENS, IS_NEW = "Starting listening for CQL clients", "Created default superuser role"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where a node is, as the product's environment says it."""

    contact_points: str
    port: int
    username: str = USER
    password: str = PASSWORD

    @property
    def environment(self) -> dict[str, str]:
        """For processes that shall use it; the keyspace is theirs to choose."""
        return {
            "CASSANDRA_CONTACT_POINTS": self.contact_points,
            "CASSANDRA_PORT": str(self.port),
            "CASSANDRA_USERNAME": self.username,
            "CASSANDRA_PASSWORD": self.password,
        }


class NoNodeError(Exception):
    """There can be no node here; the message says what is missing."""


#: How the commit log gets to disk. Periodic: a node that is killed loses what it acknowledged in its last moments, for
#: a cluster has other replicas. One node alone that may be killed writes first and answers then.
PERIODIC, BATCH = "commitlog_sync: periodic\ncommitlog_sync_period: 10000ms", "commitlog_sync: batch"


@dataclass(slots=True, kw_only=True)
class Node:
    """A node with its data folder and ports, which it keeps when it is ended and started again."""

    folder: Path
    port: int
    forgetful: bool = False  #: does not survive a kill: knows its tables in memory only, and empties them fast
    lasting: bool = False  #: compiled with care, for benchmarks; else in a hurry, which halves a test run's work
    process: subprocess.Popen[bytes] | None = None

    @property
    def server(self) -> Server:
        return Server(contact_points="127.0.0.1", port=self.port)

    def launch(self, *, unless: Callable[[], bool] = lambda: False) -> None:
        """Returns when CQL answers and the superuser is there; does nothing while it runs. Raises NoNodeError, also
        when `unless` comes true."""
        if self.process is not None and self.process.poll() is None:
            return
        log = self.folder / "out.log"
        with log.open("wb") as out:
            process = subprocess.Popen(self._command(), stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        self.process = process
        (self.folder / "pid").write_text(str(process.pid))
        give_up_at = time.monotonic() + START_SECONDS
        while time.monotonic() < give_up_at and process.poll() is None and not unless():
            said = log.read_text(errors="replace")
            if LISTENS in said and (IS_NEW in said or (self.folder / "known").exists()):
                (self.folder / "known").touch()
                return
            time.sleep(0.2)
        self.kill()
        raise NoNodeError(f"Cassandra did not start: {log.read_text(errors='replace')[-2000:]}")

    def kill(self) -> None:
        """As `kill -9` does; what was acknowledged is there after the next `launch`."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(60)
            self.process = None

    def _command(self) -> list[str]:
        lib = jars()
        conf, agent = self.folder / "conf", next(lib.glob("jamm-*.jar"))
        return [
            java(),
            f"@{HERE / 'java.args'}",
            *([] if self.lasting else ["-XX:TieredStopAtLevel=1"]),
            f"-javaagent:{agent}",
            f"-Dcassandra.unsafesystem={str(self.forgetful).lower()}",
            f"-Djava.io.tmpdir={self.folder / 'tmp'}",
            f"-Dcassandra.config=file://{conf / 'cassandra.yaml'}",
            f"-Dcassandra.storagedir={self.folder}",
            f"-Dcassandra.logdir={self.folder}",
            "-cp",
            f"{conf}:{lib}/*",
            "org.apache.cassandra.service.CassandraDaemon",
        ]


def java() -> str:
    """Cassandra 5.0 runs on Java 11 and 17; the options here are for 17."""
    found = shutil.which("java")
    if found is None:
        raise NoNodeError("no Java: install Java 17 and Maven, or set CASSANDRA_CONTACT_POINTS")
    said = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    if not re.search(r'version "17\.', said):
        raise NoNodeError(f"Java is not 17 but {said.splitlines()[0] if said else 'unknown'}")
    return found


def jars() -> Path:
    """The folder of jars, resolved by Maven when it is not complete yet; two runs at once do not disturb each other."""
    cache = Path(os.environ.get("FACEPROJECT_JARS") or Path.home() / ".cache" / "faceproject" / "cassandra-5.0.9")
    if not (cache / JAR).exists():
        maven = shutil.which("mvn")
        if maven is None:
            raise NoNodeError("no Maven to get Cassandra's jars with: install maven, or set CASSANDRA_CONTACT_POINTS")
        cache.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix="jars-", dir=cache.parent))
        command = [maven, "-B", "-q", "-f", str(HERE / "pom.xml"), f"-Dlib={fresh}", "dependency:copy-dependencies"]
        for attempt in range(3):
            run = subprocess.run(command, capture_output=True, text=True, check=False)
            if run.returncode == 0:
                break
            time.sleep(5 * attempt)
        else:
            shutil.rmtree(fresh, ignore_errors=True)
            raise NoNodeError(f"Maven could not get Cassandra's jars: {run.stdout[-300:]}")
        try:
            fresh.rename(cache)
        except OSError:  # another run was first
            shutil.rmtree(fresh, ignore_errors=True)
    return cache


def start(
    folder: Path, *, forgetful: bool = False, lasting: bool = False, unless: Callable[[], bool] = lambda: False
) -> Node:
    """A fresh node in a folder without one; returns when it serves. See `Node`. Raises NoNodeError."""
    port, storage_port = free_ports()
    conf = folder / "conf"
    shutil.copytree(HERE / "conf", conf)
    yaml = (conf / "cassandra.yaml").read_text()
    sync = PERIODIC if forgetful else BATCH
    for name, value in (
        ("@STORAGE_PORT@", storage_port),
        ("@PORT@", port),
        ("@FOLDER@", folder),
        ("@COMMITLOG_SYNC@", sync),
    ):
        yaml = yaml.replace(name, str(value))
    (conf / "cassandra.yaml").write_text(yaml)
    (folder / "tmp").mkdir()
    _make_certificate(folder / "keystore")
    node = Node(folder=folder, port=port, forgetful=forgetful, lasting=lasting)
    node.launch(unless=unless)
    return node


def _make_certificate(keystore: Path) -> None:
    """The node's own authority; speaking TLS is up to the client."""
    keytool = Path(java()).resolve().with_name("keytool")
    command = [
        str(keytool),
        "-genkeypair",
        "-keyalg",
        "EC",
        "-alias",
        "node",
        "-dname",
        "CN=localhost",
        "-validity",
        "30",
    ]
    store = ["-keystore", str(keystore), "-storetype", "PKCS12", "-storepass", PASSWORD]
    run = subprocess.run(
        [*command, "-ext", "san=dns:localhost,ip:127.0.0.1", *store], capture_output=True, text=True, check=False
    )
    if run.returncode != 0:
        raise NoNodeError(f"Java's keytool made no certificate: {(run.stdout + run.stderr)[-300:]}")


def free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


if __name__ == "__main__":
    where = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp(prefix="cassandra-"))
    where.mkdir(parents=True, exist_ok=True)
    try:
        sys.stdout.write(f"{start(where.resolve(), forgetful=True, lasting=True).port}\n")
    except NoNodeError as error:
        sys.exit(str(error))
