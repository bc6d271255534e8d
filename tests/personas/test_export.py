"""Exports: which lines, which columns, and what is in them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from personas.entities import STRANGER, Verdict
from personas.export import COLUMNS, ExportFormat, ExportKind, export, write_lines
from personas.store.base import Store
from tests import factories as make
from tests.personas.conftest import ToldRecogniser

FACE_COLUMNS = [
    "image",
    "image_id",
    "face",
    "box",
    "persona",
    "persona_id",
    "predicted",
    "predicted_id",
    "probability",
    "version",
]


@pytest.fixture
def told(store: Store, champion: ToldRecogniser) -> ToldRecogniser:
    """Picture a: two faces, Ann's and one predicted Bob; b, at two paths: unknown; c: no face."""
    copies = [make.image_path("b"), make.image_path("b", source="/other", path="sub/b.jpg")]
    make.save(store, make.extracted("a", faces=2), make.extracted("b", paths=copies), make.extracted("c", faces=0))
    make.add_personas(store, "Ann", "Bob")
    make.label(store, "ann", make.key("a", 0))
    champion.says = {make.key("a", 0): ("ann", 0.99), make.key("a", 1): ("bob", 0.75)}
    return champion


def lines(store: Store, kind: str) -> list[dict[str, Any]]:
    return list(export(store, ExportKind(kind)))


def of(found: list[dict[str, Any]], name: str, face: int = 0) -> list[dict[str, Any]]:
    return [line for line in found if line["image_id"] == make.image_id(name) and line.get("face", 0) == face]


def test_columns_are_always_all_present(store: Store, told: ToldRecogniser) -> None:
    for kind in ExportKind:
        for line in lines(store, kind):
            assert sorted(line) == sorted(COLUMNS[kind])
    assert list(COLUMNS[ExportKind.FACES]) == FACE_COLUMNS
    assert list(COLUMNS[ExportKind.PREDICTIONS]) == FACE_COLUMNS
    assert list(COLUMNS[ExportKind.LABELS]) == [*FACE_COLUMNS, "belongs", "actor", "at"]
    assert list(COLUMNS[ExportKind.IMAGES]) == ["image", "image_id", "status", "n_faces"]


def test_faces_has_a_line_a_face_and_known_path(store: Store, told: ToldRecogniser) -> None:
    found = lines(store, "faces")
    assert sorted((line["image"], line["face"]) for line in found) == [
        ("a.jpg", 0),
        ("a.jpg", 1),
        ("b.jpg", 0),
        ("sub/b.jpg", 0),
    ]
    assert of(found, "a", 0) == [
        {
            "image": "a.jpg",
            "image_id": make.image_id("a"),
            "face": 0,
            "box": [10.0, 10.0, 60.0, 60.0],
            "persona": "Ann",
            "persona_id": "ann",
            "predicted": "Ann",
            "predicted_id": "ann",
            "probability": 0.99,
            "version": 7,
        }
    ]


def test_predictions_leaves_out_what_a_human_named(store: Store, told: ToldRecogniser) -> None:
    make.label(store, STRANGER, make.key("b"))
    found = lines(store, "predictions")
    assert [(line["image"], line["face"], line["predicted"], line["probability"]) for line in found] == [
        ("a.jpg", 1, "Bob", 0.75)
    ]
    assert found[0]["persona"] is None


def test_an_unknown_face_has_a_version_and_no_name(store: Store, told: ToldRecogniser) -> None:
    line = of(lines(store, "predictions"), "b")[0]
    assert (line["predicted"], line["predicted_id"], line["probability"], line["version"]) == (None, None, None, 7)


def test_a_rejected_persona_is_not_predicted(store: Store, told: ToldRecogniser) -> None:
    make.label(store, "bob", make.key("a", 1), verdict=Verdict.REJECTED)
    (line,) = of(lines(store, "predictions"), "a", 1)
    assert line["predicted"] is None


def test_a_face_of_another_embedder_has_no_version(store: Store, told: ToldRecogniser) -> None:
    make.save(store, make.extracted("z", embedder="arc 1"))
    assert of(lines(store, "faces"), "z")[0]["version"] is None


