"""System checks name settings that cannot work."""

from __future__ import annotations

import pytest

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


def test_a_share_that_is_no_address_is_named(settings):
    settings.INGEST_FOLDERS = ["/mnt", "azurefiles://account/share", "azurefiles://account"]
    assert ids(checks.check_ingest_folders(None)) == ["faceproject.E019"]
    settings.INGEST_FOLDERS.pop()
    assert checks.check_ingest_folders(None) == []


def test_time_limits_that_are_none_are_named(settings):
    settings.TASK_LIMIT_SECONDS = {"ingest": 0.0, "training": 7200.0}
    settings.STOP_GRACE_SECONDS = -1.0
    found = checks.check_limits(None)
    assert ids(found) == ["faceproject.E010", "faceproject.E011"]
    assert "TASK_LIMIT_SECONDS_INGEST=0" in found[0].msg


def test_the_limits_that_are_set_when_nothing_is_said_are_sound():
    assert checks.check_limits(None) == []


@pytest.mark.parametrize(
    ("name", "value", "check_id"),
    [
        ("CRAWLER_ALLOWED_NETWORKS", ["intranet"], "faceproject.E012"),
        ("CRAWLER_ALLOWED_NETWORKS", ["10.0.0.1/8"], "faceproject.E012"),
        ("CRAWLER_USER_AGENT", "", "faceproject.E013"),
        ("CRAWLER_USER_AGENT", "somebody", "faceproject.E013"),
        ("CRAWLER_USER_AGENT", "bot/1\r\nX: y", "faceproject.E013"),
        ("CRAWLER_TIMEOUT_SECONDS", 0.0, "faceproject.E014"),
        ("CRAWLER_DELAY_SECONDS", -1.0, "faceproject.E014"),
        ("CRAWLER_DELAY_SECONDS", float("nan"), "faceproject.E014"),
    ],
)
def test_a_crawler_that_cannot_work_is_named(settings, name, value, check_id):
    setattr(settings, name, value)
    assert ids(checks.check_crawler(None)) == [check_id]


def test_the_crawler_that_is_set_when_nothing_is_said_is_sound():
    assert checks.check_crawler(None) == []
