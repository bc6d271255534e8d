"""One run: an installation with all roles as processes, a client at work, and something killed every little while."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from tests.installation import Installation, on_redis
from tests.kill.client import Client
from tests.kill.scenario import Round
from tests.processes import NeverHappenedError
from tests.servers import RedisServer

ROLES = ("web", "ingest-worker", "trainer-worker", "dispatcher")
#: Seconds from the chosen point of the client's work to the kill, and until what was killed is started again.
UNTIL_KILL, UNTIL_RESTART = (0.0, 2.5), (0.05, 1.5)
#: Seconds for everything to come to rest after the last kill: leases run out, the dispatcher asks ever more rarely.
REST_SECONDS = 900.0
#: Kills a round of the scenario is long enough for.
KILLS_A_ROUND = 4


class Node(Protocol):
    """A Cassandra node of the run's own."""

    def kill(self) -> None: ...

    def launch(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Something to kill, and how it comes back."""

    name: str
    kill: Callable[[], None]
    start: Callable[[], None]


@dataclass(slots=True, kw_only=True)
class Ending:
    """What a run left, as far as it must not depend on what was killed when."""

    state: Mapping[str, Any]
    predictions: Sequence[Mapping[str, Any]]
    #: What may differ.
    kills: list[str] = field(default_factory=list)
    died: list[str] = field(default_factory=list)  #: processes that ended by themselves
    repeated: int = 0  #: commands that were not answered the first time
    retried: list[str] = field(default_factory=list)  #: kinds of jobs that were set aside and done again
    seconds: float = 0.0


def n_rounds(kills: int) -> int:
    return 1 + kills // KILLS_A_ROUND


def run(
    home: Path,
    rounds: Sequence[Round],
    *,
    settings: Mapping[str, str],
    redis: RedisServer,
    node: Node | None = None,
    kills: int,
    seed: int,
    say: Callable[[str], None] = lambda _: None,
) -> Ending:
    """From an empty store to rest; see `checks` for what is looked at meanwhile and after.

    settings: of the store. Raises AssertionError, with the logs of all processes, when it does not come to rest or
    left something it must not.
    """
    from tests.kill.checks import require_sound

    started = time.monotonic()
    with Installation(home, {**settings, **on_redis(redis), "LOG_LEVEL": "INFO"}) as installation:
        installation.prepare()
        installation.start(*ROLES)
        client = Client(installation, rounds, queued=True)
        client.start()
        run = _Run(installation, client, rng=random.Random(seed), say=say)
        run.kill_and_restart(_targets(installation, client, redis, node), kills)
        run.wait_for_the_client()
        run.wait_for_rest()
        require_sound(installation, rounds)
        predictions = learn_all(installation)
        return Ending(
            state=installation.ask("state"),
            predictions=predictions,
            kills=run.killed,
            died=run.died,
            repeated=client.repeated,
            retried=run.retried,
            seconds=round(time.monotonic() - started, 1),
        )


def learn_all(installation: Installation) -> list[dict[str, Any]]:
    """One training on everything; then what the version that learnt it predicts, without the number it has here.

    Which versions came before, and so whether the gate lets this one pass, depends on when it learnt what; hence the
    promotion by hand.
    """
    outcome = installation.manage("train")
    version = outcome["version"]
    if installation.ask("progress")["champion"] != version:
        installation.manage("promote", version)
    return [{**line, "version": None} for line in installation.export("predictions")]


def difference(calm: Ending, killed: Ending) -> str:
    """Where two endings differ; empty where they are the same."""
    if calm.state != killed.state:
        return f"the state is {killed.state}, undisturbed {calm.state}"
    if calm.predictions != killed.predictions:
        pairs = [(one, other) for one, other in zip(calm.predictions, killed.predictions, strict=False) if one != other]
        return f"{len(pairs)} predictions differ, the first: {pairs[:1]}"
    return ""


def _targets(installation: Installation, client: Client, redis: RedisServer, node: Node | None) -> list[Target]:
    def of_role(name: str) -> Target:
        return Target(name=name, kill=lambda: installation.kill(name), start=lambda: installation.start(name))

    def nothing() -> None:
        pass

    targets = [of_role(name) for name in ROLES]
    targets.append(Target(name="redis", kill=redis.kill, start=redis.start))
    targets.append(Target(name="messages in redis", kill=redis.flush, start=nothing))
    targets.append(Target(name="ingest command", kill=lambda: client.kill_command() and None, start=nothing))
    if node is not None:
        targets.append(Target(name="cassandra", kill=node.kill, start=node.launch))
    return targets


class _Run:
    """Kills, restarts, and waits. What ends by itself is started again, as a supervisor would, and counted."""

    def __init__(
        self, installation: Installation, client: Client, *, rng: random.Random, say: Callable[[str], None]
    ) -> None:
        self.installation = installation
        self.client = client
        self.rng = rng
        self.say = say
        self.killed: list[str] = []
        self.died: list[str] = []
        self.retried: list[str] = []

    def kill_and_restart(self, targets: Sequence[Target], kills: int) -> None:
        """Every target in turn, in a random order, over and over: each is hit, and none three times on end.

        The moments are spread over the client's work and the time after it.
        """
        order = self._order(targets)
        for number, moment in enumerate(sorted(self.rng.randrange(self.client.length) for _ in range(kills))):
            target = next(order)
            while self.client.begun < moment and self.client.is_alive():
                self._let_pass(0.1)
            self._let_pass(self.rng.uniform(*UNTIL_KILL))
            self.say(f"kill {number + 1}/{kills}: {target.name} (client: {self.client.doing})")
            target.kill()
            self.killed.append(target.name)
            self._let_pass(self.rng.uniform(*UNTIL_RESTART), but=target.name)
            target.start()

    def _order(self, targets: Sequence[Target]) -> Iterator[Target]:
        while True:
            yield from self.rng.sample(targets, len(targets))

    def _let_pass(self, seconds: float, *, but: str = "") -> None:
        deadline = time.monotonic() + seconds
        while True:
            self.look(but=but)
            left = deadline - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, 0.2))

    def look(self, *, but: str = "") -> None:
        """Start again what ended by itself; raise what the client could not get over."""
        if self.client.failure is not None:
            raise AssertionError(
                f"the client, at {self.client.doing!r}: {self.client.failure}\n{self.installation.logs()}"
            ) from self.client.failure
        for name in ROLES:
            if name != but and name not in self.installation.running():
                self.say(f"{name} ended by itself; it is started again")
                self.died.append(name)
                self.installation.start(name)

    def wait_for_the_client(self) -> None:
        deadline = time.monotonic() + REST_SECONDS
        while self.client.is_alive():
            if time.monotonic() > deadline:
                raise NeverHappenedError(f"the client is still at {self.client.doing!r}\n{self.installation.logs()}")
            self._let_pass(0.2)
        self.look()

    def wait_for_rest(self) -> None:
        self.say("waiting for rest")

        def at_rest() -> bool:
            self.look()
            self._retry_what_was_set_aside()
            return self.installation.is_quiet()

        self.installation.wait_until(at_rest, "everything said is learnt and no job is left", seconds=REST_SECONDS)

    def _retry_what_was_set_aside(self) -> None:
        """Work whose worker was killed three times counts as poison; an operator who knows better has it done again."""
        for job in self.installation.ask("jobs"):
            if job["status"] == "failed":
                self.say(f"set aside, and done again: {job['kind']} ({job['message']})")
                self.retried.append(job["kind"])
                self.installation.manage("jobs", "retry", job["job_id"])
