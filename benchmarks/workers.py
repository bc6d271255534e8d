"""How ingest scales over workers: one and two ingest-workers through Redis on each store, beside one and two processes
that run the bare networks and store nothing.

Every worker has one extraction process, so what is compared is the same work in as many processes. Within a round the
four runs follow each other and the ratio is taken, because a shared machine's speed changes from minute to minute; a
figure is the median over the rounds. Workers are warm: a few pictures go before. So is Cassandra, as a service in use
is: Java compiles a fresh node's code while it serves, which for the first thousands of pictures costs more CPU time
than storing them, so made-up ones are saved before anything is measured. A run lasts from the moment its job is queued
to the moment it is done: listing, messages and storing count. The pictures of each run are new to the store, the same
pixels with other bytes behind the end of the file, where decoders do not look.

Redis, PostgreSQL and Cassandra are started by the benchmark, and a store that cannot be is said.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from multiprocessing.pool import Pool
from pathlib import Path

from benchmarks.ingest import bare_pool, extract_bare
from benchmarks.report import Goal, Row, SkippedError, usable_cores
from benchmarks.settings import REPOSITORY, Bench
from tests.cassandra_node.node import NoNodeError, start
from tests.installation import Installation, on_cassandra, on_postgres, on_redis, on_sqlite
from tests.processes import children
from tests.servers import NoServerError, RedisServer, postgres

#: Pictures a run, and rounds; with --quick.
PICTURES, ROUNDS = 600, 3
QUICK_PICTURES, QUICK_ROUNDS = 60, 1
#: Pictures that warm a worker up: more than its first share takes. Such runs, until every worker had one.
FEW, WARM_UPS = 40, 20
#: Batches of made-up pictures that warm a Cassandra node up, and pictures in one: measured, Java is done by then.
NODE_BATCHES, NODE_BATCH = 120, 50
#: Of the speed-up of the bare processes.
GOAL = Goal(at_least=0.85)
ONE, TWO = 1, 2


class NotWarmError(Exception):
    """A worker never came to do anything."""


@dataclass(slots=True)
class _Round:
    """Pictures a second, by number of processes."""

    bare: dict[int, float] = field(default_factory=dict)
    workers: dict[int, float] = field(default_factory=dict)

    @property
    def bare_speed_up(self) -> float:
        return self.bare[TWO] / self.bare[ONE]

    @property
    def speed_up(self) -> float:
        return self.workers[TWO] / self.workers[ONE]


def measure(bench: Bench) -> Iterable[Row]:
    if usable_cores() < TWO:
        raise SkippedError("two workers need two cores")
    pictures = _Pictures(bench)
    cache = bench.scratch / "cache"
    try:
        redis = RedisServer()
    except NoServerError as error:
        raise SkippedError(str(error)) from error
    with redis, bare_pool(ONE, cache) as one, bare_pool(TWO, cache) as two:
        bare = {ONE: one, TWO: two}
        for pool in bare.values():
            pool.map(extract_bare, pictures.base[:FEW], chunksize=1)
        for store in ("SQLite", "PostgreSQL", "Cassandra"):
            try:
                with _settings(store, bench.scratch) as settings:
                    rounds = _measure_store(bench, settings, redis, pictures, bare, store.lower())
            except (NoServerError, NoNodeError) as error:
                yield Row(what=f"{store}: not measured", figure=0, unit="", beside=str(error))
                continue
            yield from _rows(store, rounds)


class _Pictures:
    """Pictures with faces, and folders of copies that are new to every store."""

    def __init__(self, bench: Bench) -> None:
        try:
            folder = bench.data("presidents")
        except SkippedError:
            folder = REPOSITORY / "sample_data"
        self.base = sorted(folder.glob("*.jpg"))
        self.number = QUICK_PICTURES if bench.quick else PICTURES
        self._scratch = bench.scratch
        self._folders = 0

    def new_folder(self, number: int) -> Path:
        """Spread evenly over all there are, so that every folder costs about the same."""
        self._folders += 1
        folder = self._scratch / f"pictures-{self._folders}"
        folder.mkdir()
        step = max(1, len(self.base) // number)
        for n, picture in enumerate(islice(cycle(self.base[::step]), number)):
            (folder / f"{n:04}.jpg").write_bytes(picture.read_bytes() + f"{self._folders} {n}".encode())
        return folder


@contextmanager
def _settings(store: str, scratch: Path) -> Iterator[dict[str, str]]:
    """Of an empty store. Raises NoServerError, NoNodeError."""
    match store:
        case "PostgreSQL":
            with postgres(os.environ.get("TEST_POSTGRES_URL", "")) as server:
                yield on_postgres(server)
        case "Cassandra":
            folder = scratch / "node"
            folder.mkdir()
            # As Cassandra comes: compiled with care, and its commit log synchronised by the clock, not by the request.
            node = start(folder, forgetful=True, lasting=True)
            try:
                yield on_cassandra(node.server.environment)
            finally:
                node.kill()
        case _:
            yield on_sqlite()


def _measure_store(
    bench: Bench,
    settings: dict[str, str],
    redis: RedisServer,
    pictures: _Pictures,
    bare: dict[int, Pool],
    name: str,
) -> list[_Round]:
    rounds = [_Round() for _ in range(QUICK_ROUNDS if bench.quick else ROUNDS)]
    queue = on_redis(redis)
    home = bench.scratch / name / "home"
    with Installation(home, {**settings, **queue, "INGEST_PROCESSES": "1", "LOG_LEVEL": "WARNING"}) as installation:
        installation.prepare()
        if name == "cassandra":
            _warm_node_up(installation)
        installation.start("dispatcher", "ingest-worker:1")
        for each in rounds:
            for number in (ONE, TWO):
                folder = pictures.new_folder(pictures.number)
                each.bare[number] = _bare_rate(bare[number], sorted(folder.glob("*.jpg")))
                if number == TWO:
                    installation.start("ingest-worker:2")
                _warm_up(installation, pictures, number)
                each.workers[number] = pictures.number / _seconds_of(installation, folder)
            installation.end("ingest-worker:2")
    return rounds


def _bare_rate(pool: Pool, paths: Sequence[Path]) -> float:
    started = time.perf_counter()
    pool.map(extract_bare, paths, chunksize=4)
    return len(paths) / (time.perf_counter() - started)


def _warm_node_up(installation: Installation) -> None:
    """In the installation's own keyspace: code that is compiled for other tables is compiled again for these."""
    writer = [sys.executable, "-m", "benchmarks.cassandra", "writer", str(NODE_BATCH), str(NODE_BATCHES)]
    subprocess.run(writer, cwd=REPOSITORY, env=installation.environment, check=True, stdout=subprocess.DEVNULL)


