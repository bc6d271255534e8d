"""A trainer that is stopped (SIGSTOP) past its lease, right before a write, and goes on when another has published."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from personas.entities import VersionStatus
from tests.training.test_killed_trainer import undisturbed
from tests.training.world import World

pytestmark = [pytest.mark.kill, pytest.mark.django_db(transaction=True)]

#: The store call at which it is stopped, which is carried out when it goes on (nothing can prevent that), and how many
#: pictures came meanwhile: with some, the other trainer fits a version of its own; with none, it finishes the same one.
MOMENTS = [
    ("add_model_version", 3),
    ("update_model_version", 0),
    ("put_ranked", 3),
    ("put_ranked", 0),
    ("add_fresh", 0),
    ("switch_champion", 3),
    ("switch_champion", 0),
    ("advance_cursor", 3),
]


@pytest.mark.parametrize(("call", "meanwhile"), MOMENTS)
def test_what_the_stopped_trainer_writes_afterwards_changes_nothing(
    world, child_environment, tmp_path, call, meanwhile
):
    command = [
        sys.executable,
        "-m",
        "tests.training.killed_trainer",
        str(tmp_path),
        call,
        "before",
        "SIGSTOP",
        str(10**9),
    ]
    with subprocess.Popen(command, env=child_environment, stderr=subprocess.PIPE, text=True) as child:
        try:
            _, status = os.waitpid(child.pid, os.WUNTRACED)
            assert os.WIFSTOPPED(status), child.stderr.read()
            later = world.photograph("Ada", meanwhile, first=100) if meanwhile else []
            world.trainer.train(actor="tester", only_new_labels=True, wait_seconds=120)
            world.trainer.score_new_faces()
            before = published(world)
            child.send_signal(signal.SIGCONT)
            _, said = child.communicate(timeout=300)
        finally:
            child.kill()
    assert published(world) == before
    assert set(later) <= set(world.predicted("Ada"))
    assert "LeaseLostError" in said or "OutdatedError" in said or child.returncode == 0, said
    champion = world.store.champion()
    assert world.store.model_version(champion.version).status is VersionStatus.READY
    world.say("Bo", world.bo[5])
    assert world.train(only_new_labels=True).promoted  # whatever it left stops nobody
    assert {name.lower(): world.predicted(name) for name in ("Ada", "Bo")} == undisturbed(world)


def published(world: World) -> tuple[object, ...]:
    """What readers see, and the pointer."""
    champion = world.store.champion()
    return (
        champion,
        {name: world.predicted(name) for name in ("Ada", "Bo")},
        world.store.fresh_through(champion.version),
    )
