"""The training set as part of a deployment: what goes wrong with it stops what needs it, and nothing else."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from orchestration.azure.deployment import ApplyError
from orchestration.azure.folder_digest import folder_digest
from orchestration.azure.status import status
from tests.azure.conftest import Stored


def test_a_share_that_does_not_answer_stops_what_needs_the_pictures_alone(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.azure_share.RETRIES", 1)
    stored.files.faults.add("InternalError", what="create file", times=10_000)
    with pytest.raises(ApplyError, match=r"training set.*did not reach the share") as caught:
        stored.deploying().apply()
    assert "Not tried, because they need it: container group faces-init" in str(caught.value)
    made = {resource.type.rsplit("/", 1)[-1] for resource in stored.azure.resources.all()}
    assert {"databases", "throughputSettings", "containerGroups"} <= made
    stored.files.faults.waiting.clear()
    stored.deploying().apply()
    assert stored.uploaded() == {"a.jpg"}


def test_a_disk_that_cannot_be_read_is_told_as_what_it_is(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(folder: Path) -> None:
        raise FileNotFoundError(2, "No such file or directory", str(folder / "a.jpg"))

    monkeypatch.setattr("orchestration.azure.folder_digest._content", gone)
    assert "training" in {step.key for step in stored.deploying().plan().changes}
    monkeypatch.setattr("orchestration.azure.upload.planned", gone)
    with pytest.raises(ApplyError, match=r"did not reach the share: .*a\.jpg"):
        stored.deploying().apply()


def test_a_fresh_copy_of_the_same_pictures_is_the_same_training_set(stored: Stored) -> None:
    stored.deploying().apply()
    shutil.copytree(stored.folder, copy := stored.folder.with_name("copy"))
    os.utime(copy / "a.jpg", ns=(1, 1))
    (copy / ".DS_Store").write_bytes(b"nobody uploads this")
    stored.folder.rename(stored.folder.with_name("before"))
    copy.rename(stored.folder)
    assert stored.deploying().plan().changes == ()


def test_another_picture_of_the_same_name_and_size_is_another_training_set(stored: Stored) -> None:
    stored.deploying().apply()
    (stored.folder / "a.jpg").write_bytes(b"b")
    assert {step.key for step in stored.deploying().plan().changes} == {"training", "group:init"}


def test_contents_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    monkeypatch.setattr("orchestration.azure.folder_digest._content", lambda path: read.append(path.name) or path.name)
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg"):
        (folder / name).write_bytes(b"x")
    first = folder_digest(folder, tmp_path / "memory")
    (folder / "c.jpg").write_bytes(b"x")
    assert folder_digest(folder, tmp_path / "memory") != first
    (folder / "c.jpg").unlink()
    assert folder_digest(folder, tmp_path / "memory") == first
    assert read == ["a.jpg", "b.jpg", "c.jpg"]
    (tmp_path / "memory").write_text("{")
    assert folder_digest(folder, tmp_path / "memory") == first


def test_a_folder_that_is_not_here_keeps_nobody_from_looking_or_from_destroying(stored: Stored) -> None:
    stored.deploying().apply()
    shutil.rmtree(stored.folder)
    plan = stored.deploying().plan()
    ((step, why),) = [(step.key, step.finding.reasons) for step in plan.changes]
    assert step == "training"
    assert "There is no folder" in why[0]
    assert plan.problems == why
    with pytest.raises(ApplyError, match="There is no folder"):
        stored.deploying().apply()
    assert status(stored.deploying()).healthy
    stored.deploying().destroy()
    assert stored.azure.resources.all() == []


def test_the_folder_lies_in_the_checkout_wherever_the_command_is_given(
    stored: Stored, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("orchestration.azure.training_set.CHECKOUT", tmp_path.parent)
    said = stored.make(stored.azure, data=f"{tmp_path.name}/pictures")
    said.apply()
    assert stored.uploaded() == {"a.jpg"}
