"""Quality of versions over the labels they learnt from, or over time."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from personas.entities import ModelVersion, VersionStatus
from personas.words import count_of, share, three_decimals
from training.plots import WIDTH, Axis, Plot, Point, Scale, Series, Table, Tick, polyline, share_axis, value_axis
from training.recorded import Headline, headline_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A number of versions, and how it is drawn and written."""

    name: str
    tone: str
    dash: str
    read: Callable[[Headline], float | None]
    text: Callable[[float | None], str]


QUALITY = (
    Measure(name="faces found", tone="good", dash="", read=lambda headline: headline.recall, text=share),
    Measure(name="macro F1", tone="third", dash="dotted", read=lambda headline: headline.macro_f1, text=share),
    Measure(
        name="strangers named", tone="bad", dash="dashed", read=lambda headline: headline.strangers_named, text=share
    ),
)
CALIBRATION = (
    Measure(
        name="calibration error",
        tone="good",
        dash="",
        read=lambda headline: headline.calibration_error,
        text=three_decimals,
    ),
    Measure(name="Brier score", tone="third", dash="dotted", read=lambda headline: headline.brier, text=three_decimals),
)


class Over(enum.StrEnum):
    """What lies across."""

    LABELS = "labels"
    TIME = "time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Learner:
    """A version on the curve."""

    version: ModelVersion
    headline: Headline
    is_champion: bool
    href: str


def learner(version: ModelVersion, *, champion: int | None, href: str) -> Learner:
    return Learner(version=version, headline=headline_of(version), is_champion=version.version == champion, href=href)


def learning_plots(learners: Sequence[Learner], *, over: Over) -> tuple[Plot, ...]:
    """Quality and calibration of versions; none where fewer than two say anything."""
    shown = sorted(
        (one for one in learners if one.headline.recall is not None),
        key=lambda one: (_across(one, over), one.version.version),
    )
    if len(shown) < 2:
        return ()
    return _quality(shown, over), _calibration(shown, over)


def _quality(shown: Sequence[Learner], over: Over) -> Plot:
    x, y = _x_axis(shown, over), share_axis(upright=True)
    return Plot(
        slug="learning",
        title=f"What versions learn over {over}",
        name=f"Learning curve: faces found, macro F1 and strangers named over {over}, {len(shown)} versions",
        caption=_caption(over),
        x=x,
        y=y,
        series=_series(shown, over, QUALITY, x, y),
        table=_table(shown, QUALITY),
    )


def _calibration(shown: Sequence[Learner], over: Over) -> Plot:
    values = [value for one in shown for measure in CALIBRATION if (value := measure.read(one.headline)) is not None]
    x = _x_axis(shown, over)
    y = value_axis(max(values, default=0.0), text=lambda value: f"{value:g}", upright=True)
    return Plot(
        slug="calibration",
        title="How true their probabilities are",
        name=f"Calibration error and Brier score over {over}, {len(shown)} versions",
        caption="Both are better when lower: how far probabilities are off, and how far single answers are.",
        x=x,
        y=y,
        series=_series(shown, over, CALIBRATION, x, y),
        table=_table(shown, CALIBRATION),
    )


def _series(shown: Sequence[Learner], over: Over, measures: Sequence[Measure], x: Axis, y: Axis) -> tuple[Series, ...]:
    """A line goes through the versions that passed the gate; those it refused are hollow points beside it."""
    series = []
    for slot, measure in enumerate(measures, start=1):
        said = [(one, value) for one in shown if (value := measure.read(one.headline)) is not None]
        points = [
            Point(
                x=x.scale(_across(one, over)),
                y=y.scale(value),
                says=f"Version {one.version.version}{_standing(one)}, {count_of(one.version.n_labels, 'label')}: "
                f"{measure.name} {measure.text(value)}",
                href=one.href,
                look="ring" if one.is_champion else "hollow" if _refused(one) else "",
            )
            for one, value in said
        ]
        passed = [point for point, (one, _) in zip(points, said, strict=True) if not _refused(one)]
        series.append(
            Series(
                name=measure.name,
                slot=slot,
                tone=measure.tone,
                dash=measure.dash,
                points=tuple(points),
                line=polyline(passed),
            )
        )
    return tuple(series)


def _table(shown: Sequence[Learner], measures: Sequence[Measure]) -> Table:
    return Table(
        columns=("Version", "Trained (UTC)", "Labels", *(m.name[0].upper() + m.name[1:] for m in measures)),
        rows=tuple(
            (
                f"{one.version.version}{_standing(one)}",
                f"{one.version.created_at.astimezone(UTC):%Y-%m-%d %H:%M}",
                f"{one.version.n_labels:,}",
                *(measure.text(measure.read(one.headline)) for measure in measures),
            )
            for one in shown
        ),
    )


def _refused(one: Learner) -> bool:
    return one.version.status is VersionStatus.REFUSED and not one.is_champion


def _standing(one: Learner) -> str:
    if one.is_champion:
        return " (in use)"
    return " (refused)" if _refused(one) else ""


def _caption(over: Over) -> str:
    across = "labels learnt from" if over is Over.LABELS else "when it was trained"
    return f"Across: {across}. A ring is the version in use, a hollow point one that the gate refused."


def _across(one: Learner, over: Over) -> float:
    return float(one.version.n_labels) if over is Over.LABELS else one.version.created_at.timestamp()


def _x_axis(shown: Sequence[Learner], over: Over) -> Axis:
    values = [_across(one, over) for one in shown]
    if over is Over.LABELS:
        return value_axis(max(values), text=lambda value: f"{value:,.0f}", whole=True)
    scale = Scale(low=min(values), high=max(values), length=WIDTH)
    moments = [datetime.fromtimestamp(value, tz=UTC) for value in (scale.low, (scale.low + scale.high) / 2, scale.high)]
    if scale.low == scale.high:
        moments = moments[1:2]
    pattern = "%H:%M" if moments[-1] - moments[0] < timedelta(days=1) else "%Y-%m-%d"
    return Axis(
        scale=scale,
        ticks=tuple(Tick(at=scale(moment.timestamp()), text=f"{moment:{pattern}}") for moment in moments),
    )
