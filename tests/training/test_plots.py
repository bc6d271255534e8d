"""Drawings: values to places, and axes that end at round numbers."""

from __future__ import annotations

import pytest

from training.plots import Point, Scale, Table, polyline, round_up, share_axis, value_axis


def test_a_scale_places_values_and_keeps_those_beyond_its_ends_at_them() -> None:
    across = Scale(low=10, high=30, length=200)
    assert [across(value) for value in (10, 15, 30, 99, -5)] == [0, 50, 200, 200, 0]
    upright = Scale(low=0, high=1, length=120, downwards=True)
    assert [upright(value) for value in (0, 0.25, 1)] == [120, 90, 0]


def test_a_scale_of_one_value_places_it_in_the_middle() -> None:
    assert Scale(low=7, high=7, length=200)(7) == 100


@pytest.mark.parametrize(
    ("value", "end"), [(0, 1), (0.031, 0.04), (0.3, 0.3), (1, 1), (11, 12), (85, 100), (240, 240), (999, 1000)]
)
def test_axes_end_at_the_next_round_number(value: float, end: float) -> None:
    assert round_up(value) == end


@pytest.mark.parametrize(("value", "end"), [(0, 2), (1, 2), (3, 4), (5, 6), (9, 10), (11, 12), (16, 16), (25, 30)])
def test_axes_of_counts_have_whole_numbers_in_the_middle(value: float, end: float) -> None:
    assert round_up(value, whole=True) == end


def test_ticks_stand_at_both_ends_and_in_the_middle() -> None:
    assert [(tick.at, tick.text) for tick in share_axis().ticks] == [(0, "0"), (100, "50"), (200, "100 %")]
    assert [(tick.at, tick.text) for tick in share_axis(upright=True).ticks] == [(120, "0"), (60, "50"), (0, "100")]
    axis = value_axis(220, text=lambda value: f"{value:g}", whole=True)
    assert [(tick.at, tick.text) for tick in axis.ticks] == [(0, "0"), (100, "120"), (200, "240")]


def test_a_line_goes_through_its_points() -> None:
    assert polyline([Point(x=0, y=120, says=""), Point(x=12.5, y=0.25, says="")]) == "0,120 12.5,0.25"


def test_a_table_without_sentences_has_its_rows_all_the_same() -> None:
    table = Table(columns=("a",), rows=(("1",), ("2",)))
    assert table.lines == ((("1",), ""), (("2",), ""))
