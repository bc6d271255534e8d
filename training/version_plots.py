"""The plots of a version's page, and of two versions side by side: from what was recorded to drawings."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from personas.words import share
from training.plots import HEIGHT, Axis, Bar, Plot, Point, Scale, Series, Slider, Table, Tick, polyline, share_axis
from training.recorded import Histograms, Recorded, ReliabilityBin, Threshold, Thresholds

#: First and second version of a comparison.
DASHES = ("", "dashed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A version to draw. `called` stands before the names of its series; "" where it is the only one."""

    called: str
    recorded: Recorded

    def named(self, series: str) -> str:
        return f"{self.called}: {series}" if self.called else series


def reliability_plot(subjects: Sequence[Subject]) -> Plot | None:
    """Share that was right by what was said. None where a version has no bins."""
    if not all(subject.recorded.reliability for subject in subjects):
        return None
    x, y = share_axis(), share_axis(upright=True)
    series, rows = [], []
    for number, subject in enumerate(subjects):
        points = tuple(
            Point(x=x.scale(row.probability), y=y.scale(row.right), says=subject.named(_bin_says(row)))
            for row in subject.recorded.reliability
        )
        name = subject.named("share that was right")
        tone = ("good", "third")[number]
        series.append(
            Series(name=name, slot=number + 1, tone=tone, dash=DASHES[number], points=points, line=polyline(points))
        )
        rows += [
            (*_called(subject), f"{row.n:,}", share(row.probability), share(row.right))
            for row in subject.recorded.reliability
        ]
    n_bins = len(subjects[0].recorded.reliability)
    return Plot(
        slug="reliability",
        title="Are its probabilities true?" if len(subjects) == 1 else "Whose probabilities are true?",
        name=f"Reliability: share that was right against predicted probability, in {n_bins} bins",
        caption="Across: what it said. Up: how often it was right. Each point is as many faces as the others; on the "
        "dashed line is perfect.",
        x=x,
        y=y,
        series=tuple(series),
        table=Table(columns=(*_version_column(subjects), "Faces", "Said", "Was right"), rows=tuple(rows)),
        diagonal=True,
    )


def _bin_says(row: ReliabilityBin) -> str:
    return f"{row.n:,} faces, said {share(row.probability)}, right {share(row.right)}"


def thresholds_plot(subject: Subject) -> Plot | None:
    """Precision, recall and strangers named by the probability a name would need, with a slider along it."""
    thresholds = subject.recorded.thresholds
    if thresholds is None:
        return None
    x = share_axis()
    rows = thresholds.rows
    return Plot(
        slug="thresholds",
        title="If a name needed more certainty",
        name="Precision, faces found and strangers named against the probability a name would need",
        caption="Across: the probability a name would need. At 0 is what the version does."
        if thresholds.counted
        else "Across: the probability a name would need. This version did not record its precision.",
        x=x,
        y=share_axis(upright=True),
        series=_threshold_series(subject, thresholds),
        table=Table(
            columns=("Needed", "Precision", "Found", "Strangers named"),
            rows=tuple(
                (_needed(row), share(row.precision), share(row.recall), share(row.strangers_named)) for row in rows
            ),
            says=tuple(_threshold_says(row, thresholds) for row in rows),
        ),
        slider=Slider(
            label="Needed certainty",
            stops=tuple(x.scale(row.probability) for row in rows),
            words=tuple(_needed(row) for row in rows),
        ),
    )


def thresholds_compared(subjects: Sequence[Subject]) -> Plot | None:
    """Two versions in one drawing. None where one counted no names: what it kept cannot be compared."""
    both = [subject.recorded.thresholds for subject in subjects]
    if not all(thresholds and thresholds.counted for thresholds in both):
        return None
    series: list[Series] = []
    for number, (subject, thresholds) in enumerate(zip(subjects, both, strict=True)):
        if thresholds is not None:
            series += _threshold_series(subject, thresholds, first=len(series) + 1, dash=DASHES[number])
    return Plot(
        slug="thresholds",
        title="If a name needed more certainty",
        name="Precision, faces found and strangers named of both versions against the probability a name would need",
        caption="Across: the probability a name would need. At 0 is what each version does.",
        x=share_axis(),
        y=share_axis(upright=True),
        series=tuple(series),
        table=Table(
            columns=("Version", "Needed", "Precision", "Found", "Strangers named"),
            rows=tuple(
                (subject.called, _needed(row), share(row.precision), share(row.recall), share(row.strangers_named))
                for subject, thresholds in zip(subjects, both, strict=True)
                for row in (thresholds.rows if thresholds else ())
            ),
        ),
    )


