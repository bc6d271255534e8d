"""The supervisor starts processes together, starts dead ones again, and leaves none behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestration.supervisor import Program, Supervisor

REPO = Path(__file__).resolve().parents[2]
SUPERVISED = """
import sys, time
from orchestration.supervisor import Program, Supervisor
child = "import os, sys, time; open(sys.argv[1], 'a').write(f'{os.getpid()}\\\\n'); time.sleep(float(sys.argv[2]))"
role = Program(name="child", command=[sys.executable, "-c", child, sys.argv[1], sys.argv[2]])
sys.exit(Supervisor([role], lambda line: print(line, flush=True)).run())
"""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def wait_until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def supervised(tmp_path):
    pids = tmp_path / "pids"

    def start(child_seconds: float) -> tuple[subprocess.Popen[str], Path]:
        process = subprocess.Popen(
            [sys.executable, "-c", SUPERVISED, str(pids), str(child_seconds)],
            cwd=REPO,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert wait_until(lambda: pids.exists() and pids.read_text().strip())
        return process, pids

    started: list[subprocess.Popen[str]] = []
    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.kill
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_every_process_and_the_exit_code_is_zero(supervised, number):
    process, pids = supervised(60)
    process.send_signal(number)
    assert process.wait(20) == 0
    assert not any(alive(int(pid)) for pid in pids.read_text().split())


@pytest.mark.kill
def test_a_process_that_dies_is_started_again(supervised):
    _, pids = supervised(0.1)
    assert wait_until(lambda: len(pids.read_text().split()) >= 2)


@pytest.mark.kill
@pytest.mark.skipif(sys.platform != "linux", reason="prctl(PR_SET_PDEATHSIG) is Linux's")
def test_killing_the_supervisor_leaves_no_process_behind(supervised):
    process, pids = supervised(60)
    process.kill()
    process.wait()
    assert wait_until(lambda: not any(alive(int(pid)) for pid in pids.read_text().split()))


def test_the_message_for_a_dead_process_names_its_signal():
    said: list[str] = []
    supervisor = Supervisor(
        [Program(name="child", command=[sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"])], said.append
    )
    supervisor.start_all()
    assert wait_until(lambda: supervisor.look() or said)
    assert "SIGKILL" in said[0]
    supervisor.end_all()
