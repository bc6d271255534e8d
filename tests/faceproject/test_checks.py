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


# ---- users -----------------------------------------------------------------------------------------------------------
def test_users_who_are_nowhere_known_are_named(settings):
    settings.USERS = "ldap"
    assert ids(checks.check_choices(None)) == ["faceproject.E015"]


def test_users_in_postgresql_need_its_address(settings):
    settings.USERS = "postgresql"
    if settings.DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
        pytest.skip("the tests run on PostgreSQL")
    found = checks.check_users(None)
    assert ids(found) == ["faceproject.E016"]
    assert "DATABASE_URL" in found[0].hint


def test_one_administrator_and_a_database_of_users_exclude_each_other(settings):
    settings.USERS, settings.DATABASE_URL_IS_GIVEN, settings.STATE_STORE = "bootstrap", True, "cassandra"
    assert ids(checks.check_users(None)) == ["faceproject.E017"]
    settings.DATABASE_URL_IS_GIVEN = False
    assert checks.check_users(None) == []


def test_one_administrator_alone_keeps_no_pictures(settings):
    settings.USERS, settings.STATE_STORE = "bootstrap", "sql"
    assert ids(checks.check_users(None)) == ["faceproject.E018"]


def test_an_administrator_without_a_password_is_named(settings):
    settings.USERS, settings.ADMIN_PASSWORD = "bootstrap", ""
    assert ids(checks.check_administrator(None)) == ["faceproject.W003"]
    settings.ADMIN_PASSWORD = "of-the-tests"
    assert checks.check_administrator(None) == []
