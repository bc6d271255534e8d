"""A small made-up world on each store, and processes that race on it."""

from __future__ import annotations

import json
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from personas.lease import LEASE_SECONDS
from tests import processes
from tests.installation import REPOSITORY, STORES, Installation, store_settings
from tests.races.racer import KNOWN, PHOTOGRAPHS

#: Seconds from telling all racers to the moment at which they begin.
HEAD_START = 0.2
#: Seconds that a lease lives whose holder stands still.
SHORT_LEASE = 2.0


class Racer:
    """One process; see tests/races/racer.py."""

    def __init__(self, installation: Installation, log: Path) -> None:
        self.log = log
        self._told = 0
        with log.open("ab") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.races.racer"],
                cwd=REPOSITORY,
                env={**installation.environment, "LOG_LEVEL": "WARNING"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                bufsize=0,
                start_new_session=True,
            )

    def tell(self, what: str, *, at: float = 0.0, **of: Any) -> None:
        assert self.process.stdin is not None
        self._told += 1
        order = {"number": self._told, "do": what, "with": of, "at": at}
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        self.process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """What came of the last thing it was told; waits for it. What a failed test left unheard is dropped."""
        assert self.process.stdout is not None
        while True:
            ready, _, _ = select.select([self.process.stdout], [], [], processes.PATIENCE_SECONDS)
            assert ready, f"a racer does not answer: {processes.last_lines(self.log)}"
            line = self.process.stdout.readline()
            assert line, f"a racer ended: {processes.last_lines(self.log)}"
            heard: dict[str, Any] = json.loads(line)
            if heard["number"] == self._told:
                return heard

    def do(self, what: str, **of: Any) -> Any:
        """Tell, and hear that it was done."""
        self.tell(what, **of)
        heard = self.hear()
        assert "answer" in heard, heard
        return heard["answer"]

    def wait_until_stopped(self) -> None:
        def stands_still() -> bool:
            return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

        processes.wait_until(
            stands_still, "the racer stops itself", pause=0.02, logs=lambda: processes.last_lines(self.log)
        )

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        processes.kill(self.process)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


@pytest.fixture(scope="module", params=STORES)
def installation(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    home = tmp_path_factory.mktemp(f"races-{request.param}") / "home"
    with store_settings(request.param, request) as settings, Installation(home, settings) as opened:
        opened.prepare()
        yield opened


@pytest.fixture(scope="module")
def racers(installation: Installation) -> Iterator[tuple[Racer, Racer]]:
    """Two processes; the world and its first version are there."""
    both = [Racer(installation, installation.home.with_name(f"racer-{number}.log")) for number in range(2)]
    try:
        both[0].do("prepare")
        yield both[0], both[1]
    finally:
        for racer in both:
            racer.end()


@pytest.fixture(scope="module")
def unsaid(installation: Installation) -> Iterator[int]:
    """Numbers of pictures that nothing was said of yet."""
    return iter(range(KNOWN, PHOTOGRAPHS))


@pytest.fixture
def new_labels(racers: tuple[Racer, Racer], unsaid: Iterator[int]) -> Callable[[], None]:
    """`new_labels()` says something that no version has learnt."""
    return lambda: racers[1].do("say", picture=next(unsaid))


@pytest.fixture
def stoppable(racers: tuple[Racer, Racer]) -> Iterator[Racer]:
    """The first racer, whose leases run out soon when it stands still."""
    racers[0].do("hold_leases_for", seconds=SHORT_LEASE)
    yield racers[0]
    racers[0].go_on()
    racers[0].do("hold_leases_for", seconds=LEASE_SECONDS)


@pytest.fixture
def at_once(racers: tuple[Racer, Racer]) -> Callable[..., list[dict[str, Any]]]:
    """`at_once(("train", {}), ("promote", {"version": 1}))`: each by its racer, begun at the same moment."""

    def race(*tasks: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
        at = time.monotonic() + HEAD_START
        for racer, (what, of) in zip(racers, tasks, strict=True):
            racer.tell(what, at=at, **of)
        return [racer.hear() for racer in racers]

    return race
