"""The benchmarks' own arithmetic; the measuring itself is `make bench`."""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import __main__ as runner
from benchmarks import report
from benchmarks.drawn_faces import draw_face
from benchmarks.installation import Installation
from benchmarks.label_to_visible import withhold
from benchmarks.report import Goal, Outcome, Row, SkippedError
from benchmarks.settings import Bench, seed_pictures
from benchmarks.story import LABELS_A_PERSONA, _choose

SAMPLE = Path(__file__).resolve().parent.parent / "sample_data"
OPTIONS = argparse.Namespace(quick=True, seeds=1, processes=1)


@pytest.mark.parametrize(
    ("goal", "figure", "verdict"),
    [
        (Goal(at_least=6), 6.0, "met"),
        (Goal(at_least=6), 5.99, "missed"),
        (Goal(at_most=0.5), 0.5, "met"),
        (Goal(at_most=0.5), 0.6, "missed"),
        (None, 1.0, ""),
    ],
)
def test_a_goal_includes_its_limit(goal: Goal | None, figure: float, verdict: str) -> None:
    assert Row(what="x", figure=figure, unit="", goal=goal).verdict == verdict


@pytest.mark.parametrize(
    ("figure", "text"), [(0, "0"), (0.0312, "0.031"), (5.678, "5.68"), (56.78, "56.8"), (1234.5, "1,234")]
)
def test_figures_are_shown_with_three_digits(figure: float, text: str) -> None:
    assert report.shown(figure) == text


def test_every_benchmark_is_one_documented_module() -> None:
    for name in runner.NAMES:
        module = import_module(f"benchmarks.{name}")
        assert module.__doc__
        assert callable(module.measure)


def test_what_cannot_run_is_named_and_stops_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(bench: Bench) -> Iterable[Row]:
        raise ValueError("no such luck")

    def absent(bench: Bench) -> Iterable[Row]:
        bench.data("presidents")
        return []

    def sound(bench: Bench) -> Iterable[Row]:
        yield Row(what="speed", figure=7, unit="x", goal=Goal(at_least=6))

    monkeypatch.setenv("FACEPROJECT_DATA", str(tmp_path / "nowhere"))
    monkeypatch.setattr(report, "RESULTS", tmp_path / "results")
    outcomes = []
    for measure in (broken, absent, sound):
        monkeypatch.setattr(runner, "measure_of", lambda name, measure=measure: measure)
        outcomes.append(runner.run(measure.__name__, OPTIONS))
    assert [bool(o.failed) for o in outcomes] == [True, False, False]
    console = Console(record=True, width=160)
    report.show(outcomes, report.machine(), console)
    text = console.export_text()
    assert "FAILED broken: ValueError: no such luck" in text
    assert "SKIPPED absent" in text
    assert str(tmp_path / "nowhere") in text
    written = json.loads(report.write(outcomes, report.machine(), at=datetime.now(UTC)).read_text())
    assert written["benchmarks"][2]["rows"][0]["verdict"] == "met"


def test_absent_data_is_skipped_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FACEPROJECT_DATA", str(tmp_path))
    with pytest.raises(SkippedError, match="FACEPROJECT_DATA"):
        Bench(scratch=tmp_path).data("presidents")


def test_withholding_a_persona_leaves_the_others_their_labels(tmp_path: Path) -> None:
    copy = withhold(SAMPLE, tmp_path / "copy", "Grace Hopper")
    labelled = {picture.persona for picture in seed_pictures(copy) if picture.labeled}
    assert labelled == {"Eileen Collins"}
    assert len(seed_pictures(copy)) == len(seed_pictures(SAMPLE))


def test_the_story_chooses_the_same_pictures_for_a_seed(tmp_path: Path) -> None:
    for persona in ("a", "b"):
        for number in range(9):
            said = {"persona": persona, "labeled": False, "category": "non-presidential"}
            (tmp_path / f"{persona}{number}.json").write_text(json.dumps(said))
    pictures = seed_pictures(tmp_path)
    chosen = _choose(pictures, seed=3)
    assert chosen == _choose(pictures, seed=3)
    assert len({picture.path for picture in chosen}) == 2 * LABELS_A_PERSONA
    assert chosen != _choose(pictures, seed=4)


def test_an_installation_does_not_inherit_the_settings_of_whoever_measures(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://elsewhere/precious")
    monkeypatch.setenv("MEDIA_ROOT", "/precious")
    environ = Installation(home=tmp_path, environment={"FACE_RUNTIME": "onnxruntime"}).environ()
    assert "DATABASE_URL" not in environ
    assert "MEDIA_ROOT" not in environ
    assert environ["FACEPROJECT_HOME"] == str(tmp_path)
    assert environ["FACE_RUNTIME"] == "onnxruntime"


def test_drawn_faces_are_the_same_for_the_same_random_numbers() -> None:
    assert draw_face(random.Random(1)).tobytes() == draw_face(random.Random(1)).tobytes()
    assert draw_face(random.Random(1)).tobytes() != draw_face(random.Random(2)).tobytes()


def test_an_outcome_without_rows_is_still_reported() -> None:
    console = Console(record=True, width=120)
    report.show([Outcome(name="idle", skipped="nothing to do")], report.machine(), console)
    assert "SKIPPED idle: nothing to do" in console.export_text()
