"""Runs the product's processes on one machine: started together, ended together, started again when one dies."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

#: Time a process has to finish its task in hand after SIGTERM.
GRACE_SECONDS = 10.0
#: A process that dies is started again after this, doubled each time up to the limit.
FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS = 0.5, 30.0
#: A process that ran this long had a good start; its delay begins anew.
GOOD_RUN_SECONDS = 60.0
_PR_SET_PDEATHSIG = 1  # prctl(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A process to run."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None  #: where it starts; None: where we are


@dataclass(slots=True)
class _Running:
    role: Program
    process: subprocess.Popen[bytes]
    started_at: float
    delay: float = FIRST_DELAY_SECONDS
    restart_at: float | None = None


@dataclass(slots=True)
class Supervisor:
    """Ctrl-C or SIGTERM ends all; a kill of the supervisor ends all too (Linux)."""

    roles: Sequence[Program]
    say: Callable[[str], None]
    _running: list[_Running] = field(default_factory=list)
    _stopping: bool = False

    def run(self, *, once_started: Callable[[], None] | None = None) -> int:
        """Run until told to stop; returns an exit code."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)
        self.start_all()
        try:
            if once_started:
                once_started()
            while not self._stopping:
                self.look()
                time.sleep(0.2)
        finally:
            self.end_all()
        return 0

    def start_all(self) -> None:
        self._running = [_Running(role, _start(role), time.monotonic()) for role in self.roles]

    def _stop(self, number: int, frame: object) -> None:
        self._stopping = True

    @property
    def stopping(self) -> bool:
        return self._stopping

    def look(self) -> None:
        """Start again what died."""
        now = time.monotonic()
        for running in self._running:
            if running.restart_at is not None:
                if now >= running.restart_at:
                    running.process, running.started_at, running.restart_at = _start(running.role), now, None
                continue
            code = running.process.poll()
            if code is None:
                continue
            if now - running.started_at > GOOD_RUN_SECONDS:
                running.delay = FIRST_DELAY_SECONDS
            self.say(f"{running.role.name} ended with {_meaning(code)}; it starts again in {running.delay:.1f} s.")
            running.restart_at = now + running.delay
            running.delay = min(running.delay * 2, LONGEST_DELAY_SECONDS)

    def end_all(self) -> None:
        """SIGTERM to all, and SIGKILL to what is still there after the grace time."""
        alive = [running.process for running in self._running if running.process.poll() is None]
        for process in alive:
            process.terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        for process in alive:
            try:
                process.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _start(role: Program) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - our own commands
        list(role.command),
        cwd=role.folder,
        env={**os.environ, **role.environment},
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # a Ctrl-C reaches the supervisor alone, which ends them in order
        preexec_fn=_die_with_parent if sys.platform == "linux" else None,
    )


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _meaning(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
