"""What tests of a trainer that is killed or stopped begin with."""

from __future__ import annotations

import pytest

from personas.store import get_store
from tests.training.world import World


@pytest.fixture
def world(tmp_path, settings):
    """Two people, learnt once among strangers, and labels of one that no version knows yet."""
    settings.MEDIA_ROOT, settings.CACHE_ROOT = str(tmp_path / "media"), str(tmp_path / "cache")
    world = World(get_store(), tmp_path)
    world.ada, world.bo = world.photograph("Ada", 16), world.photograph("Bo", 16)
    world.crowd(30)
    world.introduce("Ada", world.ada[:4])
    world.introduce("Bo", world.bo[:4])
    world.train()
    world.say("Ada", *world.ada[4:8])
    return world
