"""A share that ends whoever does it: its workers are started again, and after three of them it is set aside."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.orchestration.workers import REPO, Workers
from tests.processes import wait_until

pytestmark = pytest.mark.kill

PREPARE = """
import django
django.setup()
from django.core.management import call_command
from django.utils import timezone
from personas.entities import Job, JobStatus, Share, ShareStatus
from personas.store import get_store
call_command("migrate", verbosity=0)
at = timezone.now()
store = get_store()
store.put_shares([Share(job_id="j", number=0, status=ShareStatus.WAITING, updated_at=at, total=1)])
store.put_job(Job(job_id="j", kind="test", status=JobStatus.QUEUED, created_at=at, updated_at=at, actor="zoe"))
"""


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    settings = {"TASK_LIMIT_SECONDS_INGEST": "2", "DATABASE_URL": "", "STATE_STORE": "sql", "STORES": "sql"}
    made = Workers(tmp_path, settings)
    subprocess.run([sys.executable, "-c", PREPARE], cwd=REPO, env=made.environment, check=True, timeout=240)
    yield made
    made.end()


def test_a_share_that_hangs_costs_three_workers_and_is_then_set_aside_with_a_message(workers):
    set_aside = workers.folder / "j.set-aside"
    codes = []

    def supervised() -> bool:
        """Start a worker where none runs, and ask for the share, as supervisor and dispatcher do."""
        if (code := workers.running[-1].poll()) is not None:
            codes.append(code)
            workers.start()
        workers.send("j", task="ingest.sample_share")
        return set_aside.exists()

    workers.start()
    wait_until(supervised, "a share that is set aside", seconds=400, pause=2, logs=workers.log.read_text)
    assert codes == [75, 75, 75]
    assert set_aside.read_text().startswith("3 It was begun 3 times and never ended")
    assert workers.running[-1].poll() is None