def test_before_the_first_version_nothing_is_predicted(store: Store, no_champion: None) -> None:
    make.save(store, make.extracted("a"))
    (line,) = lines(store, "faces")
    assert (line["predicted"], line["probability"], line["version"]) == (None, None, None)


def test_labels_has_labels_and_rejections(store: Store, told: ToldRecogniser) -> None:
    make.label(store, "bob", make.key("a", 0), verdict=Verdict.REJECTED)
    make.label(store, STRANGER, make.key("b"))
    found = lines(store, "labels")
    assert sorted((line["image"], line["persona_id"], line["persona"], line["belongs"]) for line in found) == [
        ("a.jpg", "ann", "Ann", True),
        ("a.jpg", "bob", "Bob", False),
        ("b.jpg", "stranger", "Stranger", True),
        ("sub/b.jpg", "stranger", "Stranger", True),
    ]
    assert found[0]["actor"] == "tester"
    assert found[0]["at"] == make.NOW.isoformat()


def test_images_has_pictures_without_faces_too(store: Store, told: ToldRecogniser) -> None:
    found = lines(store, "images")
    assert sorted((line["image"], line["status"], line["n_faces"]) for line in found) == [
        ("a.jpg", "faces", 2),
        ("b.jpg", "faces", 1),
        ("c.jpg", "no_face", 0),
        ("sub/b.jpg", "faces", 1),
    ]


def test_a_picture_whose_paths_are_forgotten_is_still_exported(store: Store, champion: ToldRecogniser) -> None:
    make.save(store, make.extracted("a", paths=[]))
    assert [line["image"] for line in lines(store, "faces")] == [None]


def test_an_export_asks_a_fixed_number_of_questions(
    store: Store, champion: ToldRecogniser, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    keys = make.save_pictures(store, 300)
    make.add_personas(store, "Ann")
    make.label(store, "ann", *keys[:100])
    for kind in ExportKind:
        with django_assert_max_num_queries(12):
            assert len(lines(store, kind)) == {"labels": 100, "predictions": 200}.get(kind, 300)


def test_jsonl_and_csv_say_the_same(store: Store, told: ToldRecogniser, tmp_path: Path) -> None:
    for kind in ExportKind:
        for name in ("jsonl", "csv"):
            call_command("export", kind.value, "--format", name, "--output", str(tmp_path / name), stdout=StringIO())
        as_json = [json.loads(line) for line in (tmp_path / "jsonl").read_text().splitlines()]
        with (tmp_path / "csv").open(newline="") as file:
            table = csv.DictReader(file)
            as_csv = list(table)
        assert table.fieldnames == list(COLUMNS[kind])
        assert [list(line) for line in as_json] == [list(COLUMNS[kind])] * len(as_csv)
        for one, other in zip(as_json, as_csv, strict=True):
            for column, value in one.items():
                text = "" if value is None else json.dumps(value) if isinstance(value, bool | list) else str(value)
                assert other[column] == text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["csv", "jsonl"]


def test_the_command_streams_to_standard_output(
    store: Store, told: ToldRecogniser, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("export", "faces")
    assert len([json.loads(line) for line in capsys.readouterr().out.splitlines()]) == 4


def test_a_file_that_cannot_be_written_is_named(store: Store, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("export", "faces", "--output", str(tmp_path / "absent" / "x"))


def test_json_without_a_file_is_wrong_usage(store: Store) -> None:
    with pytest.raises(CommandError) as caught:
        call_command("export", "faces", "--json")
    assert caught.value.returncode == 2


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "'=1"])
def test_csv_holds_nothing_that_a_spreadsheet_runs_and_jsonl_says_it_as_it_is(
    store: Store, no_champion: None, name: str
) -> None:
    make.save(store, make.extracted("a", paths=[make.image_path("a", path=name)]))
    for file_format, expected in ((ExportFormat.CSV, f"'{name}"), (ExportFormat.JSONL, name)):
        file = StringIO(newline="")
        write_lines(export(store, ExportKind.FACES), FACE_COLUMNS, file, file_format)
        text = file.getvalue()
        is_csv = file_format is ExportFormat.CSV
        first = next(csv.DictReader(StringIO(text, newline=""))) if is_csv else json.loads(text)
        assert first["image"] == expected
