"""TLS: the name is what is asked for and checked, though the connection goes to digits."""

from __future__ import annotations

import io
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from ingest.rejections import TIMED_OUT, UNREACHABLE, RejectedError
from ingest.web.addresses import parse
from ingest.web.connection import ask
from tests.ingest.web.server import Site, content, running
from tests.ingest.web.test_crawler import slow_head


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for site.test that vouches for itself, with its key."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl: install it (apt-get install openssl)")
    folder = tmp_path_factory.mktemp("certificate")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "key.pem")
    name = ("-subj", "/CN=site.test", "-addext", "subjectAltName=DNS:site.test")
    command = ["openssl", "req", "-x509", *key, "-out", "site.pem", *name, "-days", "2"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
    return folder / "site.pem"


@pytest.fixture
def names() -> list[str]:
    """Names that clients asked for in their first message."""
    return []


@pytest.fixture
def secure(certificate: Path, names: list[str], picture: bytes) -> Iterator[Site]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    context.sni_callback = lambda connection, name, _: names.append(name)
    with running(context) as site:
        site.answers["/a.png"] = content(picture)
        yield site


def fetch(site: Site, host: str, *, tls_ca: str, seconds: float = 20.0) -> bytes:
    into = io.BytesIO()
    address = parse(f"https://{host}:{site.port}/a.png")
    here = ip_address("127.0.0.1")
    ask(address, here, headers={}, judge=lambda head: 2**20, into=into, seconds=seconds, tls_ca=tls_ca)
    return into.getvalue()


def test_the_certificate_of_the_name_is_believed(
    secure: Site, certificate: Path, names: list[str], picture: bytes
) -> None:
    assert fetch(secure, "site.test", tls_ca=str(certificate)) == picture
    assert names == ["site.test"]
    assert secure.headers_of("/a.png")[0]["Host"] == f"site.test:{secure.port}"


@pytest.mark.parametrize(("host", "trusted"), [("other.test", True), ("127.0.0.1", True), ("site.test", False)])
def test_a_certificate_for_another_name_or_of_nobody_known_is_not(
    secure: Site, certificate: Path, host: str, trusted: bool
) -> None:
    with pytest.raises(RejectedError, match="cannot be trusted") as caught:
        fetch(secure, host, tls_ca=str(certificate) if trusted else "")
    assert caught.value.reason == UNREACHABLE
    assert secure.requests == []


def test_a_server_that_drips_through_tls_is_given_up(secure: Site, certificate: Path) -> None:
    secure.answers["/a.png"] = slow_head
    with pytest.raises(RejectedError) as caught:
        fetch(secure, "site.test", tls_ca=str(certificate), seconds=1.0)
    assert caught.value.reason == TIMED_OUT
