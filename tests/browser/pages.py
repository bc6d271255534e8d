"""The pages that every test of pages walks through: a new page is added here, and is tested with the others.

They are those of `small_world` (one person, Ada, and a job); `addresses` says what stands in braces.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from personas import sign_in
from personas.crops import originals
from personas.entities import FaceKey, JobStatus
from personas.media import write_atomically
from personas.roles import Role
from personas.services.curation import delete_images
from personas.store import get_store
from personas.store.base import Store
from tests import factories
from tests.training.world import World
from tests.web import add_pictures, draw_picture, publish

PAGES = (
    "/",
    "/?q=ada",
    "/?q=nobody-of-that-name",
    "/personas/ada/",
    "/personas/ada/?show=labelled",
    "/personas/ada/?show=rejected",
    "/personas/ada/?show=pictures",
    "/find/",
    "/unknown/",
    "/unknown/groups/",
    "/strangers/",
    "/ignored/",
    "/not-faces/",
    "/history/",
    "/images/",
    "/images/{image}/",
    "/images/deleted/",
    "/images/deleted/{deleted}/erase/",
    "/upload/",
    "/jobs/",
    "/jobs/a-job/",
    "/models/",
    "/models/1/",
    "/status/",
    "/password/",
    "/account/tokens/",
    "/api/v1/docs",
    "/admin/",
    "/admin/personas/persona/",
    "/admin/personas/persona/ada/change/",
    "/admin/personas/persona/add/",
    "/admin/personas/face/",
    "/admin/personas/label/?persona=ada",
    "/admin/personas/image/",
    "/admin/personas/event/",
    "/admin/personas/modelversion/",
    "/admin/personas/job/",
    "/admin/personas/job/a-job/change/",
    "/admin/auth/user/",
    "/admin/auth/user/add/",
    "/admin/auth/user/{owner}/change/",
    "/admin/auth/user/{owner}/password/",
    "/admin/auth/group/",
    "/admin/auth/group/{role}/change/",
)


@pytest.fixture
def small_world(store: Store) -> list[FaceKey]:
    """Ada has one labelled face of six and four predicted ones; the last face is unknown. One job failed."""
    keys = add_pictures(store, 6)
    factories.add_personas(store, "Ada")
    factories.label(store, "ada", keys[0])
    publish(store, {key: ("ada", 0.9 - number / 10) for number, key in enumerate(keys[1:5])})
    rejected = [{"path": "bad.jpg", "reason": "truncated", "message": "It ends early."}]
    job = factories.job(
        "a-job",
        status=JobStatus.FAILED,
        done=3,
        total=4,
        message="1 of 2 parts failed.",
        detail={"folder": "/mnt/pictures", "new": 3, "rejected": rejected},
    )
    store.put_job(job)
    (deleted,) = add_pictures(store, 1, prefix="deleted")
    command = {"actor": "tester", "at": timezone.now(), "command_id": factories.command_id()}
    delete_images(store=store, image_ids=[deleted.image_id], **command)
    return keys


@pytest.fixture
def learnt_twice(store: Store, tmp_path: Path, settings: Any) -> None:
    """Two people among strangers; version 2, which saw more labels of Ada, is in use. Both versions can be used."""
    settings.MEDIA_ROOT, settings.CACHE_ROOT = str(tmp_path / "media"), str(tmp_path / "cache")
    world = World(store, tmp_path)
    ada, bo, others = world.photograph("Ada", 12), world.photograph("Bo", 12), world.crowd(20)
    for key in (*ada, *bo, *others):
        write_atomically(originals().path(key.image_id), draw_picture([factories.box()]))
    world.introduce("Ada", ada[:4])
    world.introduce("Bo", bo[:4])
    world.train()
    world.say("Ada", *ada[4:8])
    world.train()


def addresses(keys: list[FaceKey]) -> list[str]:
    things = {
        "image": keys[0].image_id,
        "deleted": next(iter(get_store().deleted_images().items)).image_id,
        "owner": sign_in.ensure_owner().pk,
        "role": Group.objects.get(name=Role.VIEWER).pk,
    }
    return [address.format(**things) for address in PAGES]
