"""`manage.py ingest` as a person runs it: killed at random moments, and twice at once."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY
from tests.ingest.drawing import draw, sidecar
from tests.ingest.fakes import BLUE, GREEN, RED
from tests.processes import PATIENCE_SECONDS

pytestmark = pytest.mark.kill

N_PICTURES = 40
Environment = dict[str, str]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of state with an empty store, to copy."""
    home = tmp_path_factory.mktemp("prepared")
    manage(environment(home), "migrate", "-v0")
    return home


@pytest.fixture
def homes(prepared: Path, tmp_path: Path) -> Callable[[str], Environment]:
    """`homes("a")` is the environment of a new installation."""

    def new(name: str) -> Environment:
        shutil.copytree(prepared, tmp_path / name)
        return environment(tmp_path / name)

    return new


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Pictures with sidecars of every kind, copies, and one without a face."""
    folder = tmp_path / "source"
    for number in range(N_PICTURES):
        colour = (RED, GREEN, BLUE)[number % 3]
        picture = draw(folder / f"{number % 4}" / f"{number:02}.png", [(20, 20, 80, colour)], shade=60 + number)
        sidecar(picture, persona=("Ada", "Bob", None)[number % 3], labeled=number % 4 != 0, category=f"c{number % 2}")
    for number in range(5):
        shutil.copy(folder / f"{number % 4}" / f"{number:02}.png", folder / f"copy-{number}.png")
    draw(folder / "none.png", [])
    (folder / "bad.jpg").write_text("not a picture")
    return folder


def environment(home: Path) -> Environment:
    kept = {
        name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "MEDIA_ROOT", "CACHE_ROOT")
    }
    return {
        **kept,
        "DJANGO_SETTINGS_MODULE": "faceproject.settings",
        "FACEPROJECT_HOME": str(home),
        "FACE_EXTRACTOR": "tests.ingest.fakes.slow",
        "PYTHONPATH": str(REPOSITORY),
        "LOG_LEVEL": "ERROR",
    }


def manage(env: Environment, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True, text=True, timeout=PATIENCE_SECONDS)


def start(env: Environment, source: Path | str, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "manage.py", "ingest", str(source), "--workers", "2", "--json", *arguments]
    return subprocess.Popen(command, cwd=REPOSITORY, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def finish(env: Environment, source: Path | str) -> dict[str, Any]:
    done = manage(env, "ingest", str(source), "--workers", "2", "--json")
    assert done.returncode in (0, 3), done.stderr
    return dict(json.loads(done.stdout))


def state(env: Environment) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.ingest.states"]
    printed = subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True, text=True, check=True, timeout=60)
    return dict(json.loads(printed.stdout))


def state_hash(env: Environment) -> str:
    return str(json.loads(manage(env, "state_hash", "--json").stdout)["state_hash"])


def descendants(pid: int) -> Iterator[int]:
    """Of a Linux process, by /proc."""
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the thread ended in between
            for child in map(int, task.read_text().split()):
                yield child
                yield from descendants(child)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def stored(env: Environment) -> int:
    return sum(1 for path in (Path(env["FACEPROJECT_HOME"]) / "media" / "originals").rglob("*") if path.is_file())


def wait_for(condition: Callable[[], bool], *, seconds: float = PATIENCE_SECONDS) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.01)
    return condition()


def test_killed_at_any_moment_and_run_again_it_ends_in_the_same_state(
    homes: Callable[[str], Environment], source: Path
) -> None:
    undisturbed, killed = homes("undisturbed"), homes("killed")
    summary = finish(undisturbed, source)
    assert (summary["pictures"], summary["new"]) == (N_PICTURES + 6, N_PICTURES + 1)
    chance = random.Random()  # a new moment every time; the folder below /tmp shows what was left
    for _ in range(3):
        before = stored(killed)
        process = start(killed, source)
        assert wait_for(lambda: stored(killed) > before or process.poll() is not None)  # noqa: B023
        time.sleep(chance.uniform(0, 0.5))
        children = list(descendants(process.pid))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert wait_for(lambda: not any(map(is_running, children)), seconds=30), "a worker outlived its parent"  # noqa: B023
        if stored(killed) == N_PICTURES + 1:
            break
    finish(killed, source)
    expected, got = state(undisturbed), state(killed)
    assert got == expected
    assert state_hash(killed) == state_hash(undisturbed)
    again = finish(killed, source)
    assert (again["new"], again["labels"], again["truths"]) == (0, 0, 0)
    assert state(killed) == expected


def test_two_at_once_on_one_folder_end_in_the_state_of_one(homes: Callable[[str], Environment], source: Path) -> None:
    alone, together = homes("alone"), homes("together")
    finish(alone, source)
    processes = [start(together, source) for _ in range(2)]
    summaries = [json.loads(process.communicate(timeout=PATIENCE_SECONDS)[0]) for process in processes]
    assert [process.returncode for process in processes] == [3, 3]
    assert [summary["pictures"] for summary in summaries] == [N_PICTURES + 6] * 2
    assert sum(summary["new"] for summary in summaries) == N_PICTURES + 1
    assert state(together) == state(alone)


def test_interrupted_by_a_person_no_worker_stays(homes: Callable[[str], Environment], source: Path) -> None:
    env = homes("interrupted")
    process = start(env, source)
    assert wait_for(lambda: stored(env) > 0)
    children = list(descendants(process.pid))
    process.send_signal(signal.SIGINT)
    process.wait(timeout=PATIENCE_SECONDS)
    assert wait_for(lambda: not any(map(is_running, children)), seconds=30)


def test_workers_that_are_killed_are_replaced(homes: Callable[[str], Environment], source: Path) -> None:
    env = homes("wounded")
    process = start(env, source)
    for seen in (1, 15):
        assert wait_for(lambda: stored(env) >= seen)  # noqa: B023
        for child in descendants(process.pid):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ended in between
                if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                    os.kill(child, signal.SIGKILL)
    summary = json.loads(process.communicate(timeout=PATIENCE_SECONDS)[0])
    assert [each["path"] for each in summary["rejected"]] == ["bad.jpg"]
    assert summary["new"] == N_PICTURES + 1
