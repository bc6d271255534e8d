"""One node for all processes of a test run: started by the first that needs it, ended when the run has.

The run's first process names a folder and tells its workers by an environment variable. Who comes first starts a keeper
(`python -m tests.cassandra_node.keeper FOLDER RUN_PID`), which starts the node, says in a file how that went, and waits
until it is told to end or the run is no more, however it ended.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path

from tests.cassandra_node.node import START_SECONDS, NoNodeError, Server, start

#: Names the run's folder to its workers.
FOLDER = "FACEPROJECT_TEST_CASSANDRA"
REPOSITORY = Path(__file__).resolve().parents[2]
#: In the folder: the keeper's process, the node's port, or why there is none.
PID, PORT, FAILED = "keeper", "port", "failed"
#: Seconds between two looks at whether the run is still there.
LOOK_SECONDS = 1.0
#: Seconds until the node must be there: the jars may have to be fetched first.
PATIENCE_SECONDS = START_SECONDS + 600
#: Seconds a keeper may take to end its node.
END_SECONDS = 60


class Keeper:
    """A run's view of its node."""

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        self._environment = environment

    def open(self) -> bool:
        """Name the run's folder; False when this process is a worker of a run that has one."""
        if FOLDER in self._environment:
            return False
        self._environment[FOLDER] = str(Path(tempfile.gettempdir()) / f"cassandra-{uuid.uuid4().hex}")
        return True

    @property
    def folder(self) -> Path:
        return Path(self._environment[FOLDER])

    def begin(self) -> None:
        """Start the run's node unless another process has; does not wait for it."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if (self.folder / PID).exists():
                return
            run = os.getppid() if "PYTEST_XDIST_WORKER" in self._environment else os.getpid()
            with (self.folder / "keeper.log").open("wb") as log:
                keeper = subprocess.Popen(
                    [sys.executable, "-m", "tests.cassandra_node.keeper", str(self.folder), str(run)],
                    cwd=REPOSITORY,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C is for the run, which then ends the keeper
                )
            (self.folder / PID).write_text(str(keeper.pid))

    def server(self) -> Server:
        """The run's node; waits until it serves. Raises NoNodeError."""
        self.begin()
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < give_up_at:
            if (self.folder / FAILED).exists():
                raise NoNodeError((self.folder / FAILED).read_text())
            if (self.folder / PORT).exists():
                port = int((self.folder / PORT).read_text())
                return Server(contact_points="127.0.0.1", port=port)
            time.sleep(0.2)
        raise NoNodeError(f"it did not start in {PATIENCE_SECONDS} seconds; see {self.folder}")

    def close(self) -> None:
        """End the node and remove the folder: for the process that opened it."""
        folder = Path(self._environment.pop(FOLDER))
        if (folder / PID).exists() and not (folder / FAILED).exists():
            with suppress(ProcessLookupError):
                os.kill(int((folder / PID).read_text()), signal.SIGTERM)
            give_up_at = time.monotonic() + END_SECONDS
            while folder.exists() and time.monotonic() < give_up_at:  # the keeper removes it last
                time.sleep(0.1)
        shutil.rmtree(folder, ignore_errors=True)


def is_there(pid: int) -> bool:
    """Whether a process lives; one that ended and that nobody has asked about (a zombie) does not."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # ended between the two, or a system without /proc
        return not Path("/proc/self").exists()
    return state != "Z"


def keep(folder: Path, run: int) -> None:
    """The keeper's whole life."""
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    node_folder = folder / "node"
    node_folder.mkdir()
    try:
        node = start(node_folder, forgetful=True, unless=lambda: told.is_set() or not is_there(run))
    except NoNodeError as error:
        if told.is_set() or not is_there(run):
            shutil.rmtree(folder, ignore_errors=True)
        else:
            _say(folder / FAILED, str(error))
        return
    try:
        _say(folder / PORT, str(node.port))
        while not told.wait(LOOK_SECONDS) and is_there(run):
            pass
    finally:
        node.kill()  # nothing in it is worth a slow end
        shutil.rmtree(folder, ignore_errors=True)


def _say(file: Path, text: str) -> None:
    """At once: whoever sees the file sees all of it."""
    half = file.with_suffix(".half")
    half.write_text(text)
    half.rename(file)


if __name__ == "__main__":
    keep(Path(sys.argv[1]), int(sys.argv[2]))
