"""One container as a local process: its state, its restarts, its probes, as Azure Container Instances has them.

Everything here is called by one thread, the runtime's, which also starts the processes: Linux ends them when the thread
that started them ends.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tests import processes
from tests.azure_double.image import REPOSITORY, ROLE, Images, Place
from tests.azure_double.runtime_port import ContainerState

#: Between the end of a container and its next start, in seconds: the first time, and at most. Azure waits longer.
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
#: Azure's defaults of probes.
PERIOD, TIMEOUT, FAILURES, SUCCESSES = 10, 1, 3, 1
#: A command takes longer to start on two busy cores than in a container of its own.
LEAST_TIMEOUT: Final = 20.0
#: What a shell says of a command that is not there.
NOT_FOUND: Final = 127


@dataclass(slots=True, kw_only=True)
class Probe:
    """An exec probe. Healthy or not is what the last results say, by the thresholds."""

    command: list[str]
    period: float
    timeout: float
    failures_allowed: int
    successes_needed: int
    next_at: float
    failures: int = 0
    successes: int = 0
    process: subprocess.Popen[bytes] | None = None
    give_up_at: float = 0.0

    @classmethod
    def of(cls, said: Mapping[str, Any], now: float) -> Probe:
        """From the body of a container group."""
        return cls(
            command=list(said["exec"]["command"]),
            period=float(said.get("periodSeconds") or PERIOD),
            timeout=max(float(said.get("timeoutSeconds") or TIMEOUT), LEAST_TIMEOUT),
            failures_allowed=int(said.get("failureThreshold") or FAILURES),
            successes_needed=int(said.get("successThreshold") or SUCCESSES),
            next_at=now + float(said.get("initialDelaySeconds") or 0),
        )

    def has_failed(self) -> bool:
        """Too often in a row."""
        return self.failures >= self.failures_allowed

    def has_succeeded(self) -> bool:
        """Often enough in a row."""
        return self.successes >= self.successes_needed

    def note(self, *, success: bool) -> None:
        """One result."""
        self.successes, self.failures = (self.successes + 1, 0) if success else (0, self.failures + 1)


@dataclass(slots=True, kw_only=True)
class Box:
    """policy: "Always", "OnFailure" or "Never". pull_error: why there is no image. held: this or another container of
    its group has none, and none of them starts."""

    name: str
    body: Mapping[str, Any]  #: of the container, with its secrets
    policy: str
    images: Images
    place: Place
    log: Path
    pull_error: str = ""
    held: bool = False
    process: subprocess.Popen[bytes] | None = None
    restarts: int = 0
    exit_code: int | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    finished: bool = False
    _start_at: float = 0.0
    _pause: float = FIRST_PAUSE
    _probes: dict[str, Probe] = field(default_factory=dict)
    _events: list[dict[str, Any]] = field(default_factory=list)

    # ---- what others ask ---------------------------------------------------------------------------------------------
    @property
    def is_ready(self) -> bool:
        """It runs, and its readiness probe, where it has one, says so."""
        probe = self._probes.get("readinessProbe")
        return self.process is not None and (probe is None or probe.has_succeeded())

    @property
    def is_product(self) -> bool:
        """It is of the product's image: a role."""
        return (self.body["properties"].get("command") or [ROLE])[0] == ROLE

    def state(self) -> ContainerState:
        """For the instance view."""
        if self.pull_error:
            state, detail = "Waiting", "ImagePullBackOff"
        elif self.process is not None:
            state, detail = "Running", ""
        elif self.finished:
            state, detail = "Terminated", "Completed" if self.exit_code == 0 else "Error"
        else:
            state, detail = "Waiting", "CrashLoopBackOff" if self.restarts else "ContainerCreating"
        return ContainerState(
            name=self.name,
            state=state,
            detail=detail,
            exit_code=self.exit_code if state != "Running" else None,
            restarts=self.restarts,
            started_at=self.started_at,
            finished_at=self.finished_at if state != "Running" else None,
            events=tuple(self._events),
        )

    # ---- what the runtime's thread does ------------------------------------------------------------------------------
    def look(self) -> None:
        """Start what shall run, notice what has ended, ask the probes."""
        now = time.monotonic()
        if self.held:
            if self.pull_error and not self._events:
                self._tell("Pulling", "Normal", f'pulling image "{self._image}"')
                self._tell("Failed", "Warning", f'Failed to pull image "{self._image}": {self.pull_error}')
                self._tell("BackOff", "Warning", f'Back-off pulling image "{self._image}"')
            return
        if self.process is None:
            if not self.finished and now >= self._start_at:
                self._start(now)
            return
        if self.process.poll() is not None:
            self._ended(now)
            return
        for kind, probe in self._probes.items():
            self._ask(kind, probe, self.process, now)

    def stop(self) -> None:
        """Ask it to end, and start it no more."""
        self.finished, self.held, self.pull_error = True, False, ""
        if self.process is not None:
            processes.signal_group(self.process, signal.SIGTERM)

    def remove(self) -> None:
        """Kill what is left; the disk goes, log and exit code stay."""
        self._end_probes()
        if self.process is not None:
            processes.kill(self.process)
            self.exit_code, self.finished_at = as_shell(self.process.returncode), datetime.now(UTC)
            self.process = None
        shutil.rmtree(self.place.disk, ignore_errors=True)

    @property
    def _image(self) -> str:
        return str(self.body["properties"]["image"])

    def _environment(self) -> dict[str, str]:
        said = self.body["properties"].get("environmentVariables") or ()
        return self.images.environment(environment_of(said), self.place)

    def _start(self, now: float) -> None:
        shutil.rmtree(self.place.disk, ignore_errors=True)  # a container's disk is new each time
        command = list(self.body["properties"].get("command") or ())
        self.images.prepare(command, self.place)
        self.exit_code, self.started_at = None, datetime.now(UTC)
        self._probes = {
            kind: Probe.of(said, now)
            for kind in ("readinessProbe", "livenessProbe")
            if (said := self.body["properties"].get(kind))
        }
        try:
            self.process = self._run(command)
        except OSError as error:
            with self.log.open("a") as log:
                log.write(f"{command[0]}: {error.strerror}\n")
            self._close(NOT_FOUND, now)
        else:
            self._tell("Started", "Normal", "Started container")

    def _run(self, command: list[str]) -> subprocess.Popen[bytes]:
        environment = self._environment()
        words = self.images.command(command, self.place)
        found = shutil.which(words[0], path=environment["PATH"])
        if found is None:
            raise FileNotFoundError(2, "No such file or directory")
        return processes.start([found, *words[1:]], environment=environment, folder=REPOSITORY, log=self.log)

    def _ended(self, now: float) -> None:
        assert self.process is not None
        code = self.process.returncode
        processes.kill(self.process)  # what it may have left behind
        self.process = None
        self._close(as_shell(code), now)

    def _close(self, code: int, now: float) -> None:
        self._end_probes()
        self.exit_code, self.finished_at = code, datetime.now(UTC)
        self._tell("Exited" if code == 0 else "Failed", "Normal" if code == 0 else "Warning", f"exit code {code}")
        if self.policy == "Never" or (self.policy == "OnFailure" and code == 0):
            self.finished = True
            return
        self.restarts += 1
        self._start_at = now + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE)

    # ---- probes ------------------------------------------------------------------------------------------------------
    def _ask(self, kind: str, probe: Probe, process: subprocess.Popen[bytes], now: float) -> None:
        if probe.process is None:
            if now >= probe.next_at:
                probe.give_up_at = now + probe.timeout
                with self.log.with_suffix(".probes").open("wb"):  # the last one's words only
                    probe.process = self._run_probe(probe)
            return
        code = probe.process.poll()
        if code is None and now < probe.give_up_at:
            return
        processes.kill(probe.process)
        probe.process, probe.next_at = None, now + probe.period
        probe.note(success=code == 0)
        if probe.has_failed():
            self._tell("Unhealthy", "Warning", f"{kind} failed {probe.failures} times")
            if kind == "livenessProbe":
                self._tell("Killing", "Normal", "Killing container: liveness probe failed")
                processes.signal_group(process, signal.SIGKILL)

    def _run_probe(self, probe: Probe) -> subprocess.Popen[bytes]:
        return processes.start(
            self.images.command(probe.command, self.place),
            environment=self._environment(),
            folder=REPOSITORY,
            log=self.log.with_suffix(".probes"),
        )

    def _end_probes(self) -> None:
        for probe in self._probes.values():
            if probe.process is not None:
                processes.kill(probe.process)
        self._probes = {}

    def _tell(self, name: str, kind: str, message: str) -> None:
        """An event, as the instance view shows it: what was said before is counted."""
        now = datetime.now(UTC).isoformat()
        for event in self._events:
            if (event["name"], event["message"]) == (name, message):
                event["count"] += 1
                event["lastTimestamp"] = now
                return
        self._events.append(
            {"name": name, "type": kind, "message": message, "count": 1, "firstTimestamp": now, "lastTimestamp": now}
        )


def as_shell(code: int) -> int:
    """A process's exit code; of one that a signal ended, as shells and container runtimes say it."""
    return code if code >= 0 else 128 - code


def environment_of(said: Any) -> dict[str, str]:
    """Of a container's `environmentVariables`, secrets included."""
    return {each["name"]: str(each.get("secureValue", each.get("value")) or "") for each in said or ()}
