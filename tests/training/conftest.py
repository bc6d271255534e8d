"""Made-up worlds that several tests of the trainer begin with."""

from __future__ import annotations

import pytest

from personas.store import get_store
from tests.training.world import World


@pytest.fixture
def fresh_world(tmp_path, settings):
    """Nobody yet."""
    settings.MEDIA_ROOT, settings.CACHE_ROOT = str(tmp_path / "media"), str(tmp_path / "cache")
    return World(get_store(), tmp_path)


@pytest.fixture
def known(fresh_world):
    """Ada and Bo with 30 pictures each, 6 of them labelled, in a crowd of 60; version 1 is champion."""
    world = fresh_world
    world.ada, world.bo, world.strangers = world.photograph("Ada", 30), world.photograph("Bo", 30), world.crowd(60)
    world.introduce("Ada", world.ada[:6])
    world.introduce("Bo", world.bo[:6])
    assert world.train().promoted
    return world


@pytest.fixture
def swapped(fresh_world):
    """Version 2 is refused."""
    fresh_world.mix_up()
    return fresh_world


@pytest.fixture
def world(fresh_world):
    """Two people, learnt once among strangers, and labels of one that no version knows yet."""
    world = fresh_world
    world.ada, world.bo = world.photograph("Ada", 16), world.photograph("Bo", 16)
    world.crowd(30)
    world.introduce("Ada", world.ada[:4])
    world.introduce("Bo", world.bo[:4])
    world.train()
    world.say("Ada", *world.ada[4:8])
    return world
