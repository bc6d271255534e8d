"""The product as a user starts it: `demo`, then `run` with labels coming in, processes dying, and Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.processes import PATIENCE_SECONDS

REPO = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.kill


@pytest.fixture(scope="module")
def demo(installation):
    return installation.manage("demo", "--no-serve", "--workers", "1")


@pytest.fixture
def running(demo, installation):
    """`manage.py run` on a free port; ended by Ctrl-C."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = installation.start("run", "--port", str(port), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "/sign-in/" in line:
            break
    else:
        pytest.fail("run ended: " + "".join(lines))
    yield process, "".join(lines)
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        process.wait(30)
    process.stdout.close()


def children(pid: int) -> dict[int, str]:
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ended in between
            for child in (task / "children").read_text().split():
                found[int(child)] = Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ")
    return found


def wait_for(condition, seconds=PATIENCE_SECONDS):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.2)
    pytest.fail("it did not happen")


def covered(demo_source: Path, person: str) -> list[str]:
    return sorted(path.name for path in demo_source.glob(f"{person}-covered-*.jpg"))


def champion_knows(installation, seq: int):
    def look():
        listed = installation.manage("models")
        champion = [v for v in listed["versions"] if v["champion"]]
        return champion[0] if champion and champion[0]["label_seq"] >= seq else None

    return look


def test_the_demo_knows_the_portraits_misses_the_covered_faces_and_names_no_stranger(demo):
    assert demo["n_personas"] == 2
    assert demo["images"]["no_face"] == 4
    assert demo["ingest"]["rejected"] == []
    assert demo["evaluation"]["categories"]["portrait"]["recall"] == 1.0
    assert demo["evaluation"]["categories"]["covered"]["recall"] < 0.5
    assert demo["evaluation"]["strangers"]["named"] == 0


def test_labels_become_a_version_by_themselves_also_after_the_trainer_is_killed(demo, running, installation, tmp_path):
    process, _ = running
    before = installation.manage("evaluate")["categories"]["covered"]["recall"]
    newest = installation.manage("models")["versions"][0]
    version, seq = newest["version"], newest["label_seq"] + 1

    pictures = covered(REPO / "sample_data", "grace-hopper")
    labels = tmp_path / "labels.csv"
    labels.write_text(f"image,persona,belongs\n{pictures[0]},Grace Hopper,true\n")
    installation.manage("label", str(labels))
    first = wait_for(champion_knows(installation, seq))
    assert first["version"] == version + 1
    assert installation.manage("evaluate")["categories"]["covered"]["recall"] > before

    trainer = next(pid for pid, command in children(process.pid).items() if "trainer-worker" in command)
    os.kill(trainer, signal.SIGKILL)
    labels.write_text(f"image,persona,belongs\n{pictures[1]},Grace Hopper,true\n")
    installation.manage("label", str(labels))
    assert wait_for(champion_knows(installation, seq + 1))["version"] == version + 2


def test_run_prints_where_it_listens_and_a_one_time_link_and_ctrl_c_ends_every_process(running):
    process, printed = running
    assert re.search(r"running at http://127\.0\.0\.1:\d+/", printed)
    pids = children(process.pid)
    assert len(pids) == 4
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_the_dispatcher_ends_on_sigterm(demo, installation):
    with installation.start("role", "dispatcher", stderr=subprocess.PIPE) as process:
        assert any("dispatcher started" in line for line in process.stderr)
        process.terminate()
        assert process.wait(20) == 0
