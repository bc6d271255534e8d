"""`manage.py run`: from any folder, and only said to run when the web process answers."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.kill
NEVER_ANSWERS = """
import sys, django
django.setup()
from orchestration import serving
from orchestration.supervisor import Program
serving.START_SECONDS = 1.0
sleeper = Program(name="web", command=[sys.executable, "-c", "import time; time.sleep(60)"])
serving.all_roles = lambda host, port: [sleeper]
try:
    serving.serve(host="127.0.0.1", port=int(sys.argv[1]), say=print)
except serving.UnableToServeError as error:
    sys.exit(str(error))
"""


SERVED = {
    "EMBEDDED": "false",
    "SECRET_KEY": "of a test, and long enough that nothing complains about its length",
    "ALLOWED_HOSTS": "faces.example.org",
    "LOG_FORMAT": "json",
    "LOG_LEVEL": "INFO",
}


def environment(home: str, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    return {**kept, "FACEPROJECT_HOME": home, "DJANGO_SETTINGS_MODULE": "faceproject.settings", **more}


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_run_works_from_another_folder_and_with_a_state_folder_relative_to_it(tmp_path, port):
    process = subprocess.Popen(
        [sys.executable, str(REPO / "manage.py"), "run", "--port", str(port)],
        cwd=tmp_path,
        env=environment("state"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        said = []
        for line in process.stdout:
            said.append(line)
            if re.search(r"/sign-in/|ended with", line):
                break
        assert "/sign-in/" in said[-1], "".join(said)
    finally:
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "ended with" not in rest
    assert (tmp_path / "state" / "faceproject.sqlite3").exists()
    assert not (REPO / "state").exists()


def test_a_web_process_that_never_answers_is_an_error_and_leaves_nothing_behind(tmp_path, port):
    done = subprocess.run(
        [sys.executable, "-c", NEVER_ANSWERS, str(port)],
        cwd=REPO,
        env=environment(str(tmp_path / "state")),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "does not answer" in done.stderr
    assert "is running" not in done.stdout


def get(port: int, path: str, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Host": "faces.example.org", **headers})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


def test_an_installation_that_serves_others_shows_its_pages_styled_and_logs_json(tmp_path, port):
    process = subprocess.Popen(
        [sys.executable, "manage.py", "run", "--port", str(port)],
        cwd=REPO,
        env=environment(str(tmp_path / "state"), **SERVED),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert f"faceproject is running at http://127.0.0.1:{port}/" in process.stdout.readline()
        status, page = get(port, "/sign-in/", **{"X-Forwarded-Proto": "https"})
        assert status == 200
        style = re.search(r'href="(/static/faceproject\.[0-9a-f]+\.css)"', page)
        assert style
        assert get(port, style.group(1), **{"X-Forwarded-Proto": "https"})[0] == 200
        assert get(port, "/healthz")[0] == 200
    finally:
        process.send_signal(signal.SIGINT)
        _, logged = process.communicate(timeout=30)
    assert process.returncode == 0
    records = [json.loads(line) for line in logged.splitlines()]
    loggers = {each["logger"] for each in records}
    assert "gunicorn.error" in loggers
    assert "django.security.DisallowedHost" not in loggers  # our own look at it asks by a name that is served
