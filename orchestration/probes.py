"""Probes of a role that has no pages: `/healthz`, `/readyz` and `/metrics` over plain HTTP, with no sign-in.

They listen on PROBE_PORT, which is for whatever runs the containers and never published: nothing they say names people,
but nobody else needs to know it.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from django.conf import settings
from django.db import connections
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from orchestration.heartbeat import Heartbeat, NotAliveError
from orchestration.queues import broker_answers
from orchestration.roles import SCORER, WEB, Role
from personas.errors import FaceProjectError, TransientError
from personas.readiness import STORE_CHECKS, WEB_CHECKS, Check, NotReadyError, all_ok, readiness

logger = logging.getLogger(__name__)


class UnableToProbeError(FaceProjectError):
    """The probes' address cannot be used."""


@dataclass(slots=True)
class Probes:
    """What a process says of itself."""

    heartbeat: Heartbeat | None  #: None where answering at all is the sign of life
    checks: Mapping[str, Check]
    working: threading.Event = field(default_factory=threading.Event)  #: set once the main loop takes work
    ending: threading.Event = field(default_factory=threading.Event)  #: set once the process was told to end

    def health(self) -> tuple[bool, dict[str, str]]:
        """Alive, and what of it is not well, by name."""
        try:
            if self.heartbeat is not None:
                self.heartbeat.require()
        except NotAliveError as error:
            return False, {"loop": str(error)}
        return True, {"loop": "ok"}

    def readiness(self) -> tuple[bool, dict[str, str]]:
        """Able to work now, and each check with what it found."""
        found = readiness(self.checks)
        if self.ending.is_set():
            found["process"] = "It was told to end."
        elif self.heartbeat is not None and not self.working.is_set():
            found["process"] = "It has not begun to take work."
        return all_ok(found), found


def probes_of(role: Role, heartbeat: Heartbeat | None) -> Probes:
    """The checks that a role's work depends on."""
    if role.name == WEB:
        return Probes(heartbeat, WEB_CHECKS)
    if role.name == SCORER:  # the version in use; it may have neither database nor store
        from orchestration.scorer.process import CHECKS

        return Probes(heartbeat, CHECKS)
    checks = dict(STORE_CHECKS)
    if role.needs_broker:
        checks["broker"] = check_broker
    if role.needs_weights:
        checks["models"] = check_models
    return Probes(heartbeat, checks)


def check_broker() -> None:
    """Raises NotReadyError."""
    try:
        broker_answers()
    except TransientError as error:
        raise NotReadyError("The broker does not answer; tasks wait in the store meanwhile.") from error


def check_models() -> None:
    """Weights of detector and embedder are there, and are what they should be; looked at once. Raises NotReadyError."""
    from ingest.extraction import check_weights  # loads the runtimes, which the other roles never need

    try:
        check_weights()
    except FaceProjectError as error:
        raise NotReadyError(str(error)) from error


def serve_probes(probes: Probes) -> Callable[[], None]:
    """Answer on PROBE_HOST:PROBE_PORT from threads; returns what ends it. PROBE_PORT 0: nobody asks.

    Raises UnableToProbeError.
    """
    if not settings.PROBE_PORT:
        return lambda: None
    place = (settings.PROBE_HOST, settings.PROBE_PORT)
    try:
        server = _Server(place, _Handler)
    except OSError as error:
        raise UnableToProbeError(
            f"Probes cannot listen on {place[0]}:{place[1]} ({error.strerror or error}). Set PROBE_PORT to a free port,"
            " or to 0 for none."
        ) from error
    server.probes = probes
    threading.Thread(target=server.serve_forever, name="probes", daemon=True).start()

    def end() -> None:
        server.shutdown()
        server.server_close()

    return end


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    probes: Probes

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The asker went away, as a rule; one line instead of the standard library's traceback."""
        logger.info("a probe was not answered: %s", sys.exception())


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10  # seconds for a client that sends nothing

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        try:
            if path == "/healthz":
                self._say(*self.server.probes.health(), bad="unhealthy")
            elif path == "/readyz":
                self._say(*self.server.probes.readiness(), bad="not ready")
            elif path == "/metrics":
                self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest())
            else:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"/healthz, /readyz, /metrics\n")
        finally:
            connections.close_all()  # this thread's

    do_HEAD = do_GET  # noqa: N815 - the same

    def _say(self, good: bool, checks: Mapping[str, Any], *, bad: str) -> None:
        body = json.dumps({"status": "ok" if good else bad, "checks": checks}).encode()
        self._answer(HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE, "application/json", body)

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
        """Probes come every few seconds; nothing of them is worth a line."""
