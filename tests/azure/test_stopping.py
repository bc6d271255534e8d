"""A command that somebody ends: it ends at its next step, whatever it was at, and the next one goes on from there."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from orchestration.azure import clients
from orchestration.azure.deployment import Deployment
from orchestration.azure.errors import StoppedError
from orchestration.azure.image import ProductImage
from orchestration.deployment.errors import DeploymentError
from tests.azure.conftest import Deploying, Stored
from tests.azure_double.double import AzureDouble
from tests.azure_double.faults import Fault
from tests.conftest import REPOSITORY


def stopped_at(deployment: Deployment, key: str, what: str) -> Deployment:
    """It is ended as soon as it reports that."""
    deployment.run.report = lambda k, w, detail="": deployment.stop() if (k, w) == (key, what) else None
    return deployment


def test_a_destroy_that_is_ended_deletes_nothing_more_and_the_next_one_goes_on(
    azure: AzureDouble, deploying: Deploying, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploying().apply()
    ended = deploying()
    waits = ended.run.azure.finished

    def ended_while_it_waits(poller: Any, doing: str) -> Any:
        ended.stop()
        return waits(poller, doing)

    monkeypatch.setattr(ended.run.azure, "finished", ended_while_it_waits)
    azure.world.polls = 150
    since = len(azure.requests)
    with pytest.raises(StoppedError, match="goes on from here"):
        ended.destroy()
    (asked,) = [each.path for each in azure.requests[since:] if each.method == "DELETE"]
    assert asked in azure.resources  # Azure is at it; nobody waited
    azure.world.polls = 2
    deploying().destroy()
    assert azure.resources.all() == []


def test_no_other_node_is_begun_once_an_apply_is_ended(stored: Stored) -> None:
    with pytest.raises(DeploymentError, match="goes on from here"):
        stopped_at(stored.deploying(), "share", "done").apply()
    assert stored.uploaded() == set()


def test_an_upload_is_ended_and_the_next_apply_sends_the_rest(stored: Stored) -> None:
    for number in range(200):
        (stored.folder / f"{number}.jpg").write_bytes(b"%d" % number)
    with pytest.raises(DeploymentError, match="training set on the share: ended before it was done"):
        stopped_at(stored.deploying(), "training", "uploading").apply()
    assert 0 < len(stored.uploaded()) < 201
    stored.deploying().apply()
    assert len(stored.uploaded()) == 201


def test_what_is_tried_again_and_again_is_not_once_the_command_is_ended(
    azure: AzureDouble, deploying: Deploying, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "PATIENCE_SECONDS", 5.0)
    scripted = azure.faults.add("PUT", "*/resourceGroups/faces", kind=Fault.CONFLICT, times=10_000)
    deployment = deploying()
    threading.Timer(0.3, deployment.stop).start()
    with pytest.raises(StoppedError):
        deployment.run.azure.put(deployment.nodes[0].id, "2025-04-01", {"location": "x"})  # type: ignore[attr-defined]
    assert scripted.met


def test_a_build_on_this_machine_is_ended(
    deploying: Deploying, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "bin" / "docker"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\nexec sleep 600\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tool.parent), prepend=":")
    ended = stopped_at(deploying(image=""), "image", "building")
    ended.run.facts.learn("registry", {"properties": {"loginServer": "faces.azurecr.io"}})
    with pytest.raises(StoppedError, match="image of the product"):
        ProductImage(build="local", base="python", needs=()).ensure(ended.run)


TWICE = """
import os, signal
from orchestration.provisioning import _stopped_by_signal

class Stopped:
    def stop(self):
        print("stopped", flush=True)

with _stopped_by_signal(Stopped()):
    os.kill(os.getpid(), signal.{first})
    print("goes on to its next step", flush=True)
    os.kill(os.getpid(), signal.{second})
    print("never", flush=True)
"""


@pytest.mark.parametrize(("first", "second"), [("SIGINT", "SIGINT"), ("SIGTERM", "SIGINT"), ("SIGINT", "SIGTERM")])
def test_a_second_signal_ends_the_process_at_once(first: str, second: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", TWICE.format(first=first, second=second)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.stdout.split("\n") == ["stopped", "goes on to its next step", ""], ended.stderr
    assert ended.returncode == -signal.Signals[second]
