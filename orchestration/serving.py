"""Serving on one machine: prepare the installation, start its processes, print the way in."""

from __future__ import annotations

import io
import ipaddress
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable

from django.conf import settings
from django.core.management import call_command

from orchestration.roles import all_roles
from orchestration.supervisor import Supervisor
from personas.errors import FaceProjectError
from personas.sign_in import one_time_link

#: How long the web process may take to answer its first request.
START_SECONDS = 30.0


class UnableToServeError(FaceProjectError):
    """The web address cannot be served."""


def prepare() -> None:
    """Bring the database and the state repository to this version's schema."""
    call_command("migrate", interactive=False, verbosity=0)
    if settings.STATE_STORE == "cassandra":
        call_command("migrate_store", stdout=io.StringIO())


def serve(*, host: str, port: int, say: Callable[[str], None]) -> int:
    """Run until Ctrl-C. Raises UnableToServeError (port taken, address not loopback in embedded mode)."""
    _require_free(host, port)
    prepare()
    supervisor = Supervisor(all_roles(host, port), say)
    base_url = f"http://{f'[{host}]' if ':' in host else host}:{port}"

    def once_started() -> None:
        if not _answers(f"{base_url}/healthz", supervisor):
            say(f"The web process does not answer at {base_url} yet; what it says stands above.")
        say(f"faceproject is running at {base_url}/ (Ctrl-C ends it)")
        if settings.EMBEDDED:
            say(f"Sign in with this link, once, within 15 minutes:\n  {one_time_link(base_url)}")

    return supervisor.run(once_started=once_started)


def _require_free(host: str, port: int) -> None:
    if settings.EMBEDDED and host != "localhost" and not ipaddress.ip_address(host).is_loopback:
        raise UnableToServeError(
            f"Embedded mode signs in without a password, so it listens on loopback only, not on {host}. "
            "Set EMBEDDED=false (see README, settings) to serve others."
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UnableToServeError(
                f"Port {port} on {host} cannot be used ({error.strerror}); pick another with --port."
            ) from error


def _answers(url: str, supervisor: Supervisor) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and not supervisor.stopping:
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - our own address
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    return False
