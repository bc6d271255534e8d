"""The state folder: what makes it ours, what a reset removes, and that one product at a time works on it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from orchestration import demo
from orchestration import home as homes
from personas.errors import FaceProjectError

REPO = Path(__file__).resolve().parents[2]
HOLD = """
import sys
from pathlib import Path
from orchestration.home import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
#: What the demo says after it emptied the state and read a folder without a picture.
EMPTIED = "There are no faces yet"


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


def installed(tmp_path: Path) -> Path:
    """A state folder of the product's own with a database in it."""
    state = tmp_path / "state"
    homes.claim(state)
    (state / "faceproject.sqlite3").touch()
    return state


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    return folder


@pytest.fixture
def other_process():
    """Start a process that holds a state folder."""
    started = []

    def hold(home: Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(home)], cwd=REPO, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield hold
    for process in started:
        process.kill()
        process.communicate()


def test_a_folder_that_held_somebodys_files_is_never_emptied(tmp_path, pictures):
    documents = tmp_path / "documents"
    (documents / "media").mkdir(parents=True)
    (documents / "media" / "film.mkv").write_text("a wedding")
    (documents / "thesis.txt").write_text("years of work")
    assert manage(documents, "migrate").returncode == 0  # now everything the product makes on its way is there
    done = manage(documents, "demo", "--reset", "--no-serve", "--data", str(pictures))
    assert done.returncode == 1
    assert "left alone" in done.stderr
    assert "Traceback" not in done.stderr
    assert (documents / "thesis.txt").read_text() == "years of work"
    assert (documents / "media" / "film.mkv").read_text() == "a wedding"


def test_a_reset_removes_what_the_product_made_and_leaves_what_came_later(tmp_path, pictures):
    state = tmp_path / "state"
    assert manage(state, "migrate").returncode == 0
    secret = (state / "secret_key").read_text()
    (state / "notes.txt").write_text("mine")
    (state / "media" / "originals").mkdir(parents=True)
    done = manage(state, "demo", "--reset", "--no-serve", "--data", str(pictures))
    assert EMPTIED in done.stderr
    assert (state / "secret_key").read_text() == secret
    assert (state / "notes.txt").read_text() == "mine"
    assert not (state / "media" / "originals").exists()


def test_a_wrong_source_is_named_before_anything_is_removed(tmp_path, monkeypatch):
    emptied = []
    monkeypatch.setattr(demo, "empty_home", lambda: emptied.append(True))
    with pytest.raises(FaceProjectError):
        demo.run_demo(source=tmp_path / "nowhere", reset=True, workers=0, say=print, progress=False)
    assert emptied == []


@pytest.mark.parametrize("name", ["DATABASE_URL", "MEDIA_ROOT", "CACHE_ROOT"])
def test_a_state_that_lies_elsewhere_is_not_emptied_by_halves(tmp_path, monkeypatch, name):
    state = installed(tmp_path)
    places = {
        "DATABASE_URL": str(state / homes.DATABASE),
        "MEDIA_ROOT": str(state / homes.MEDIA),
        "CACHE_ROOT": str(state / homes.CACHE),
        name: "elsewhere",
    }
    chosen = SimpleNamespace(
        FACEPROJECT_HOME=state, DATABASES={"default": {"NAME": places.pop("DATABASE_URL")}}, **places
    )
    monkeypatch.setattr(demo, "settings", chosen)
    with pytest.raises(homes.UnableToResetError, match=name):
        demo.empty_home()
    assert (state / "faceproject.sqlite3").exists()


def test_nothing_is_emptied_behind_a_link(tmp_path):
    state, disk = tmp_path / "state", tmp_path / "disk"
    homes.claim(state)
    disk.mkdir()
    (state / "media").symlink_to(disk)
    (state / "queue").mkdir()
    with pytest.raises(homes.UnableToResetError, match="is a link"):
        homes.empty(state)
    assert (state / "queue").exists()


def test_a_reset_is_refused_while_the_product_runs(tmp_path, other_process):
    state = installed(tmp_path)
    holder = other_process(state)
    with pytest.raises(homes.HomeInUseError, match=f"process {holder.pid} runs on {state}"):
        homes.empty(state)
    assert (state / "faceproject.sqlite3").exists()
    holder.kill()
    holder.wait()
    homes.empty(state)
    assert not (state / "faceproject.sqlite3").exists()


def test_two_products_do_not_run_on_one_folder(tmp_path, other_process):
    state = tmp_path / "state"
    homes.claim(state)
    other_process(state)
    done = manage(state, "run", "--port", "0")
    assert done.returncode == 1
    assert "End it first" in done.stderr
    assert not (state / "faceproject.sqlite3").exists()


def test_a_folder_from_before_the_marker_is_ours_only_with_our_database_and_nothing_else(tmp_path):
    ours, mixed, unknown = (tmp_path / name for name in ("ours", "mixed", "unknown"))
    for folder, names in (
        (ours, ("faceproject.sqlite3", "secret_key", "media")),
        (mixed, ("faceproject.sqlite3", "thesis.txt")),
        (unknown, ("secret_key", "queue")),
    ):
        folder.mkdir()
        for name in names:
            (folder / name).touch()
        homes.claim(folder)
    assert [homes.is_ours(folder) for folder in (ours, mixed, unknown)] == [True, False, False]


def test_a_folder_stays_whose_it_was_when_first_used(tmp_path):
    state = tmp_path / "state"
    homes.claim(state)
    (state / "later.txt").touch()
    homes.claim(state)
    assert homes.is_ours(state)
