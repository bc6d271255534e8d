"""The story: a look that the first version misses is found after three labels a persona.

Over several seeds, each on a copy of the same freshly ingested data/presidents: `train`; then, with the whole system
running and no further `train`, three random *non-presidential* pictures a persona (eyes covered, small) are labelled by
`label FILE.csv`; the new version comes by itself. Recall on the pictures of that look which were not labelled is
compared on the same pictures for both versions. Strangers are counted by picture, those with covered eyes apart: one
named face in a picture of a stranger is one stranger named.
"""

from __future__ import annotations

import csv
import json
import random
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.installation import CommandFailedError, Installation
from benchmarks.report import Goal, Row
from benchmarks.settings import Bench, SeedPicture, seed_pictures

LABELS_A_PERSONA = 3
#: A version that has not come after this long does not come.
WAIT_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """One seed; shares in percent."""

    first_all: float  #: recall of the first version on every non-presidential picture
    before: float  #: … on those that are not labelled later
    after: float
    presidential_before: float
    presidential_after: float
    clear_named: float  #: strangers with a clear face, after
    covered_named: float  #: strangers with covered eyes, after
    seconds: float  #: from the `label` command's end until the new version was champion

    @property
    def gain(self) -> float:
        return self.after - self.before

    @property
    def presidential_fall(self) -> float:
        return self.presidential_before - self.presidential_after


def measure(bench: Bench) -> Iterable[Row]:
    folder = bench.data("presidents")
    ingested = Installation.create(bench.scratch / "ingested")
    summary = ingested.manage("ingest", str(folder), exit_codes=(0, 3))
    # A sidecar beside two faces of equal right is refused, and so would a label of that picture be.
    ambiguous = {Path(rejection["path"]).stem for rejection in summary["rejected"]}
    pictures = [picture for picture in seed_pictures(folder) if picture.path.stem not in ambiguous]
    ingested.manage("train")
    chapters = []
    for seed in range(bench.seeds):
        installation = ingested.copy(bench.scratch / f"seed-{seed}")
        chapters.append(_tell(installation, pictures, seed))
    yield from _rows(chapters)


def _tell(installation: Installation, pictures: Sequence[SeedPicture], seed: int) -> Chapter:
    first = installation.manage("evaluate")
    labels = _choose(pictures, seed)
    file = installation.home / "labels.csv"
    _write(file, labels)
    with installation.running():
        installation.manage("label", str(file))
        started = time.perf_counter()
        _wait_for_champion(installation, after=first["version"])
        seconds = time.perf_counter() - started
    before = installation.manage("evaluate", "--model-version", str(first["version"]))
    after = installation.manage("evaluate")
    named = _strangers_named(installation, pictures)
    return Chapter(
        first_all=_recall(first, "non-presidential"),
        before=_recall(before, "non-presidential"),
        after=_recall(after, "non-presidential"),
        presidential_before=_recall(before, "presidential"),
        presidential_after=_recall(after, "presidential"),
        clear_named=named[False],
        covered_named=named[True],
        seconds=seconds,
    )


def _choose(pictures: Sequence[SeedPicture], seed: int) -> list[SeedPicture]:
    rng = random.Random(seed)
    chosen = []
    for persona in sorted({picture.persona for picture in pictures if picture.persona}):
        looks = [p for p in pictures if p.persona == persona and p.category == "non-presidential"]
        chosen += rng.sample(looks, LABELS_A_PERSONA)
    return chosen


def _write(file: Path, labels: Sequence[SeedPicture]) -> None:
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["image", "persona", "belongs"])
        writer.writerows([picture.path.name, picture.persona, "true"] for picture in labels)


def _wait_for_champion(installation: Installation, *, after: int) -> None:
    """Until a version that has seen every label is champion, or was refused. Raises CommandFailedError."""
    deadline = time.monotonic() + WAIT_SECONDS
    labels = len(installation.export("labels"))
    while time.monotonic() < deadline:
        newest = installation.manage("models", "--limit", "1")["versions"][0]
        if newest["version"] > after and newest["n_labels"] == labels:
            if newest["champion"]:
                return
            if newest["status"] == "refused":
                raise CommandFailedError(f"the gate refused version {newest['version']}: {newest['reasons']}")
        time.sleep(0.2)
    raise CommandFailedError(f"no version came within {WAIT_SECONDS:.0f} s of the labels")


def _recall(report: dict[str, Any], category: str) -> float:
    return 100 * float(report["categories"][category]["recall"])


def _strangers_named(installation: Installation, pictures: Sequence[SeedPicture]) -> dict[bool, float]:
    """Percent of pictures of strangers in which any face is named, by whether the eyes are covered."""
    named = {line["image"] for line in installation.export("predictions") if line["predicted"] is not None}
    strangers: dict[bool, list[bool]] = {False: [], True: []}
    for picture in pictures:
        if picture.category == "noise":
            covered = "look" in json.loads(picture.path.with_suffix(".json").read_text())
            strangers[covered].append(picture.path.name in named)
    return {covered: 100 * statistics.mean(each) for covered, each in strangers.items()}


def _rows(chapters: Sequence[Chapter]) -> Iterator[Row]:
    n = len(chapters)
    over = f"mean of {n} seeds"

    def mean(name: str) -> float:
        return float(statistics.mean(getattr(chapter, name) for chapter in chapters))

    def spread(name: str) -> str:
        values = [getattr(chapter, name) for chapter in chapters]
        return f"{over}; {min(values):.1f} to {max(values):.1f}"

    yield Row(what="first version finds, non-presidential", figure=mean("first_all"), unit="%", beside=over)
    yield Row(what="after 3 labels a persona, on the rest", figure=mean("after"), unit="%", beside=spread("after"))
    yield Row(
        what="gain on the rest", figure=mean("gain"), unit="points", goal=Goal(at_least=15), beside=spread("gain")
    )
    worst_gain = min(chapter.gain for chapter in chapters)
    yield Row(what="gain, the worst seed", figure=worst_gain, unit="points", goal=Goal(at_least=15))
    for what, name in (("clear", "clear_named"), ("with covered eyes", "covered_named")):
        worst = max(getattr(chapter, name) for chapter in chapters)
        yield Row(
            what=f"strangers named, {what}, worst seed",
            figure=worst,
            unit="%",
            goal=Goal(at_most=1),
            beside=spread(name),
        )
    fall = max(chapter.presidential_fall for chapter in chapters)
    yield Row(
        what="presidential recall falls by, worst seed",
        figure=fall,
        unit="points",
        goal=Goal(at_most=0.5),
        beside=spread("presidential_after"),
    )
    yield Row(
        what="labels to champion",
        figure=mean("seconds"),
        unit="s",
        beside=f"{spread('seconds')}, watched by a command that needs about 1 s",
    )
