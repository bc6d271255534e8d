"""The main job on real pictures: what the demo finds, and what three labels of a hard look add, by commands alone."""

from __future__ import annotations

import csv
from collections import Counter

import pytest

from tests.conftest import data_folder

pytestmark = pytest.mark.seed_data

#: Labels of the hard look given to each persona.
LABELS_EACH = 3


@pytest.fixture(scope="module")
def demo(installation):
    folder = data_folder() / "presidents"
    if not folder.is_dir():
        pytest.skip(f"no data: {folder} (set FACEPROJECT_DATA)")
    return installation.manage("demo", "--no-serve", "--data", str(folder))


@pytest.fixture(scope="module")
def after_labels(demo, installation):
    """The same installation after three labels a persona of pictures with covered eyes, and one training."""
    first = installation.manage("evaluate")
    chosen, given = [], Counter()
    for truth in sorted(
        path.stem for path in (data_folder() / "presidents").glob("*.json") if '"non-presidential"' in path.read_text()
    ):
        person = truth.rsplit("-", 1)[0]
        if given[person] < LABELS_EACH:
            given[person] += 1
            chosen.append((f"{truth}.jpg", person.replace("-", " ").title(), "true"))
    labels = installation.home / "labels.csv"
    with labels.open("w", newline="") as file:
        csv.writer(file).writerows([("image", "persona", "belongs"), *chosen])
    installation.manage("label", str(labels))
    outcome = installation.manage("train")
    assert outcome["promoted"], outcome["sentence"]
    return first, installation.manage("evaluate")


def test_every_picture_is_taken_in_and_the_scenes_have_no_face(demo):
    assert demo["ingest"]["pictures"] == 457
    assert abs(demo["images"]["no_face"] - 17) <= 1
    assert demo["n_personas"] == 3
    assert demo["training"]["promoted"]


def test_the_first_version_finds_the_presidents_and_names_nobody_else(demo):
    assert demo["evaluation"]["categories"]["presidential"]["recall"] >= 0.99
    assert demo["evaluation"]["strangers"]["share"] <= 0.005


def test_three_labels_of_a_hard_look_find_many_more_of_it_and_cost_nothing_else(after_labels):
    first, second = after_labels
    gained = second["categories"]["non-presidential"]["recall"] - first["categories"]["non-presidential"]["recall"]
    assert gained >= 0.15
    assert second["strangers"]["share"] <= 0.01
    assert first["categories"]["presidential"]["recall"] - second["categories"]["presidential"]["recall"] <= 0.005
    assert second["calibration_error"] <= 0.03


def test_every_face_has_one_line_in_the_export_and_predictions_are_those_no_human_named(after_labels, installation):
    faces, predictions = installation.exported("faces"), installation.exported("predictions")
    assert len({(line["image_id"], line["face"]) for line in faces}) == len(faces)
    assert len(predictions) == sum(line["persona_id"] is None for line in faces)
    assert all((line["predicted"] is None) == (line["probability"] is None) for line in predictions)
