"""Tasks that the dispatcher sends: one too many costs nothing."""

from __future__ import annotations

import pytest

from training import services, tasks


@pytest.mark.django_db
def test_a_training_task_with_nothing_to_learn_reads_no_label(monkeypatch):
    monkeypatch.setattr(services, "train", lambda **_: pytest.fail("a training attempt was begun"))
    assert tasks.train() == "Nothing was said since the last attempt."
