"""Extraction processes that are kept between two pieces of work."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ingest.pipeline import IngestRun
from ingest.process_pool import ProcessPool
from ingest.services import folder_source, work_order
from ingest.summary import IngestSummary
from ingest.warm import end_warm_pools, warm_pool
from personas.store.base import Store
from tests.ingest.conftest import now
from tests.ingest.drawing import draw
from tests.processes import wait_until

pytestmark = pytest.mark.kill


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    yield
    end_warm_pools()


@pytest.fixture
def places(folder: Path) -> list[Path]:
    """Two folders of pictures that have the same names."""
    made = [folder / "one", folder / "two"]
    for number, place in enumerate(made):
        for name in ("a.png", "b.png"):
            draw(place / name, shade=60 + 10 * number + len(list(folder.rglob("*.png"))))
    return made


def take_in(store: Store, place: Path) -> tuple[IngestSummary, list[int]]:
    """By the warm pool; returns the processes that did it, too."""
    source = folder_source(place)
    with warm_pool(work_order(source), workers=1) as pool:
        summary = IngestRun(store=store, source=source, pool=pool, actor="test", clock=now).run()
        return summary, processes(pool)


def processes(pool: Any) -> list[int]:
    assert isinstance(pool, ProcessPool)
    return [worker.process.pid or 0 for worker in pool._workers]


def test_the_same_processes_read_one_source_after_the_other(store: Store, places: list[Path]) -> None:
    first, pids = take_in(store, places[0])
    second, same = take_in(store, places[1])
    again, still = take_in(store, places[0])
    assert (first.new, second.new, again.new, again.known) == (2, 2, 0, 2)
    assert pids == same == still


def test_a_process_that_died_while_nobody_needed_it_is_replaced(store: Store, places: list[Path]) -> None:
    _, (pid,) = take_in(store, places[0])
    os.kill(pid, signal.SIGKILL)
    second, (another,) = take_in(store, places[1])
    assert (second.new, second.rejected) == (2, ())
    assert another != pid


def test_a_pool_whose_work_failed_is_ended(store: Store, places: list[Path]) -> None:
    source = folder_source(places[0])
    with pytest.raises(ZeroDivisionError), warm_pool(work_order(source), workers=1) as pool:
        (pid,) = processes(pool)
        raise ZeroDivisionError
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the end of the process")
    summary, (another,) = take_in(store, places[0])
    assert (summary.new, another != pid) == (2, True)


def test_other_settings_get_a_pool_of_their_own(store: Store, places: list[Path], settings: Any) -> None:
    _, (pid,) = take_in(store, places[0])
    settings.FACE_EXTRACTOR = "tests.ingest.fakes.newer_squares"
    second, (another,) = take_in(store, places[1])
    assert (second.new, another != pid) == (2, True)
    assert not Path(f"/proc/{pid}").exists()
