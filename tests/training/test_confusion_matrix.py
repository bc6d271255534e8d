"""The matrix as a page shows it."""

from __future__ import annotations

from typing import Any

from tests import factories
from tests.versions import evaluated
from training.confusion_matrix import ConfusionTable, confusion_table
from training.recorded import recorded

PERSONAS = {"ann": factories.persona("ann", "Ann"), "bo": factories.persona("bo", "Bo")}


def table(metrics: dict[str, Any]) -> ConfusionTable:
    shown = confusion_table(recorded(factories.model_version(metrics=metrics)).confusion, PERSONAS)
    assert shown is not None
    return shown


def test_ids_are_names_and_a_column_of_others_is_there_only_if_it_says_something() -> None:
    shown = table(evaluated())
    assert shown.columns == ("Bo", "Ann", "Nobody")
    assert [row.name for row in shown.rows] == ["Bo", "Ann", "Strangers"]
    counts = [[cell.count for cell in row.cells] for row in shown.rows]
    assert counts == [[8, 1, 1], [0, 10, 0], [0, 1, 4]]
    confusion = {**evaluated()["confusion"], "counts": [[8, 0, 1, 1], [0, 10, 0, 0], [0, 1, 0, 4]]}
    assert table(evaluated(confusion=confusion)).columns == ("Bo", "Ann", "Somebody else", "Nobody")


def test_cells_are_right_wrong_or_unnamed_and_shaded_by_their_share() -> None:
    bo, ann, strangers = table(evaluated()).rows
    assert [(cell.kind, cell.shade) for cell in bo.cells] == [("right", 4), ("wrong", 1), ("unnamed", 1)]
    assert [(cell.kind, cell.shade) for cell in ann.cells] == [("wrong", 0), ("right", 4), ("unnamed", 0)]
    assert [(cell.kind, cell.shade) for cell in strangers.cells] == [("wrong", 0), ("wrong", 1), ("right", 4)]


def test_a_row_of_nobody_is_left_out() -> None:
    confusion = {**evaluated()["confusion"], "counts": [[8, 1, 0, 1], [0, 10, 0, 0], [0, 0, 0, 0]]}
    assert [row.name for row in table(evaluated(confusion=confusion)).rows] == ["Bo", "Ann"]


def test_pairs_say_who_was_taken_for_whom() -> None:
    assert [(pair.truth, pair.named, pair.n, pair.if_unknown) for pair in table(evaluated()).pairs] == [
        ("Bo", "Ann", 1, 3),
        ("a stranger", "Ann", 1, 0),
    ]


def test_a_version_that_did_not_record_it_has_no_matrix() -> None:
    assert confusion_table(None, PERSONAS) is None
