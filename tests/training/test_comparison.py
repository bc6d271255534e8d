"""Two versions side by side: differences, and what chance does."""

from __future__ import annotations

from typing import Any

from personas.entities import ModelVersion
from tests import factories
from tests.versions import evaluated, evaluated_before
from training.comparison import Figure, figures, persona_changes
from training.recorded import recorded


def version(metrics: dict[str, Any], **changes: Any) -> ModelVersion:
    return factories.model_version(metrics=metrics, **changes)


def compared(a: ModelVersion, b: ModelVersion) -> dict[str, Figure]:
    return {figure.name: figure for figure in figures(a, recorded(a), b, recorded(b))}


def test_differences_are_signed_and_of_the_second_from_the_first() -> None:
    a = version(evaluated(), n_labels=120)
    b = version(evaluated(right=19, brier=0.03, macro_f1=0.85), n_labels=100)
    found = compared(a, b)
    assert found["Held-out faces found"].difference == "+5.0 points"
    assert found["Macro F1"].difference == "−5.0 points"
    assert found["Brier score"].difference == "+0.020"
    assert found["Labels learnt from"].difference == "−20"
    assert found["Calibration error"].difference == "0"


def test_an_error_is_better_when_lower_and_a_share_when_higher() -> None:
    found = compared(version(evaluated()), version(evaluated(calibration_error=0.01, macro_f1=0.8)))
    assert found["Calibration error"].verdict == "better"
    assert found["Macro F1"].verdict == "worse"
    assert found["Brier score"].verdict == "the same"
    assert found["Held-out faces"].verdict == ""


def test_a_difference_that_chance_makes_is_no_verdict() -> None:
    """Fisher's exact test of 18 and 19 of 20: a tail of 0.5, so anything but sure."""
    assert (
        compared(version(evaluated()), version(evaluated(right=19)))["Held-out faces found"].verdict == "within chance"
    )


def test_a_difference_beyond_chance_is_one() -> None:
    """Of 40 strangers 2 and 20 named: a tail of 7e-6."""
    a, b = version(evaluated()), version(evaluated(strangers_named=0.5))
    assert compared(a, b)["Strangers given a name"].verdict == "worse"
    assert compared(b, a)["Strangers given a name"].verdict == "better"


def test_precision_is_that_of_the_names_given_without_a_threshold() -> None:
    figure = compared(version(evaluated()), version(evaluated()))["Right when named"]
    assert figure.a.replace("\u00a0", " ") == "90.0 % of 20"


def test_what_a_version_did_not_record_is_a_dash_and_not_a_difference() -> None:
    found = compared(version(evaluated_before()), version(evaluated(strangers_named=None)))
    assert (found["Right when named"].a, found["Right when named"].difference) == ("–", "–")
    assert (found["Strangers given a name"].b, found["Strangers given a name"].verdict) == ("–", "")


def test_personas_are_listed_by_how_much_they_differ() -> None:
    quality = {"n": 10, "precision": 1.0, "f1": 0.9}
    a = {"ann": {**quality, "recall": 0.9}, "bo": {**quality, "recall": 0.9}, "cy": {**quality, "recall": 0.5}}
    b = {"ann": {**quality, "recall": 0.9}, "bo": {**quality, "recall": 0.4}, "di": {**quality, "recall": 0.5}}
    changes = persona_changes(
        recorded(version(evaluated(per_persona=a))),
        recorded(version(evaluated(per_persona=b))),
        {name: factories.persona(name, name.capitalize()) for name in ("ann", "bo", "cy")},
    )
    assert [(change.name, change.words) for change in changes] == [
        ("Bo", "−50.0 points"),
        ("(deleted)", "new"),
        ("Cy", "gone"),
        ("Ann", "0"),
    ]
    assert [change.known for change in changes] == [True, False, True, True]
