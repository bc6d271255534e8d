"""The roles of the product: what each is, what it needs and how it is started, on one machine and in containers."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.conf import settings

from ingest.azure_share import SCHEME
from orchestration.supervisor import Program

WEB: Final = "web"
INGEST_WORKER: Final = "ingest-worker"
TRAINER_WORKER: Final = "trainer-worker"
DISPATCHER: Final = "dispatcher"
SCORER: Final = "scorer"
INIT: Final = "init"


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """What a process of this name does and needs."""

    name: str
    about: str  #: for people, in half a sentence
    queue: str | None = None  #: of Celery, where it takes tasks from one
    needs_broker: bool = False
    needs_weights: bool = False  #: of detector and embedder
    serves: bool = False  #: has an address of its own beside the probes'
    ends: bool = False  #: does its work once


ROLES: Final = {
    role.name: role
    for role in (
        Role(name=WEB, about="the pages, on gunicorn", serves=True),
        Role(
            name=INGEST_WORKER,
            about="finds the faces in pictures",
            queue="ingest",
            needs_broker=True,
            needs_weights=True,
        ),
        Role(name=TRAINER_WORKER, about="fits, evaluates, publishes", queue="training", needs_broker=True),
        Role(name=DISPATCHER, about="turns events, uploads and jobs into tasks", needs_broker=True),
        Role(name=SCORER, about="scores faces over HTTP", serves=True),
        Role(name=INIT, about="prepares database and state repository, and may take in a first folder", ends=True),
    )
}
#: What `manage.py run` starts on one machine.
ON_ONE_MACHINE: Final = (WEB, TRAINER_WORKER, INGEST_WORKER, DISPATCHER)
#: Settings that name a place. Roles start in the checkout's folder, so a relative one is made absolute for them.
PLACES: Final = (
    *("FACEPROJECT_HOME", "MEDIA_ROOT", "CACHE_ROOT", "STATIC_ROOT", "FACE_DETECTOR_WEIGHTS", "FACE_EMBEDDER_WEIGHTS"),
    *("SECRET_KEY_FILE", "DATABASE_URL_FILE", "REDIS_URL_FILE", "CASSANDRA_PASSWORD_FILE", "ADMIN_PASSWORD_FILE"),
    *("AZURE_FACE_KEY_FILE", "AZURE_CA_BUNDLE", "INIT_SOURCE"),
)


def command(role: Role, *, host: str, port: int) -> list[str]:
    """What starts it: the one entry point."""
    address = ["--host", host, "--port", str(port)] if role.serves else []
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), "role", role.name, *address]


def all_roles(host: str, port: int) -> list[Program]:
    """What `manage.py run` starts: quiet, because one terminal shows them all.

    With PROBE_PORT set each role answers probes on a port of its own: PROBE_PORT, PROBE_PORT + 1, …
    """
    quiet = {"LOG_LEVEL": os.environ.get("LOG_LEVEL", "WARNING")}
    places = {
        name: place if place.startswith(SCHEME) else str(Path(place).absolute())
        for name in PLACES
        if (place := os.environ.get(name))
    }
    programs = []
    for number, name in enumerate(ON_ONE_MACHINE):
        probes = {"PROBE_PORT": str(settings.PROBE_PORT + number)} if settings.PROBE_PORT else {}
        programs.append(
            Program(
                name=name,
                command=command(ROLES[name], host=host, port=port),
                environment={**quiet, **places, **probes},
                folder=settings.BASE_DIR,
            )
        )
    return programs
