"""Numbers as people say them."""

from __future__ import annotations

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def duration(seconds: float | None) -> str:
    """In one unit that a glance takes in: "8 s", "12 min", "3 h"; "" for None."""
    if seconds is None:
        return ""
    for length, unit in _UNITS:
        if seconds >= 1.5 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 1):.0f} s"


def count_of(number: int, what: str) -> str:
    """As in "1 picture" and "1,200 pictures"."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def share(value: float | str | None) -> str:
    """A share with one decimal; a dash where nothing was seen, or where an old version has no such number ("")."""
    return f"{value * 100:.1f} %" if isinstance(value, int | float) else "–"


def three_decimals(value: float | str | None) -> str:
    """A small number such as a calibration error; a dash as `share` has it."""
    return f"{value:.3f}" if isinstance(value, int | float) else "–"
