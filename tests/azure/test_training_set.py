"""The training set as part of a deployment: what goes wrong with it stops what needs it, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.azure.deployment import ApplyError
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

    monkeypatch.setattr("orchestration.azure.upload.planned", gone)
    with pytest.raises(ApplyError, match=r"did not reach the share: .*a\.jpg"):
        stored.deploying().apply()
