"""What a benchmark says: rows of figures with their goals, one table, one JSON file."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).resolve().parent / "results"


class SkippedError(Exception):
    """A benchmark cannot run here; the message says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A limit the figure has to keep. Ratios and shares only where it is a promise: seconds depend on the machine."""

    at_least: float | None = None
    at_most: float | None = None

    def met_by(self, figure: float) -> bool:
        above = self.at_least is None or figure >= self.at_least
        return above and (self.at_most is None or figure <= self.at_most)

    def __str__(self) -> str:
        limits = [("≥", self.at_least), ("≤", self.at_most)]
        return " ".join(f"{sign} {limit:g}" for sign, limit in limits if limit is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure."""

    what: str
    figure: float
    unit: str
    goal: Goal | None = None
    beside: str = ""  #: what it is a ratio to, or the same figure of the peer or of the physical limit

    @property
    def verdict(self) -> str:
        """ "met", "missed", or "" where there is no goal."""
        if self.goal is None:
            return ""
        return "met" if self.goal.met_by(self.figure) else "missed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one benchmark."""

    name: str
    rows: tuple[Row, ...] = ()
    skipped: str = ""
    failed: str = ""
    seconds: float = 0.0


def machine() -> dict[str, Any]:
    """CPU, cores this process may use, how busy they are, Python."""
    return {
        "cpu": _cpu_name(),
        "cores": usable_cores(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def show(outcomes: Sequence[Outcome], described: dict[str, Any], console: Console) -> None:
    """The table, then what did not run."""
    table = Table(title="Benchmarks", title_justify="left")
    for column in ("", "what", "figure", "unit", "goal", "beside", "verdict"):
        table.add_column(column, justify="right" if column == "figure" else "left", overflow="fold")
    for outcome in outcomes:
        for number, row in enumerate(outcome.rows):
            goal = str(row.goal) if row.goal else ""
            name = outcome.name if number == 0 else ""
            style = {"met": "green", "missed": "bold red"}.get(row.verdict, "")
            verdict = f"[{style}]{row.verdict}[/]" if style else ""
            table.add_row(name, row.what, shown(row.figure), row.unit, goal, row.beside, verdict)
        table.add_section()
    console.print(table)
    console.print(
        f"{described['cpu']}, {described['cores']} cores (load {described['load']} at the start), "
        f"Python {described['python']}, {described['system']}"
    )
    for outcome in outcomes:
        if outcome.skipped:
            console.print(f"[bold yellow]SKIPPED {outcome.name}: {outcome.skipped}[/]")
        if outcome.failed:
            console.print(f"[bold red]FAILED {outcome.name}: {outcome.failed}[/]")


def shown(figure: float) -> str:
    """Three significant digits, and no more than three after the point."""
    if figure == 0 or abs(figure) >= 100:
        return f"{figure:,.0f}"
    if abs(figure) >= 10:
        return f"{figure:.1f}"
    return f"{figure:.2f}" if abs(figure) >= 1 else f"{figure:.3f}"


def write(outcomes: Sequence[Outcome], described: dict[str, Any], *, at: datetime) -> Path:
    """`benchmarks/results/<date>.json`."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{at:%Y-%m-%dT%H-%M-%S}.json"
    content = {"at": at.isoformat(), "machine": described, "benchmarks": [_as_json(outcome) for outcome in outcomes]}
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path


def _as_json(outcome: Outcome) -> dict[str, Any]:
    rows = [{**asdict(row), "goal": str(row.goal or ""), "verdict": row.verdict} for row in outcome.rows]
    return {**asdict(outcome), "rows": rows}
