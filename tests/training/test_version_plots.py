"""Plots of what a version recorded, reckoned by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests import factories
from tests.versions import evaluated, evaluated_before
from training.plots import Plot, Series
from training.recorded import recorded
from training.version_plots import Subject, histogram_plot, reliability_plot, thresholds_compared, thresholds_plot


def subject(metrics: dict[str, Any], called: str = "") -> Subject:
    return Subject(called=called, recorded=recorded(factories.model_version(metrics=metrics)))


def drawn(plot: Plot | None) -> Plot:
    assert plot is not None
    return plot


def places(series: Series) -> list[tuple[float, float]]:
    return [(point.x, point.y) for point in series.points]


def test_precision_recall_and_strangers_are_shares_of_what_was_counted() -> None:
    thresholds = recorded(factories.model_version(metrics=evaluated())).thresholds
    assert thresholds is not None
    first, second, last = thresholds.rows
    assert (first.precision, first.recall, first.strangers_named) == (0.9, 0.9, 0.05)
    assert (second.precision, second.recall, second.strangers_named) == (0.9375, 0.75, 0.025)
    assert (last.precision, last.recall, last.strangers_named) == (1.0, 0.25, 0.0)


def test_intervals_tell_how_little_a_few_faces_say() -> None:
    """Wilson's interval of 18 of 20 and of 2 of 40, 98 %: z = 2.326."""
    said = recorded(factories.model_version(metrics=evaluated()))
    assert said.recall_interval == pytest.approx((0.6523, 0.9774), abs=1e-4)
    assert said.strangers_interval == pytest.approx((0.0112, 0.1960), abs=1e-4)
    nothing = recorded(factories.model_version(metrics={}))
    assert nothing.recall_interval is nothing.strangers_interval is None


def test_where_nothing_is_named_there_is_no_precision() -> None:
    nothing = {"n": 20, "n_others": 0, "n_strangers": 40, "rows": [[0.0, 20, 0, 0], [0.999, 0, 0, 0]]}
    plot = drawn(thresholds_plot(subject(evaluated(thresholds=nothing))))
    precision, recall, _ = plot.series
    assert len(precision.points) == 1
    assert len(recall.points) == 2
    assert plot.table.rows[1] == ("99.9 %", "–", "0.0 %", "0.0 %")


def test_thresholds_are_drawn_with_a_stop_of_the_slider_at_each() -> None:
    plot = drawn(thresholds_plot(subject(evaluated())))
    assert [series.name for series in plot.series] == ["precision", "faces found", "strangers named"]
    assert places(plot.series[1]) == [(0, 12), (100, 30), (198, 90)]
    assert plot.series[1].line == "0,12 100,30 198,90"
    assert plot.slider is not None
    assert plot.slider.places == ((0, "0 %"), (100, "50 %"), (198, "99 %"))
    assert len(plot.table.rows) == len(plot.slider.stops)
    assert plot.table.says[1] == (
        "With 50 % needed: 16 of 25 held-out faces get a name, 1 of them a wrong one; 15 of 20 known faces are found; "
        "tried as strangers, 1 of 40 get a name."
    )
    assert plot.table.says[0].startswith("As the version is: 20 of 25")


def test_a_version_made_before_names_were_counted_shows_its_two_curves() -> None:
    plot = drawn(thresholds_plot(subject(evaluated_before())))
    assert [series.name for series in plot.series] == ["faces found", "strangers named"]
    assert plot.table.rows[0] == ("50 %", "–", "90.0 %", "10.0 %")
    assert plot.table.says[1] == "With 90 % needed: 80.0 % of known faces found, 0.0 % of strangers named."
    assert "did not record its precision" in plot.caption


def test_two_versions_share_a_drawing_only_where_both_counted() -> None:
    now, before = subject(evaluated(), "Version 2"), subject(evaluated_before(), "Version 1")
    assert thresholds_compared([before, now]) is None
    plot = drawn(thresholds_compared([subject(evaluated(right=20), "Version 1"), now]))
    assert [series.slot for series in plot.series] == [1, 2, 3, 4, 5, 6]
    assert [series.dash for series in plot.series] == ["", "", "", "dashed", "dashed", "dashed"]
    assert plot.series[4].name == "Version 2: faces found"
    assert len(plot.table.rows) == 6


def test_reliability_is_drawn_bin_by_bin() -> None:
    plot = drawn(reliability_plot([subject(evaluated())]))
    assert places(plot.series[0]) == [(50, 96), (150, 0)]
    assert plot.series[0].points[0].says == "10 faces, said 25.0 %, right 20.0 %"
    assert plot.table.rows == (("10", "25.0 %", "20.0 %"), ("10", "75.0 %", "100.0 %"))
    assert plot.diagonal


def test_bars_grow_with_the_logarithm_and_empty_bins_have_none() -> None:
    known, unknown = drawn(histogram_plot(subject(evaluated()))).series
    assert [(bar.left, bar.width) for bar in known.bars] == [(50.4, 49.2), (150.4, 49.2)]
    assert known.bars[0].height == pytest.approx(60 * math.log(3) / math.log(39), abs=0.01)
    assert known.bars[1].top + known.bars[1].height == pytest.approx(60)
    assert (unknown.bars[0].top, unknown.bars[0].height) == (60, 60)  # the greatest count, downwards
    assert unknown.bars[0].says == "38 unknown faces at 0 to 25 %"


def test_the_table_of_a_histogram_has_the_bins_that_hold_a_face() -> None:
    plot = drawn(histogram_plot(subject(evaluated())))
    assert plot.table.rows == (
        ("0 to 25 %", "0", "38"),
        ("25 to 50 %", "2", "0"),
        ("50 to 75 %", "0", "2"),
        ("75 to 100 %", "18", "0"),
    )


def test_what_was_not_recorded_is_not_drawn() -> None:
    nothing = subject({"macro_f1": 0.5})
    assert reliability_plot([nothing]) is None
    assert thresholds_plot(nothing) is None
    assert histogram_plot(nothing) is None
    assert histogram_plot(subject(evaluated(histograms={"known": [0], "unknown": [0]}))) is None
