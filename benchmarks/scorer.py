"""What HTTP costs: embeddings and pictures a second of the scorer beside the bare classifier and extractor.

The model is trained on data/presidents, exported, and served with no store by the real process behind gunicorn. Rounds
of the scorer and of the bare thing take turns in one run, so that a busy machine slows both.
"""

from __future__ import annotations

import base64
import http.client
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.installation import CommandFailedError, Installation, free_port
from benchmarks.report import Goal, Row
from benchmarks.settings import REPOSITORY, Bench, seed_pictures

TOKEN = "the-token-of-the-benchmark"
TOP_K = 3
START_SECONDS = 120.0
#: Pictures in one request.
PICTURES_AT_ONCE = 16
JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A scorer that listens. process: gunicorn's, whose child answers."""

    port: int
    process: int

    def cpu_seconds(self) -> float:
        """Of the scorer so far, in steps of a hundredth."""
        children = Path(f"/proc/{self.process}/task/{self.process}/children").read_text().split()
        fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in children]
        return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")  # utime, stime: proc(5)

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_SECONDS)


def measure(bench: Bench) -> Iterable[Row]:
    folder = bench.data("presidents")
    installation = Installation.create(bench.scratch / "home")
    installation.manage("ingest", str(folder), exit_codes=(0, 3))
    installation.manage("train")
    model = bench.scratch / "model"
    installation.manage("export_model", str(model))
    paths = [each.path for each in seed_pictures(folder)][: 32 if bench.quick else 96]
    with _scorer(installation, model, extractors=1) as served:
        yield from _embeddings(served, model, rounds=3 if bench.quick else 7)
        yield from _pictures(served, bench.scratch / "home" / "cache" / "models", paths)
    with _scorer(installation, model, extractors=bench.n_processes) as served:
        yield _side_by_side(served, paths, bench.n_processes)


def _embeddings(served: Served, model: Path, *, rounds: int) -> Iterable[Row]:
    from training.model_folder import read_model_folder

    recogniser = read_model_folder(model).recogniser
    rng = np.random.default_rng(0)
    connection = served.connection()
    for n_faces, repeats in ((1, 200), (100, 20), (10_000, 1)):
        vectors = rng.standard_normal((n_faces, 128)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)

        def bare(faces: Any = vectors) -> None:
            recogniser.classifier.claims(faces, n_candidates=TOP_K)

        packed = _body(embeddings=base64.b64encode(vectors.tobytes()).decode(), embedder=recogniser.embedder)
        written = _body(embeddings=vectors.tolist(), embedder=recogniser.embedder)
        asked = {
            "base64": lambda body=packed: _post(connection, "/v1/score", body, JSON),
            "numbers": lambda body=written: _post(connection, "/v1/score", body, JSON),
        }
        times = _in_turns({"bare": bare, **asked}, rounds=rounds, repeats=repeats)
        alone = n_faces / min(times["bare"])  # at its least disturbed, as the others
        for name in asked:
            rate = n_faces / min(times[name])
            yield Row(
                what=f"embeddings a second, {n_faces:,} a request as {name}",
                figure=rate,
                unit="embeddings/s",
                beside=f"the bare classifier {alone:,.0f}: {rate / alone:.3f} of it",
            )
        if n_faces == 1:
            cuts = statistics.quantiles(times["numbers"], n=20)
            yield Row(what="one embedding, half of the requests within", figure=1e3 * cuts[9], unit="ms")
            yield Row(what="one embedding, 95 % of the requests within", figure=1e3 * cuts[18], unit="ms")


