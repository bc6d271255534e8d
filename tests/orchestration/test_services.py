"""Ingest as the commands do it: pictures in, then scored by the champion."""

from __future__ import annotations

import pytest

from orchestration.services import ingest_folder
from personas.lease import LeaseBusyError


@pytest.mark.django_db
def test_an_ingest_does_not_fail_because_a_trainer_is_at_work(tmp_path, monkeypatch):
    def busy() -> int:
        raise LeaseBusyError("busy")

    monkeypatch.setattr("training.services.score_new_faces", busy)
    summary = ingest_folder(source=tmp_path, workers=0, actor="test", progress=False)
    assert summary["scored"] == 0
