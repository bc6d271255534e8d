"""Commands on a state folder that no `migrate` has seen, or only an older one."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import OperationalError

from personas.store.base import StoreError
from personas.store.sql.connection import translating

REPO = Path(__file__).resolve().parents[2]


def manage(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "MEDIA_ROOT")}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=REPO,
        env={**kept, "FACEPROJECT_HOME": str(home), "DJANGO_SETTINGS_MODULE": "faceproject.settings", **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_command_on_a_fresh_home_just_works(tmp_path):
    done = manage(tmp_path / "state", "sign_in_link")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("http://127.0.0.1:8000/")
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "state" / "faceproject.sqlite3").stat().st_mode & 0o777 == 0o600


def test_a_home_of_an_older_version_is_brought_up_to_date(tmp_path):
    assert manage(tmp_path / "state", "migrate", "sqlstore", "0001").returncode == 0
    done = manage(tmp_path / "state", "add_persona", "Ada")
    assert (done.returncode, done.stderr) == (0, "")


def test_served_the_schema_is_left_to_migrate(tmp_path):
    served = {"EMBEDDED": "false", "SECRET_KEY": "x" * 60, "ALLOWED_HOSTS": "faces.example"}
    done = manage(tmp_path / "state", "add_persona", "Ada", **served)
    assert done.returncode == 1
    assert "manage.py migrate" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("place", ["a file", "below a file", "in /proc"])
def test_a_home_that_cannot_be_used_is_named_in_one_line(tmp_path, place):
    (tmp_path / "file").touch()
    home = {"a file": tmp_path / "file", "below a file": tmp_path / "file" / "x", "in /proc": Path("/proc/none")}[place]
    done = manage(home, "state_hash")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert str(home) in done.stderr
    assert "FACEPROJECT_HOME" in done.stderr


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("said", "hinted"),
    [
        ("no such column: kind", True),
        ('relation "event" does not exist', True),
        ("attempt to write a readonly database", False),
    ],
)
def test_migrate_is_only_advised_for_another_schema(said, hinted):
    cause = sqlite3.OperationalError(said)
    cause.sqlite_errorname = "SQLITE_ERROR"
    with pytest.raises(StoreError) as caught, translating():
        raise OperationalError(said) from cause
    assert ("migrate" in str(caught.value)) is hinted
