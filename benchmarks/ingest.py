"""Pictures a second of `manage.py ingest`, beside the peers' recipe on the same pictures in the same run.

Both use the same number of processes of one thread. Runs alternate (peer, product, OpenVINO, bare) and the ratio of
each round is taken, because a shared machine's speed changes from minute to minute. The peers' processes are warm:
their start and the loading of their models are not counted. The row with the goal therefore compares warm with warm: of
the product's run, that of a few pictures is taken off. The rows below it count everything. The physical limit is the
bare extractor: the same decoding and the same two networks in as many processes, storing nothing.

CPU time a picture stands beside, parent and workers together: it hardly changes with what else the machine does.
"""

from __future__ import annotations

import importlib.util
import multiprocessing
import resource
import shutil
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.pool import Pool
from pathlib import Path

from benchmarks.installation import Installation
from benchmarks.peers_recipe import extract_all, one_thread, peers_pool
from benchmarks.report import Goal, Row
from benchmarks.settings import Bench, seed_pictures

#: The pipelines compared, by the name shown.
PEERS, OURS, OPENVINO, BARE = "peers' recipe", "ONNX Runtime", "OpenVINO bf16", "bare extractor"


@dataclass(slots=True)
class Rates:
    """One entry a round, by pipeline: pictures a second, and CPU seconds a picture."""

    rates: dict[str, list[float]] = field(default_factory=dict)
    cpu: dict[str, list[float]] = field(default_factory=dict)
    faces: dict[str, int] = field(default_factory=dict)  #: found in all pictures

    def add(self, pipeline: str, pictures: int, seconds: float, cpu_seconds: float | None = None) -> None:
        self.rates.setdefault(pipeline, []).append(pictures / seconds)
        if cpu_seconds is not None:
            self.cpu.setdefault(pipeline, []).append(cpu_seconds / pictures)

    def median(self, pipeline: str) -> float:
        return statistics.median(self.rates[pipeline])

    def ratio(self, pipeline: str, to: str) -> float:
        """Median over the rounds of the ratio within a round."""
        return statistics.median(a / b for a, b in zip(self.rates[pipeline], self.rates[to], strict=True))

    def cpu_ms(self, pipeline: str) -> float:
        return 1000 * statistics.median(self.cpu[pipeline])


def measure(bench: Bench) -> Iterable[Row]:
    folder = _pictures(bench)
    paths = [picture.path for picture in seed_pictures(folder)]
    rates = _measure_rounds(bench, folder, paths)
    yield from _rows(rates, bench.n_processes)


def _pictures(bench: Bench) -> Path:
    """All of data/presidents, or every fourth picture of it."""
    folder = bench.data("presidents")
    if not bench.quick:
        return folder
    return _folder_of(bench.scratch / "pictures", [picture.path for picture in seed_pictures(folder)[::4]])


def _folder_of(folder: Path, paths: Sequence[Path]) -> Path:
    """A folder of copies of these pictures and their sidecars."""
    folder.mkdir()
    for path in paths:
        shutil.copy(path, folder)
        shutil.copy(path.with_suffix(".json"), folder)
    return folder


