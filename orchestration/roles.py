"""The processes of the product and how each is started."""

from __future__ import annotations

import os
import sys
from dataclasses import replace

from orchestration.supervisor import Role

#: Threads of the web process: pages wait for disk and store, not for the CPU.
WEB_THREADS = 8


def web(host: str, port: int) -> Role:
    """gunicorn with threads; one process, so that caches are shared."""
    return Role(
        name="web",
        command=[
            *(sys.executable, "-m", "gunicorn", "faceproject.wsgi:application"),
            *("--bind", f"{host}:{port}", "--worker-class", "gthread", "--threads", str(WEB_THREADS)),
            *("--log-level", "warning", "--timeout", "120", "--graceful-timeout", "5"),
        ],
    )


def celery_worker(name: str, queue: str) -> Role:
    """A worker that takes one task at a time in its own process, so that models are loaded once."""
    return Role(
        name=name,
        command=[
            *(sys.executable, "-m", "celery", "--quiet", "-A", "faceproject", "worker", "--queues", queue),
            *("--pool", "solo", "--loglevel", "WARNING", "--hostname", f"{name}@%h"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        ],
    )


def dispatcher() -> Role:
    return Role(name="dispatcher", command=[sys.executable, "manage.py", "dispatcher"])


def all_roles(host: str, port: int) -> list[Role]:
    """What `manage.py run` starts: quiet, because one terminal shows them all."""
    quiet = {"LOG_LEVEL": os.environ.get("LOG_LEVEL", "WARNING")}
    roles = [
        web(host, port),
        celery_worker("trainer-worker", "training"),
        celery_worker("ingest-worker", "ingest"),
        dispatcher(),
    ]
    return [replace(role, environment=quiet) for role in roles]