def _pictures(served: Served, cache: Path, paths: Sequence[Path]) -> Iterable[Row]:
    from ingest.vision import ExtractorConfig, build_extractor

    extractor = build_extractor(ExtractorConfig(cache_dir=cache))
    contents = [path.read_bytes() for path in paths]
    batches = [contents[start : start + PICTURES_AT_ONCE] for start in range(0, len(contents), PICTURES_AT_ONCE)]
    bodies = [_body(images=[base64.b64encode(each).decode() for each in batch]) for batch in batches]
    connection = served.connection()
    seconds = {"bare": 0.0, "batches": 0.0, "one": 0.0}  # of all batches, each at its least disturbed
    cpu = dict.fromkeys(seconds, 0.0)  # of all rounds; does not change with what else runs on the machine

    def on_cpu(name: str, clock: Callable[[], float], thing: Callable[[], Any]) -> None:
        started = clock()
        thing()
        cpu[name] += clock() - started

    def one_by_one(batch: Sequence[bytes]) -> None:
        for content in batch:
            _post(connection, "/v1/score", content, "image/jpeg")

    for batch, body in zip(batches, bodies, strict=True):
        asked = partial(_post, connection, "/v1/score", body, JSON)
        things: dict[str, Callable[[], Any]] = {
            "bare": partial(on_cpu, "bare", time.process_time, partial(extractor.extract_many, batch)),
            "batches": partial(on_cpu, "batches", served.cpu_seconds, asked),
            "one": partial(on_cpu, "one", served.cpu_seconds, partial(one_by_one, batch)),
        }
        for name, times in _in_turns(things, rounds=6, repeats=1).items():
            seconds[name] += min(times)
    alone = len(paths) / seconds["bare"]
    for name, what in (("batches", f"{PICTURES_AT_ONCE} a request"), ("one", "one a request")):
        rate = len(paths) / seconds[name]
        yield Row(
            what=f"pictures a second, one extractor, {what}",
            figure=rate,
            unit="pictures/s",
            beside=f"the bare extractor {alone:.1f}",
        )
        yield Row(
            what=f"the same, {what}",
            figure=rate / alone,
            unit="x the bare extractor",
            goal=Goal(at_least=0.8) if name == "batches" else None,
            beside=f"by CPU time, whatever else runs: {cpu['bare'] / cpu[name]:.2f}",
        )


def _side_by_side(served: Served, paths: Sequence[Path], n_connections: int) -> Row:
    contents = [path.read_bytes() for path in paths]

    def client(mine: Sequence[bytes]) -> None:
        connection = served.connection()
        for content in mine:
            _post(connection, "/v1/score", content, "image/jpeg")

    shares = [contents[number::n_connections] for number in range(n_connections)]
    times = []
    with ThreadPoolExecutor(n_connections) as pool:
        for _ in range(3):
            started = time.perf_counter()
            list(pool.map(client, shares))
            times.append(time.perf_counter() - started)
    what = f"pictures a second, an extractor a core, {n_connections} connections, one picture a request"
    return Row(what=what, figure=len(paths) / min(times), unit="pictures/s")


def _in_turns(things: Mapping[str, Callable[[], Any]], *, rounds: int, repeats: int) -> dict[str, list[float]]:
    """Seconds of each call, by name; each round calls every thing `repeats` times."""
    times: dict[str, list[float]] = {name: [] for name in things}
    for thing in things.values():
        thing()
    for _, (name, thing) in itertools.product(range(rounds), things.items()):
        for _ in range(repeats):
            started = time.perf_counter()
            thing()
            times[name].append(time.perf_counter() - started)
    return times


def _body(**content: Any) -> bytes:
    return json.dumps({**content, "top_k": TOP_K}).encode()


def _post(connection: http.client.HTTPConnection, path: str, body: bytes, kind: str) -> bytes:
    connection.request("POST", path, body, {"Content-Type": kind, "Authorization": f"Bearer {TOKEN}"})
    response = connection.getresponse()
    content = response.read()
    if response.status != http.HTTPStatus.OK:
        raise CommandFailedError(f"the scorer answered {response.status}: {content[:300]!r}")
    return content


@contextmanager
def _scorer(installation: Installation, model: Path, *, extractors: int) -> Iterator[Served]:
    port = free_port()
    environment = {
        **installation.environ(),
        "SCORER_MODEL_DIR": str(model),
        "SCORER_TOKEN": TOKEN,
        "SCORER_EXTRACTORS": str(extractors),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestration.scorer", "--port", str(port)], cwd=REPOSITORY, env=environment
    )
    try:
        _wait_until_ready(process, port)
        yield Served(port=port, process=process.pid)
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == http.HTTPStatus.OK:
                return
        except OSError:  # it does not listen yet
            pass
        finally:
            connection.close()
        time.sleep(0.1)
    raise CommandFailedError("the scorer does not become ready; what it said stands above")