def _measure_rounds(bench: Bench, folder: Path, paths: Sequence[Path]) -> Rates:
    rates = Rates()
    cache = bench.scratch / "cache"  # the networks as they are rewritten once an installation
    with peers_pool(bench.n_processes) as peers, bare_pool(bench.n_processes, cache) as bare:
        extract_all(peers, paths[: 2 * bench.n_processes])
        bare.map(extract_bare, paths[: 2 * bench.n_processes], chunksize=1)
        runtimes = {OURS: {"FACE_RUNTIME": "onnxruntime"}}
        if openvino_has_bf16():
            runtimes[OPENVINO] = {"FACE_RUNTIME": "openvino"}
        few = _folder_of(bench.scratch / "few", paths[:: max(1, len(paths) // (2 * bench.n_processes))])
        starts = {
            pipeline: _start(bench, few, cache, runtime, number)
            for number, (pipeline, runtime) in enumerate(runtimes.items())
        }
        for number in range(2 if bench.quick else 3):
            started = time.perf_counter()
            found, cpu = extract_all(peers, paths)
            rates.add(PEERS, len(paths), time.perf_counter() - started, cpu)
            rates.faces[PEERS] = sum(map(len, found))
            for pipeline, runtime in runtimes.items():
                home = bench.scratch / f"round-{number}"
                run = _ingest(bench, folder, Installation.create(home, CACHE_ROOT=str(cache), **runtime))
                shutil.rmtree(home)
                rates.faces[pipeline] = run.faces
                start = starts[pipeline]
                warm = run.new - start.new
                rates.add(pipeline, warm, run.seconds - start.seconds, run.cpu - start.cpu)
                rates.add(f"{pipeline}, with its start", run.new, run.seconds)
                rates.add(f"{pipeline}, whole command", run.new, run.whole)
            started = time.perf_counter()
            cpu = sum(bare.map(extract_bare, paths, chunksize=4))
            rates.add(BARE, len(paths), time.perf_counter() - started, cpu)
    return rates


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One `ingest` command. Seconds: as its summary says, from start to end, and of CPU in all its processes."""

    new: int
    faces: int
    seconds: float
    whole: float
    cpu: float


def _ingest(bench: Bench, folder: Path, installation: Installation) -> Run:
    cpu, started = _cpu_of_children(), time.perf_counter()
    summary = installation.manage("ingest", str(folder), "--workers", str(bench.n_processes), exit_codes=(0, 3))
    whole = time.perf_counter() - started
    return Run(
        new=summary["new"],
        faces=summary["faces"],
        seconds=summary["seconds"],
        whole=whole,
        cpu=_cpu_of_children() - cpu,
    )


def _start(bench: Bench, few: Path, cache: Path, runtime: dict[str, str], number: int) -> Run:
    """A run of a few pictures, once the rewritten networks lie in the cache: what it costs to begin."""
    for name in ("cold", "warm"):
        home = bench.scratch / f"{name}-{number}"
        run = _ingest(bench, few, Installation.create(home, CACHE_ROOT=str(cache), **runtime))
    return run


def _cpu_of_children() -> float:
    """Of processes that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def openvino_has_bf16() -> bool:
    """Whether OpenVINO is installed and this CPU computes in bf16."""
    if importlib.util.find_spec("openvino") is None:
        return False
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


# ---- the physical limit ----------------------------------------------------------------------------------------------
_bare_extractor = None


def _start_bare(cache: Path) -> None:
    from ingest.vision import ExtractorConfig, build_extractor

    global _bare_extractor
    _bare_extractor = build_extractor(ExtractorConfig(cache_dir=cache / "models"))


def extract_bare(path: Path) -> float:
    """Extract; returns CPU seconds."""
    assert _bare_extractor is not None
    started = time.process_time()
    _bare_extractor.extract(path.read_bytes())
    return time.process_time() - started


def bare_pool(n_processes: int, cache: Path) -> Pool:
    """Processes of one thread with the product's extractor loaded."""
    one_thread()
    return multiprocessing.get_context("spawn").Pool(n_processes, initializer=_start_bare, initargs=(cache,))


def _rows(rates: Rates, n_processes: int) -> Iterator[Row]:
    processes = f"{n_processes} processes"
    peers_cpu = rates.cpu_ms(PEERS)
    yield Row(
        what=PEERS,
        figure=rates.median(PEERS),
        unit="pictures/s",
        beside=f"{processes}, models loaded; {peers_cpu:.0f} ms of CPU a picture",
    )
    for pipeline in (OURS, OPENVINO):
        if pipeline not in rates.rates:
            continue
        yield Row(
            what=f"ingest, {pipeline}, both warm",
            figure=rates.ratio(pipeline, PEERS),
            unit="x peers",
            goal=Goal(at_least=6),
            beside=f"{rates.median(pipeline):.0f} pictures/s, {processes}",
        )
        yield Row(
            what=f"ingest, {pipeline}, both warm, by CPU time",
            figure=peers_cpu / rates.cpu_ms(pipeline),
            unit="x peers",
            beside=f"{rates.cpu_ms(pipeline):.1f} ms of CPU a picture, with storing",
        )
        yield Row(
            what=f"ingest, {pipeline}, both warm, faces found a second",
            figure=rates.ratio(pipeline, PEERS) * rates.faces[pipeline] / rates.faces[PEERS],
            unit="x peers",
            beside=f"{rates.faces[pipeline]} faces in these pictures, the peers' recipe {rates.faces[PEERS]}",
        )
        for counted, meant in (("with its start", "as its summary says"), ("whole command", "with Python's start")):
            name = f"{pipeline}, {counted}"
            yield Row(
                what=f"ingest, {name}",
                figure=rates.ratio(name, PEERS),
                unit="x peers",
                beside=f"{rates.median(name):.0f} pictures/s, {meant}",
            )
    yield Row(
        what=f"ingest, {OURS}, of the physical limit",
        figure=100 * rates.ratio(OURS, BARE),
        unit="%",
        beside=f"bare extractor {rates.median(BARE):.0f} pictures/s, {rates.cpu_ms(BARE):.1f} ms of CPU a picture",
    )
