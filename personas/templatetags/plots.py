"""Points of plots: numbers from 0 to 1 as coordinates of a drawing 200 wide and 120 high, y upwards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django import template

register = template.Library()

WIDTH, HEIGHT = 200.0, 120.0


@register.filter
def plot_x(share: float) -> str:
    return f"{share * WIDTH:.1f}"


@register.filter
def plot_y(share: float) -> str:
    return f"{(1 - share) * HEIGHT:.1f}"


@register.simple_tag
def plot_line(points: Iterable[Mapping[str, float]], x: str, y: str) -> str:
    """The `points` attribute of a polyline through (row[x], row[y])."""
    return " ".join(f"{plot_x(row[x])},{plot_y(row[y])}" for row in points)


@register.filter
def share(value: float | str | None) -> str:
    """A share with one decimal; a dash where nothing was seen, or where an old version has no such number ("")."""
    return f"{value * 100:.1f} %" if isinstance(value, int | float) else "–"
