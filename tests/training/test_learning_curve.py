"""The learning curve: where versions stand, and which of them count."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from personas.entities import VersionStatus
from tests import factories
from tests.versions import evaluated
from training.learning_curve import Learner, Over, learner, learning_plots


def version(number: int, n_labels: int, *, right: int = 18, champion: int = 0, **changes: Any) -> Learner:
    made = factories.model_version(version=number, n_labels=n_labels, metrics=evaluated(right=right), **changes)
    return learner(made, champion=champion, href=f"/models/{number}/")


def test_versions_stand_over_the_labels_they_learnt_from() -> None:
    quality, calibration = learning_plots([version(2, 100), version(1, 50, right=15)], over=Over.LABELS)
    found = quality.series[0]
    assert [(point.x, point.y) for point in found.points] == [(100, 30), (200, 12)]
    assert found.line == "100,30 200,12"
    assert found.points[1].says == "Version 2, 100 labels: faces found 90.0 %"
    assert found.points[1].href == "/models/2/"
    assert quality.table.rows[0][0::2] == ("1", "50", "90.0 %")
    assert quality.table.columns == ("Version", "Trained (UTC)", "Labels", "Faces found", "Macro F1", "Strangers named")
    assert calibration.table.rows[0][-2:] == ("0.021", "0.010")


def test_the_line_passes_by_what_the_gate_refused() -> None:
    refused = version(2, 60, status=VersionStatus.REFUSED)
    plot = learning_plots([version(1, 50), refused, version(3, 100, champion=3)], over=Over.LABELS)[0]
    found = plot.series[0]
    assert [point.look for point in found.points] == ["", "hollow", "ring"]
    assert found.line.count(" ") == 1
    assert [row[0] for row in plot.table.rows] == ["1", "2 (refused)", "3 (in use)"]


def test_what_was_refused_and_put_in_use_by_hand_is_in_use() -> None:
    by_hand = version(2, 60, status=VersionStatus.REFUSED, champion=2)
    found = learning_plots([version(1, 50), by_hand], over=Over.LABELS)[0].series[0]
    assert found.points[1].look == "ring"
    assert found.line.count(" ") == 1


def test_over_time_the_first_and_the_last_stand_at_the_ends() -> None:
    versions = [
        version(n, 50, created_at=factories.NOW + timedelta(hours=hours)) for n, hours in ((1, 0), (2, 1), (3, 4))
    ]
    plot = learning_plots(versions, over=Over.TIME)[0]
    assert [point.x for point in plot.series[0].points] == [0, 50, 200]
    assert [tick.text for tick in plot.x.ticks] == [
        f"{factories.NOW + timedelta(hours=hours):%H:%M}" for hours in (0, 2, 4)
    ]


def test_weeks_are_told_by_dates() -> None:
    versions = [version(n, 50, created_at=factories.NOW + timedelta(days=days)) for n, days in ((1, 0), (2, 20))]
    plot = learning_plots(versions, over=Over.TIME)[0]
    assert plot.x.ticks[-1].text == f"{factories.NOW + timedelta(days=20):%Y-%m-%d}"


def test_one_version_makes_no_curve_and_one_without_numbers_is_left_out() -> None:
    silent = learner(factories.model_version(version=2, metrics={}), champion=None, href="")
    assert learning_plots([version(1, 50), silent], over=Over.LABELS) == ()
