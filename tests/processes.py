"""Processes that tests start: each in a group of its own, ended with the test run however that ends, and waited for."""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

#: Waits are for slow and busy machines: what takes a second on an idle one may take a minute there.
PATIENCE_SECONDS = 180.0
_PR_SET_PDEATHSIG = 1  # prctl(2)


class NeverHappenedError(AssertionError):
    """What was waited for did not come; the message shows what the processes said."""


def free_port() -> int:
    """A port nobody listens on, below the range from which Linux takes the ports of outgoing connections (32768 on).

    A server that is killed and started again needs its port back: from that range a client that keeps trying to reach
    it may be given the very port, and then connects to itself.
    """
    while True:
        port = 10_000 + secrets.randbelow(22_000)  # not `random`, which pytest-randomly seeds alike in every process
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def start(
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    log: Path,
    user: str | None = None,
    at_our_death: signal.Signals = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Start a command whose output is appended to `log`; as another user if one is given (needs root).

    Linux sends it `at_our_death` when the *thread* that started it ends, so start from one that lives as long.
    """

    def die_with_us() -> None:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, at_our_death)

    with log.open("ab") as said:
        return subprocess.Popen(
            list(command),
            cwd=folder,
            env=None if environment is None else dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_us if sys.platform == "linux" else None,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )


def signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """To the process and all it started, whether or not it still runs itself."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def kill(process: subprocess.Popen[bytes]) -> None:
    """kill -9 of the process and what it started; returns when it is gone."""
    signal_group(process, signal.SIGKILL)
    process.wait(PATIENCE_SECONDS)


def end(process: subprocess.Popen[bytes], *, by: signal.Signals = signal.SIGTERM, seconds: float = 30.0) -> int:
    """Ask it to end, kill it after a while, leave nothing of its group; returns its exit code."""
    if process.poll() is None:
        process.send_signal(by)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    kill(process)
    return process.returncode


def wait_until(
    condition: Callable[[], T],
    what: str,
    *,
    seconds: float = PATIENCE_SECONDS,
    pause: float = 0.1,
    logs: Callable[[], str] = lambda: "",
) -> T:
    """Ask until the answer is truthy; returns it. Raises NeverHappenedError, with what `logs` says."""
    deadline = time.monotonic() + seconds
    while True:
        if answer := condition():
            return answer
        if time.monotonic() >= deadline:
            raise NeverHappenedError(f"{what}: not within {seconds:.0f} s; the last answer was {answer!r}\n{logs()}")
        time.sleep(pause)


def last_lines(log: Path, number: int = 40) -> str:
    """The end of a log; what is not there has said nothing."""
    with contextlib.suppress(FileNotFoundError):
        return "\n".join(log.read_text(errors="replace").splitlines()[-number:])
    return ""


def children(pid: int) -> dict[int, str]:
    """Processes that a process started and that run, with their command lines (Linux, by /proc)."""
    found = {}
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # one of them ended in between
            for child in map(int, task.read_text().split()):
                found[child] = Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ")
    return found


@contextlib.contextmanager
def watched_command_lines() -> Iterator[set[str]]:
    """Command lines of all processes of this machine, of every user, as they come up during the block (Linux)."""
    seen: set[str] = set()
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.03):
            for file in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    seen.add(file.read_bytes().decode(errors="replace").replace("\0", " "))

    watch = threading.Thread(target=look, name="command lines")
    watch.start()
    try:
        yield seen
    finally:
        ended.set()
        watch.join()