def _threshold_series(
    subject: Subject, thresholds: Thresholds, *, first: int = 1, dash: str | None = None
) -> tuple[Series, ...]:
    """dash: of all its lines, where colours tell the series and dashes the version; None: each line its own."""
    measures: tuple[tuple[str, str, str, Callable[[Threshold], float | None]], ...] = (
        ("precision", "third", "dotted", lambda row: row.precision),
        ("faces found", "good", "", lambda row: row.recall),
        ("strangers named", "bad", "dashed", lambda row: row.strangers_named),
    )
    x, y = share_axis().scale, share_axis(upright=True).scale
    series: list[Series] = []
    for name, tone, own_dash, measure in measures if thresholds.counted else measures[1:]:
        points = tuple(
            Point(
                x=x(row.probability),
                y=y(value),
                says=f"{subject.named(name)} {share(value)} when {_needed(row)} is needed",
            )
            for row in thresholds.rows
            if (value := measure(row)) is not None
        )
        series.append(
            Series(
                name=subject.named(name),
                slot=first + len(series),
                tone=tone,
                dash=own_dash if dash is None else dash,
                points=points,
                line=polyline(points),
            )
        )
    return tuple(series)


def _threshold_says(row: Threshold, thresholds: Thresholds) -> str:
    """What would be named."""
    when = f"With {_needed(row)} needed" if row.probability else "As the version is"
    if not thresholds.counted:
        return f"{when}: {share(row.recall)} of known faces found, {share(row.strangers_named)} of strangers named."
    names = row.right + row.wrong
    return (
        f"{when}: {names:,} of {thresholds.n + thresholds.n_others:,} held-out faces get a name, {row.wrong:,} of them "
        f"a wrong one; {row.right:,} of {thresholds.n:,} known faces are found; tried as strangers, {row.strangers:,} "
        f"of {thresholds.n_strangers:,} get a name."
    )


def _needed(row: Threshold) -> str:
    return f"{row.probability * 100:g} %"


def histogram_plot(subject: Subject) -> Plot | None:
    """Best score of known faces upwards, of unknown ones downwards; heights grow with the logarithm of the count."""
    histograms = subject.recorded.histograms
    if histograms is None or not any((*histograms.known, *histograms.unknown)):
        return None
    most = max(*histograms.known, *histograms.unknown)
    greatest = math.log1p(most)
    known = _bars(histograms.known, greatest, upwards=True, what="known")
    unknown = _bars(histograms.unknown, greatest, upwards=False, what="unknown")
    x = share_axis()
    return Plot(
        slug="histogram",
        title="How far known and unknown lie apart",
        name=f"Histogram of best probability, {len(histograms.known)} bins: known faces upwards, unknown downwards",
        caption="Across: the probability of the best candidate. Upwards: held-out faces of known people; downwards: "
        "faces tried as strangers. Heights grow with the logarithm, so that a single face is seen.",
        x=x,
        y=_from_the_middle(most),
        series=(
            Series(name="known faces", slot=1, tone="good", bars=known),
            Series(name="unknown faces", slot=2, tone="bad", bars=unknown),
        ),
        table=Table(columns=("Probability", "Known", "Unknown"), rows=_histogram_rows(histograms)),
        baseline=HEIGHT / 2,
        follows="thresholds",
    )


def _from_the_middle(most: int) -> Axis:
    ends = Tick(at=0, text=f"{most:,}"), Tick(at=HEIGHT / 2, text="0"), Tick(at=HEIGHT, text=f"{most:,}")
    return Axis(scale=Scale(low=-most, high=most, length=HEIGHT, downwards=True), ticks=ends)


def _bars(counts: Sequence[int], greatest: float, *, upwards: bool, what: str) -> tuple[Bar, ...]:
    x, middle = share_axis().scale, HEIGHT / 2
    bars = []
    for place, count in enumerate(counts):
        if not count:
            continue
        left, right = x(place / len(counts)), x((place + 1) / len(counts))
        height = round(middle * math.log1p(count) / greatest, 2)
        bars.append(
            Bar(
                x=round((left + right) / 2, 2),
                y=middle - height if upwards else middle + height,
                says=f"{count:,} {what} {'face' if count == 1 else 'faces'} at {_bin_range(place, len(counts))}",
                left=round(left + 0.4, 2),
                top=round(middle - height if upwards else middle, 2),
                width=round(right - left - 0.8, 2),
                height=height,
            )
        )
    return tuple(bars)


def _histogram_rows(histograms: Histograms) -> tuple[tuple[str, ...], ...]:
    """Bins that hold a face."""
    return tuple(
        (_bin_range(place, len(histograms.known)), f"{known:,}", f"{unknown:,}")
        for place, (known, unknown) in enumerate(zip(histograms.known, histograms.unknown, strict=True))
        if known or unknown
    )


def _bin_range(place: int, n_bins: int) -> str:
    return f"{place / n_bins * 100:g} to {(place + 1) / n_bins * 100:g} %"


def _called(subject: Subject) -> tuple[str, ...]:
    return (subject.called,) if subject.called else ()


def _version_column(subjects: Sequence[Subject]) -> tuple[str, ...]:
    return ("Version",) if len(subjects) > 1 else ()
