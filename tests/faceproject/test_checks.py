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
    assert ids(checks.check_ingest_folders(None)) == ["faceproject.E025"]
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


# ---- Azure Face ------------------------------------------------------------------------------------------------------
@pytest.fixture
def azure(settings):
    """Settings that have Azure find faces, and are sound."""
    settings.FACE_DETECTOR = "azure"
    settings.AZURE_FACE_ENDPOINT, settings.AZURE_FACE_KEY = "https://a.cognitiveservices.azure.com/", "0" * 32
    return settings


def test_azure_face_with_endpoint_and_key_is_sound(azure):
    assert checks.check_azure_face(None) == checks.check_choices(None) == []


@pytest.mark.parametrize(
    ("name", "value", "check_id"),
    [
        ("AZURE_FACE_ENDPOINT", "", "faceproject.E016"),
        ("AZURE_FACE_ENDPOINT", "http://a.cognitiveservices.azure.com", "faceproject.E016"),
        ("AZURE_FACE_KEY", " ", "faceproject.E017"),
        ("AZURE_FACE_TIER", "S1", "faceproject.E018"),
        ("FACE_DETECTOR_FALLBACK", "dlib", "faceproject.E019"),
        ("AZURE_CA_BUNDLE", "/no/such/file.pem", "faceproject.E020"),
    ],
)
def test_what_azure_face_cannot_work_with_is_named(azure, name, value, check_id):
    setattr(azure, name, value)
    found = checks.check_azure_face(None)
    assert ids(found) == [check_id]
    assert name in found[0].msg


def test_a_client_that_is_not_installed_is_named_with_what_to_install(azure, monkeypatch):
    monkeypatch.setattr(checks.importlib.util, "find_spec", lambda name: None)
    found = checks.check_azure_face(None)
    assert ids(found) == ["faceproject.E015"]
    assert "requirements-azure.txt" in found[0].hint


def test_the_embedded_detector_needs_nothing_of_azure(settings):
    settings.AZURE_FACE_ENDPOINT, settings.AZURE_FACE_TIER = "nonsense", "S9"
    assert checks.check_azure_face(None) == []


# ---- users -----------------------------------------------------------------------------------------------------------
def test_users_who_are_nowhere_known_are_named(settings):
    settings.USERS = "ldap"
    assert ids(checks.check_choices(None)) == ["faceproject.E021"]


def test_users_in_postgresql_need_its_address(settings):
    settings.USERS = "postgresql"
    if settings.DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
        pytest.skip("the tests run on PostgreSQL")
    found = checks.check_users(None)
    assert ids(found) == ["faceproject.E022"]
    assert "DATABASE_URL" in found[0].hint


def test_one_administrator_and_a_database_of_users_exclude_each_other(settings):
    settings.USERS, settings.DATABASE_URL_IS_GIVEN, settings.STATE_STORE = "bootstrap", True, "cassandra"
    assert ids(checks.check_users(None)) == ["faceproject.E023"]
    settings.DATABASE_URL_IS_GIVEN = False
    assert checks.check_users(None) == []


def test_one_administrator_alone_keeps_no_pictures(settings):
    settings.USERS, settings.STATE_STORE = "bootstrap", "sql"
    assert ids(checks.check_users(None)) == ["faceproject.E024"]


def test_an_administrator_without_a_password_is_named(settings):
    settings.USERS, settings.ADMIN_PASSWORD = "bootstrap", ""
    assert ids(checks.check_administrator(None)) == ["faceproject.W003"]
    settings.ADMIN_PASSWORD = "of-the-tests"
    assert checks.check_administrator(None) == []
