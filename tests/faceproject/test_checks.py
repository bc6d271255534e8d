"""System checks name settings that cannot work."""

from __future__ import annotations

from faceproject import checks


def ids(found):
    return [message.id for message in found]


def test_a_log_format_that_does_not_exist_is_named(settings):
    settings.LOG_FORMAT = "xml"
    assert ids(checks.check_choices(None)) == ["faceproject.E007"]


def test_serving_others_without_collected_files_is_named_until_they_are_collected(settings, tmp_path):
    settings.EMBEDDED, settings.STATIC_ROOT = False, str(tmp_path)
    found = checks.check_collected(None)
    assert ids(found) == ["faceproject.W002"]
    assert "collectstatic" in found[0].hint
    (tmp_path / "staticfiles.json").touch()
    assert checks.check_collected(None) == []


def test_embedded_mode_needs_no_collected_files(settings, tmp_path):
    settings.EMBEDDED, settings.STATIC_ROOT = True, str(tmp_path)
    assert checks.check_collected(None) == []


def test_time_limits_that_are_none_are_named(settings):
    settings.TASK_LIMIT_SECONDS = {"ingest": 0.0, "training": 7200.0}
    settings.STOP_GRACE_SECONDS = -1.0
    found = checks.check_limits(None)
    assert ids(found) == ["faceproject.E010", "faceproject.E011"]
    assert "TASK_LIMIT_SECONDS_INGEST=0" in found[0].msg


def test_the_limits_that_are_set_when_nothing_is_said_are_sound():
    assert checks.check_limits(None) == []
