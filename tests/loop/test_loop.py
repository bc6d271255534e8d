"""The whole loop on every store: pictures in, faces found, labels learnt, the rest named, corrections learnt again."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.kill, pytest.mark.seed_data, pytest.mark.heavy]


def test_every_picture_is_taken_in_and_the_scenes_have_no_face(first, pictures):
    assert (first.job["status"], first.job["done"]) == ("done", 457 - len(pictures.later))
    assert abs(first.images["no_face"] - 17) <= 1


def test_the_first_version_finds_the_presidents_and_names_nobody_else(first):
    assert first.evaluation["categories"]["presidential"]["recall"] >= 0.99
    assert first.evaluation["strangers"]["share"] <= 0.005


def test_three_labels_of_a_hard_look_lead_by_themselves_to_a_better_version(corrected):
    before, after = corrected.before, corrected.after
    assert corrected.revision_after > corrected.revision_before
    gained = after["categories"]["non-presidential"]["recall"] - before["categories"]["non-presidential"]["recall"]
    assert gained >= 0.15
    assert after["strangers"]["share"] <= 0.01
    assert before["categories"]["presidential"]["recall"] - after["categories"]["presidential"]["recall"] <= 0.005


def test_uploaded_pictures_are_recognised_by_the_version_in_use(uploaded, pictures):
    assert (uploaded.job["status"], uploaded.job["done"]) == ("done", len(pictures.later))
    assert uploaded.version_after == uploaded.version_before
    assert uploaded.faces & uploaded.predicted


def test_every_store_ends_with_the_same_knowledge(ended, endings):
    assert ended.promoted
    assert ended.predictions
    for other in endings.values():
        assert ended.state == other.state
        assert ended.predictions == other.predictions


def test_the_scorer_says_who_is_in_a_picture(scored):
    (result,) = scored["results"]
    assert "Hugo Chavez" in {face["persona"]["name"] for face in result["faces"] if face["persona"]}


@pytest.mark.browser
def test_what_a_person_confirms_and_rejects_in_a_browser_is_learnt(walked, installation):
    said = installation.ask("labels", faces=[walked.confirmed, walked.rejected])
    assert said[walked.confirmed] == [[walked.persona_id, True]]
    assert said[walked.rejected] == [[walked.persona_id, False]]
    assert walked.listed
    assert not walked.listed & {walked.confirmed, walked.rejected}
    assert walked.complaints == []
