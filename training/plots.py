"""Drawings as values: axes, series, points with their sentences, the table behind them. Templates write them down.

Coordinates are those of an SVG drawing WIDTH x HEIGHT, y downwards. Nothing here knows a metric.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 200.0, 120.0
#: Ends of axes, times a power of ten; the last is there for every number, whole halves or not.
ROUND = (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10, 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """From values to a place on an axis."""

    low: float
    high: float
    length: float
    downwards: bool = False  #: the greatest value is at 0, as on an upright axis

    def __call__(self, value: float) -> float:
        span = self.high - self.low
        share = (value - self.low) / span if span else 0.5
        share = min(1.0, max(0.0, share))
        return round(self.length * (1 - share if self.downwards else share), 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    scale: Scale
    ticks: tuple[Tick, ...]

    @property
    def middle(self) -> float:
        return self.scale.length / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A place that can be pointed at."""

    x: float
    y: float
    says: str  #: the numbers, as a sentence
    href: str = ""  #: the page behind the point
    look: str = ""  #: "hollow", "ring", or "" for a dot


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A bar of a histogram; (x, y) is the middle of its end."""

    x: float
    y: float
    says: str
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Points of one colour, a line through those of `line`, or bars."""

    name: str
    slot: int  #: 1 to 6 in its plot: what the switch in the legend goes by
    tone: str  #: "good", "bad" or "third"
    dash: str = ""  #: "dashed" or "dotted": not by colour alone
    points: tuple[Point, ...] = ()
    bars: tuple[Bar, ...] = ()
    line: str = ""  #: `points` attribute of a polyline


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The numbers of a plot, as text. `says`: a sentence a row, where the plot has a slider; else empty."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    says: tuple[str, ...] = ()

    @property
    def lines(self) -> tuple[tuple[tuple[str, ...], str], ...]:
        """Each row with its sentence."""
        return tuple(zip(self.rows, self.says or ("",) * len(self.rows), strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Slider:
    """Moves a line through the drawing, from one row of the table to the next."""

    label: str
    stops: tuple[float, ...]  #: x of each row of the table
    words: tuple[str, ...]  #: what each stop is called

    @property
    def last(self) -> int:
        return len(self.stops) - 1

    @property
    def places(self) -> tuple[tuple[float, str], ...]:
        return tuple(zip(self.stops, self.words, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    slug: str  #: unique on its page
    title: str
    name: str  #: what a screen reader says of the whole drawing
    caption: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    table: Table
    diagonal: bool = False  #: a dashed line from corner to corner
    baseline: float | None = None  #: y of a line across, where bars begin
    slider: Slider | None = None
    follows: str = ""  #: slug of the plot whose slider moves a line here too


def share_axis(*, upright: bool = False) -> Axis:
    """From 0 to 100 %."""
    scale = Scale(low=0, high=1, length=HEIGHT if upright else WIDTH, downwards=upright)
    last = "100" if upright else "100 %"
    texts = ("0", "50", last)
    ticks = tuple(Tick(at=scale(at / 2), text=text) for at, text in enumerate(texts))
    return Axis(scale=scale, ticks=ticks)


def value_axis(greatest: float, *, text: Callable[[float], str], upright: bool = False, whole: bool = False) -> Axis:
    """From 0 to the round number that is not below `greatest`; ticks at its ends and in the middle.

    whole: of counts, so that half of it is a whole number too.
    """
    high = round_up(greatest, whole=whole)
    scale = Scale(low=0, high=high, length=HEIGHT if upright else WIDTH, downwards=upright)
    return Axis(scale=scale, ticks=tuple(Tick(at=scale(at), text=text(at)) for at in (0.0, high / 2, high)))


def round_up(value: float, *, whole: bool = False) -> float:
    """The least number of a few digits, half of which is round too, that is not below; 1 for nothing.

    whole: half of it is a whole number; 2 for nothing.
    """
    least = 2.0 if whole else 1.0
    if value <= 0:
        return least
    power = 10.0 ** math.floor(math.log10(value))
    candidates = (round(step * power, 12) for step in ROUND)
    return next(high for high in candidates if high >= value * (1 - 1e-9) and not (whole and high % 2))


def polyline(points: Sequence[Point]) -> str:
    return " ".join(f"{point.x:g},{point.y:g}" for point in points)
