"""The processes of the product and how each is started."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from django.conf import settings

from orchestration.supervisor import Role

#: Settings that name a place. Roles start in the checkout's folder, so a relative one is made absolute for them.
PLACES = (
    *("FACEPROJECT_HOME", "MEDIA_ROOT", "CACHE_ROOT", "STATIC_ROOT", "FACE_DETECTOR_WEIGHTS", "FACE_EMBEDDER_WEIGHTS"),
    *("SECRET_KEY_FILE", "DATABASE_URL_FILE", "REDIS_URL_FILE"),
)


def web(host: str, port: int) -> Role:
    """gunicorn, as `faceproject/gunicorn_conf.py` has it."""
    return Role(
        name="web",
        command=[
            *(sys.executable, "-m", "gunicorn", "--config", "python:faceproject.gunicorn_conf"),
            *("--bind", f"{host}:{port}", "faceproject.wsgi:application"),
        ],
    )


def celery_worker(name: str, queue: str) -> Role:
    """A worker that takes one task at a time in its own process, so that models are loaded once."""
    return Role(
        name=name,
        command=[
            *(sys.executable, "-m", "celery", "--quiet", "-A", "faceproject", "worker", "--queues", queue),
            *("--pool", "solo", "--hostname", f"{name}@%h"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        ],
    )


def dispatcher() -> Role:
    return Role(name="dispatcher", command=[sys.executable, str(settings.BASE_DIR / "manage.py"), "dispatcher"])


def all_roles(host: str, port: int) -> list[Role]:
    """What `manage.py run` starts: quiet, because one terminal shows them all."""
    quiet = {"LOG_LEVEL": os.environ.get("LOG_LEVEL", "WARNING")}
    places = {name: str(Path(os.environ[name]).absolute()) for name in PLACES if os.environ.get(name)}
    roles = [
        web(host, port),
        celery_worker("trainer-worker", "training"),
        celery_worker("ingest-worker", "ingest"),
        dispatcher(),
    ]
    return [replace(role, environment={**quiet, **places}, folder=settings.BASE_DIR) for role in roles]
