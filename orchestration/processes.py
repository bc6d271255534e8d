"""Runs this process as a role, from its start to SIGTERM: `manage.py role NAME`, and nothing else starts one."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from django.conf import settings

from orchestration.heartbeat import Heartbeat
from orchestration.probes import Probes, probes_of, serve_probes
from orchestration.roles import DISPATCHER, INIT, ROLES, SCORER, WEB, Role
from orchestration.scorer import serve as serve_scorer
from orchestration.serving import require_free
from orchestration.signs_of_life import SignOfLife, shown_at_work
from personas.bootstrap import is_bootstrap, set_administrator
from personas.errors import FaceProjectError
from personas.log_context import ROLE_VARIABLE
from personas.management.schema import bring_up_to_date, create_private
from personas.readiness import NotReadyError, check_schema, check_store_schema
from personas.store import get_store

logger = logging.getLogger(__name__)

#: Between two looks for the schema that `init` brings.
SCHEMA_SECONDS = 1.0


class UnknownRoleError(FaceProjectError):
    """No role has that name."""


def run_role(name: str, *, host: str, port: int) -> int:
    """Be that role until SIGTERM (`init`: until its work is done); returns an exit code.

    Raises FaceProjectError: UnknownRoleError, UnableToProbeError, UnableToServeError, AdminPasswordError, and what
    `init` raises.
    """
    role = ROLES.get(name)
    if role is None:
        raise UnknownRoleError(f"{name!r} is no role; choose one of {', '.join(ROLES)}.")
    os.environ[ROLE_VARIABLE] = name  # for logs and probes, here and in what this process starts or becomes
    if name == SCORER:
        serve_scorer(host, port)
    create_private()
    if name == WEB:
        _become_web(host, port)
    return _run(role)


def _become_web(host: str, port: int) -> NoReturn:
    """gunicorn, as `faceproject/gunicorn_conf.py` has it: it answers from the start, and is ready with the schema."""
    require_free(host, port)
    if is_bootstrap():
        bring_up_to_date()  # the file is this container's own, so nobody else prepares it
        set_administrator(settings.ADMIN_PASSWORD)
    try:
        check_schema()
    except NotReadyError as error:
        logger.warning("the web process is not ready yet: %s", error)
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    gunicorn = ["-m", "gunicorn", "--config", "python:faceproject.gunicorn_conf", "--bind", address]
    os.execv(sys.executable, [sys.executable, *gunicorn, "faceproject.wsgi:application"])  # noqa: S606 - our own command


def _run(role: Role) -> int:
    """A role whose main loop is in this process, with its probes beside it."""
    heartbeat = Heartbeat()
    probes = probes_of(role, heartbeat)
    end_probes = serve_probes(probes)
    try:
        with ended_by_signal(probes.ending):
            if role.name == INIT:
                from orchestration.initialise import initialise

                return initialise(probes.ending)
            if not _schema_comes(probes, heartbeat):
                return 0
            with shown_at_work(SignOfLife(get_store(), role.name, heartbeat)):
                return _work(role, probes, heartbeat)
    finally:
        end_probes()


def _work(role: Role, probes: Probes, heartbeat: Heartbeat) -> int:
    """The main loop of a role that works until SIGTERM."""
    if role.name == DISPATCHER:
        from prometheus_client import REGISTRY

        from orchestration.dispatcher import product_dispatcher
        from orchestration.state_metrics import StateMetrics

        dispatcher = product_dispatcher(probes.ending)
        REGISTRY.register(StateMetrics())
        probes.working.set()
        dispatcher.run(_beating(heartbeat, probes.ending))
        return 0
    from orchestration.worker import run_worker

    return run_worker(role, probes, heartbeat)


def _beating(heartbeat: Heartbeat, ending: threading.Event) -> Callable[[], bool]:
    """Whether to end, as a main loop asks each time it goes round."""

    def should_stop() -> bool:
        heartbeat.beat()
        return ending.is_set()

    return should_stop


@contextmanager
def ended_by_signal(ending: threading.Event) -> Iterator[None]:
    """SIGTERM and SIGINT set the event; whoever works looks at it between two steps."""

    def end(number: int, frame: object) -> None:
        ending.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _schema_comes(probes: Probes, heartbeat: Heartbeat) -> bool:
    """Wait until `init` has brought the schema; False when told to end before. What is waited for is said once."""
    said = ""
    while not probes.ending.is_set():
        heartbeat.beat()
        try:
            check_store_schema()
        except NotReadyError as error:
            if str(error) != said:
                said = str(error)
                logger.warning("waiting: %s", error)
            probes.ending.wait(SCHEMA_SECONDS)
        else:
            return True
    return False
