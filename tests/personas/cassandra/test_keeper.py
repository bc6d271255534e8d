"""The node of a test run ends with the run, however that ends. Needs no node."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.cassandra_node import keeper
from tests.cassandra_node.keeper import FAILED, FOLDER, PID, PORT, Keeper, is_there, keep
from tests.cassandra_node.node import NoNodeError


def test_a_process_that_ended_is_gone_even_before_anybody_asks() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert is_there(process.pid)
        process.kill()
        give_up_at = time.monotonic() + 120
        while is_there(process.pid):
            assert time.monotonic() < give_up_at
            time.sleep(0.01)
    finally:
        process.communicate()
    assert not is_there(process.pid)


def test_a_worker_finds_its_run_s_folder_and_only_the_run_closes_it(tmp_path: Path) -> None:
    environment: dict[str, str] = {}
    run = Keeper(environment)
    assert run.open()
    assert not Keeper(environment).open()
    run.close()
    assert FOLDER not in environment


def test_why_there_is_no_node_is_told_to_every_process(tmp_path: Path) -> None:
    (tmp_path / PID).write_text("1")
    (tmp_path / FAILED).write_text("no Java")
    with pytest.raises(NoNodeError, match="no Java"):
        Keeper({FOLDER: str(tmp_path)}).server()


def test_a_node_is_ended_when_its_run_is_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[str] = []
    node = SimpleNamespace(port=1234, kill=lambda: killed.append((folder / PORT).read_text()))
    monkeypatch.setattr(keeper, "start", lambda *args, **kwargs: node)
    monkeypatch.setattr(keeper, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(keeper.signal, "signal", lambda *args: None)
    run = subprocess.Popen([sys.executable, "-c", ""])
    run.wait()
    folder = tmp_path / "run"
    folder.mkdir()
    keep(folder, run.pid)
    assert killed == ["1234"]
    assert not folder.exists()


def test_a_run_that_ends_while_its_node_starts_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def given_up(*args: object, unless: Callable[[], bool], **kwargs: object) -> None:
        assert unless()
        raise NoNodeError("told to end")

    monkeypatch.setattr(keeper, "start", given_up)
    monkeypatch.setattr(keeper.signal, "signal", lambda *args: None)
    run = subprocess.Popen([sys.executable, "-c", ""])
    run.wait()
    folder = tmp_path / "run"
    folder.mkdir()
    keep(folder, run.pid)
    assert not folder.exists()
