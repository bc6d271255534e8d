"""Commands on a state folder that no `migrate` has seen, or only an older one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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