def _warm_up(installation: Installation, pictures: _Pictures, workers: int) -> None:
    """Until each worker has loaded the networks: whoever comes first may do a small run alone. Raises NotWarmError."""
    for _ in range(WARM_UPS):
        _seconds_of(installation, pictures.new_folder(FEW * workers))
        if all(_has_extractor(installation.pid(f"ingest-worker:{n + 1}")) for n in range(workers)):
            return
    raise NotWarmError(f"A worker did none of {WARM_UPS} runs:\n{installation.logs()}")


def _has_extractor(pid: int) -> bool:
    """The extraction process that a worker keeps once it has done a share."""
    return any("spawn_main" in command for command in children(pid).values())


def _seconds_of(installation: Installation, folder: Path) -> float:
    """Take a folder in by the queue; from its job's beginning to its end, by the clock that stamps jobs."""
    job_id = installation.manage("ingest", folder, "--queue")["job_id"]

    def ended() -> float | None:
        job = installation.ask("job", job_id=job_id)
        return float(job["seconds"]) if job["status"] == "done" else None

    return installation.wait_until(ended, f"{folder.name} is taken in", seconds=600) or 0.0


def _rows(store: str, rounds: Sequence[_Round]) -> Iterator[Row]:
    def median(figures: Iterable[float]) -> float:
        return statistics.median(list(figures))

    yield Row(
        what=f"{store}: 2 ingest-workers, of the speed-up of 2 bare processes",
        figure=median(each.speed_up / each.bare_speed_up for each in rounds),
        unit="",
        goal=GOAL,
        beside=(
            f"workers {median(each.workers[ONE] for each in rounds):.1f} → "
            f"{median(each.workers[TWO] for each in rounds):.1f} pictures/s, "
            f"x {median(each.speed_up for each in rounds):.2f}; "
            f"bare {median(each.bare[ONE] for each in rounds):.1f} → "
            f"{median(each.bare[TWO] for each in rounds):.1f}, x {median(each.bare_speed_up for each in rounds):.2f}"
        ),
    )
    for number in (ONE, TWO):
        yield Row(
            what=f"{store}: {number} ingest-worker{'s' if number > 1 else ''}, of as many bare processes",
            figure=median(each.workers[number] / each.bare[number] for each in rounds),
            unit="",
            beside=f"{len(rounds)} rounds",
        )
