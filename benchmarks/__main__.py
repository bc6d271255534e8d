"""`python -m benchmarks [NAME …]`: run benchmarks, print one table, write benchmarks/results/<date>.json."""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from rich.console import Console

from benchmarks.report import Outcome, Row, SkippedError, machine, show, write
from benchmarks.settings import Bench

#: In the order in which they run. Each module has `measure(bench) -> Iterable[Row]`.
NAMES = (
    *("ingest", "peers_recipe", "open_set", "fit", "story", "label_to_visible", "store", "cassandra", "scorer"),
    *("workers", "clustering", "labelling", "key_to_face", "azure_face", "azure_upload"),
)

Measure = Callable[[Bench], Iterable[Row]]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which ones (default: all): {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="fewer pictures, rounds and seeds")
    parser.add_argument("--seeds", type=int, default=5, help="repetitions of the story (default: 5)")
    parser.add_argument("--processes", type=int, default=0, help="one-thread processes (default: one a core)")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in NAMES]
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(NAMES)}")
    console, described = Console(width=None if sys.stdout.isatty() else 160), machine()
    outcomes = []
    for name in options.names or NAMES:
        print(f"{name} ...", file=sys.stderr, flush=True)
        outcomes.append(run(name, options))
    show(outcomes, described, console)
    console.print(f"Written to {write(outcomes, described, at=datetime.now(UTC))}")
    return 1 if any(outcome.failed for outcome in outcomes) else 0


def run(name: str, options: argparse.Namespace) -> Outcome:
    """One benchmark; whatever goes wrong in it does not stop the others."""
    started = time.perf_counter()
    scratch = Path(tempfile.mkdtemp(prefix=f"faceproject-{name}-"))
    bench = Bench(
        scratch=scratch,
        quick=options.quick,
        seeds=min(options.seeds, 2) if options.quick else options.seeds,
        processes=options.processes,
    )
    rows: list[Row] = []
    skipped = failed = ""
    try:
        for row in measure_of(name)(bench):
            rows.append(row)
            print(f"  {row.what}: {row.figure:.4g} {row.unit}  {row.beside}", file=sys.stderr, flush=True)
    except SkippedError as reason:
        skipped = str(reason)
    except Exception as error:  # noqa: BLE001  one benchmark's failure is a line of the report
        traceback.print_exc()
        failed = f"{type(error).__name__}: {error}"
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    seconds = round(time.perf_counter() - started, 1)
    return Outcome(name=name, rows=tuple(rows), skipped=skipped, failed=failed, seconds=seconds)


def measure_of(name: str) -> Measure:
    """The benchmark's function. Raises SkippedError."""
    if importlib.util.find_spec(f"benchmarks.{name}") is None:
        raise SkippedError(f"benchmarks/{name}.py is not there")
    measure: Measure = import_module(f"benchmarks.{name}").measure
    return measure


if __name__ == "__main__":
    sys.exit(main())
