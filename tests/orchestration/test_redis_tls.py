"""`rediss://`: the broker's certificate is checked, against an authority of the installation's own if it names one."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from celery import Celery

from faceproject.celery import app as product_app
from orchestration.queues import broker_answers, redis_options, redis_tls
from personas.errors import TransientError
from tests.processes import end, free_port, last_lines, start, wait_until


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `ca.pem`, and `server.pem` and `server.key` for the name localhost, signed by it."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl: install it (apt-get install openssl)")
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=120)

    key = ("-newkey", "rsa:2048", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority", "-days", "2")
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    (folder / "names").write_text("subjectAltName=DNS:localhost")
    signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
    openssl("x509", "-req", "-in", "server.csr", *signed, "-out", "server.pem")
    return folder


@pytest.fixture(scope="module")
def port(certificates: Path) -> Iterator[int]:
    """Of a Redis that speaks TLS only."""
    executable = shutil.which("redis-server")
    if executable is None:
        pytest.skip("no Redis: install it (apt-get install redis-server)")
    port, log = free_port(), certificates / "log"
    tls = ["--tls-port", str(port), "--tls-cert-file", "server.pem", "--tls-key-file", "server.key"]
    tls += ["--tls-ca-cert-file", "ca.pem", "--tls-auth-clients", "no"]
    command = [executable, "--port", "0", "--bind", "127.0.0.1", "--save", "", "--dir", str(certificates), *tls]
    server = start(command, folder=certificates, log=log)
    try:
        wait_until(lambda: _listens(port), "a Redis with TLS", logs=lambda: last_lines(log))
        yield port
    finally:
        end(server)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def speak(port: int) -> Iterator[Callable[..., None]]:
    """Ask the broker by a name, believing an authority, as settings have it."""

    def to(host: str, *, ca: str) -> None:
        app.conf.broker_url, app.conf.broker_use_ssl = f"rediss://{host}:{port}/0", redis_tls(ca)
        broker_answers()

    with Celery("speaker", set_as_current=False) as app:
        app.conf.broker_transport_options = redis_options(key_prefix="", limits={"ingest": 1.0})
        app.set_current()
        yield to
        product_app.set_current()


def test_a_certificate_of_the_named_authority_is_believed(speak, certificates):
    speak("localhost", ca=str(certificates / "ca.pem"))


def test_a_certificate_of_nobody_the_system_knows_is_refused(speak):
    with pytest.raises(TransientError, match="CERTIFICATE_VERIFY_FAILED"):
        speak("localhost", ca="")


def test_a_certificate_for_another_name_is_refused(speak, certificates):
    with pytest.raises(TransientError, match="CERTIFICATE_VERIFY_FAILED"):
        speak("127.0.0.1", ca=str(certificates / "ca.pem"))
