"""What a trainer counts."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY

from personas.store import get_store
from tests.training.world import World


@pytest.mark.django_db
def test_a_fit_is_counted_and_an_attempt_with_nothing_new_is_not(tmp_path, settings):
    settings.MEDIA_ROOT, settings.CACHE_ROOT = str(tmp_path / "media"), str(tmp_path / "cache")
    world = World(get_store(), tmp_path)
    for person in ("ada", "bea"):
        world.introduce(person, world.photograph(person, 3))
    before = REGISTRY.get_sample_value("faceproject_fit_seconds_count") or 0
    assert world.train().version == 1
    assert REGISTRY.get_sample_value("faceproject_fit_seconds_count") == before + 1
    world.train()
    assert REGISTRY.get_sample_value("faceproject_fit_seconds_count") == before + 1
