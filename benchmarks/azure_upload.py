"""The training set into a share of Azure Files, beside the package's own upload, file by file.

The service is the double of the tests, in a process of its own, so this is no figure of Azure's. What it can say is
what the way of uploading is worth: both ways meet the same server, once as fast as it can, once with the milliseconds
of a network before each answer.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.report import Goal, Row, SkippedError
from benchmarks.settings import REPOSITORY, Bench

FILES, QUICK_FILES = 10_000, 1_000
#: The bare loop has as many files as are enough to know its pace.
BARE_FILES, QUICK_BARE_FILES = 500, 150
BYTES = (4_000, 40_000)
#: Seconds before each answer, as within a region or from near it.
LATENCIES = (0.005, 0.0)
TIMES_FASTER = Goal(at_least=5)


def measure(bench: Bench) -> Iterator[Row]:
    """Files a second both ways, then once more with everything there."""
    try:
        import azure.storage.fileshare  # noqa: F401
    except ImportError:
        raise SkippedError("azure-storage-file-share is missing: pip install -r requirements-azure.txt") from None
    folder = bench.scratch / "set"
    made = draw(folder, QUICK_FILES if bench.quick else FILES)
    for latency in LATENCIES:
        place = bench.scratch / f"latency-{latency}"
        place.mkdir()
        with serving(place, latency) as said:
            yield from _measure(folder, made, said, latency, QUICK_BARE_FILES if bench.quick else BARE_FILES)


def draw(folder: Path, number: int) -> list[Path]:
    """Files of random bytes, a hundred a folder."""
    chance = random.Random(1)
    made = []
    for each in range(number):
        place = folder / f"{each // 100:03}" / f"{each:05}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(chance.randbytes(chance.randrange(*BYTES)))
        made.append(place)
    return made


@contextmanager
def serving(place: Path, latency: float) -> Iterator[dict[str, Any]]:
    """The double; gives where it is and what it lets in."""
    command = [sys.executable, "-m", "tests.azure_double.files", str(place), "--latency", str(latency)]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(10)


def _measure(folder: Path, made: list[Path], said: dict[str, Any], latency: float, n_bare: int) -> Iterator[Row]:
    from ingest.azure_share import open_share
    from orchestration.azure.upload import Upload, upload_folder

    to = Upload(
        account_url=said["url"], account=said["account"], share="faces", key=said["key"], ca_bundle=said["bundle"]
    )
    share = open_share(to.access, to.share, connections=1)
    share.create_share()
    share.create_directory("bare")
    where = f"{latency * 1000:.0f} ms to the service"

    half = n_bare // 2
    bare = _bare(share, made[:half])
    done = upload_folder(folder, to)
    bare += _bare(share, made[half : 2 * half])
    pace, alone = done.files / done.seconds, 2 * half / bare
    assert (done.files, done.failed) == (len(made), {})
    yield Row(what=f"{len(made):,} files, {where}", figure=pace, unit="files/s", beside=f"bare loop {alone:.1f}")
    yield Row(what=f"times the bare loop, {where}", figure=pace / alone, unit="x", goal=TIMES_FASTER)
    again = upload_folder(folder, to)
    seconds = f"{again.seconds:.1f} s"
    yield Row(
        what=f"sent by a second run, {where}", figure=again.files, unit="files", goal=Goal(at_most=0), beside=seconds
    )


def _bare(share: Any, made: list[Path]) -> float:
    """Seconds of `upload_file`, one after the other, over one connection."""
    began = time.perf_counter()
    for place in made:
        share.get_file_client(f"bare/{place.name}").upload_file(place.read_bytes())
    return time.perf_counter() - began
