"""Serving on one machine: prepare the installation, start its processes, print the way in."""

from __future__ import annotations

import http
import io
import ipaddress
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings
from django.core.management import call_command

from orchestration.home import held
from orchestration.roles import all_roles
from orchestration.supervisor import Supervisor
from personas.errors import FaceProjectError
from personas.management.schema import create_private
from personas.sign_in import one_time_link

#: How long the web process may take to answer its first request.
START_SECONDS = 60.0
MAX_PORT = 65_535


class UnableToServeError(FaceProjectError):
    """The web address cannot be served."""


def prepare() -> None:
    """Bring database and state repository to this version's schema; unless embedded, collect static files."""
    create_private()
    call_command("migrate", interactive=False, verbosity=0)
    if settings.STATE_STORE == "cassandra":
        call_command("migrate_store", stdout=io.StringIO())
    if not settings.EMBEDDED:
        call_command("collectstatic", interactive=False, verbosity=0)


@contextmanager
def place_to_serve(host: str, port: int) -> Iterator[None]:
    """Hold the state folder alone, and know that the address is free.

    Raises HomeInUseError, UnableToServeError (port taken, address not loopback in embedded mode).
    """
    require_free(host, port)
    with held(settings.FACEPROJECT_HOME):
        yield


def serve(*, host: str, port: int, say: Callable[[str], None]) -> int:
    """Run until Ctrl-C; returns an exit code.

    Raises what `place_to_serve` raises, and UnableToServeError when the web process never answers.
    """
    with place_to_serve(host, port):
        prepare()
        supervisor = Supervisor(all_roles(host, port), say)
        base_url = f"http://{f'[{host}]' if ':' in host else host}:{port}"

        def once_started() -> None:
            if not _answers(f"{base_url}/healthz", supervisor):
                if supervisor.stopping:
                    return
                raise UnableToServeError(
                    f"The web process does not answer at {base_url} after {START_SECONDS:.0f} s. What it says stands "
                    "above; LOG_LEVEL=DEBUG shows more."
                )
            say(f"faceproject is running at {base_url}/ (Ctrl-C ends it)")
            if settings.EMBEDDED:
                say(f"Sign in with this link, once, within 15 minutes:\n  {one_time_link(base_url)}")

        return supervisor.run(once_started=once_started)


def require_free(host: str, port: int) -> None:
    """The address can be served, and by this mode. Raises UnableToServeError."""
    if not 0 <= port <= MAX_PORT:
        raise UnableToServeError(f"{port} is no port; pick one from 1 to {MAX_PORT} with --port.")
    if settings.EMBEDDED and not _is_loopback(host):
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


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError as error:
        raise UnableToServeError(f"{host!r} is no address; pick one with --host, such as 127.0.0.1 or ::1.") from error


def _answers(url: str, supervisor: Supervisor) -> bool:
    """Asked by a name it serves, for it refuses any other."""
    names = [name.lstrip(".") for name in settings.ALLOWED_HOSTS if name != "*"]
    request = urllib.request.Request(url, headers={"Host": names[0]} if names else {})  # noqa: S310 - our own address
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and not supervisor.stopping:
        try:
            with urllib.request.urlopen(request, timeout=2):  # noqa: S310 - the same
                return True
        except urllib.error.HTTPError as error:
            if error.code < http.HTTPStatus.INTERNAL_SERVER_ERROR:
                return True
        except OSError:  # URLError is one
            pass
        supervisor.look()
        time.sleep(0.1)
    return False
