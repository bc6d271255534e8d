"""Which version was in use when."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from personas.entities import AuditEntry
from personas.store import get_store
from tests import factories
from tests.training.world import World
from training.usage import MAX_SWITCHES, versions_in_use

pytestmark = pytest.mark.django_db


def test_switches_are_told_with_when_they_ended_and_why(tmp_path: Path) -> None:
    world = World(get_store(), tmp_path)
    ada, bo = world.photograph("Ada", 6), world.photograph("Bo", 4)
    world.introduce("Ada", ada[:4])
    world.introduce("Bo", bo)
    world.train()
    world.say("Ada", ada[4])
    world.train()
    world.trainer.rollback(actor="zoe")
    uses = versions_in_use(world.store)
    assert [(use.version, use.actor, use.why) for use in uses] == [
        (1, "zoe", "rolled back"),
        (2, "tester", "passed the gate"),
        (1, "tester", "passed the gate"),
    ]
    assert uses[0].until is None
    assert [use.until for use in uses[1:]] == [use.since for use in uses[:-1]]


def test_lost_switches_and_other_entries_are_left_out_and_the_list_is_short() -> None:
    store = get_store()
    for number in range(MAX_SWITCHES + 5):
        for action in ("champion_switched", "champion_switch_lost", "job pause"):
            at = factories.NOW + timedelta(minutes=number)
            store.add_audit(AuditEntry(at=at, actor="zoe", action=action, target=f"version {number + 1}"))
    assert [use.version for use in versions_in_use(store)] == list(range(MAX_SWITCHES + 5, 5, -1))
