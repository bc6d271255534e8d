"""HTTPS servers of the double: the SDKs refuse to send a token over plain HTTP, so each one has a certificate.

A service of the double is a function from `Request` to `Answer`; it may raise `DroppedError` to close the connection
without an answer, as networks do. The certificate authority is made anew for each run and never leaves it.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

import trustme


class DroppedError(Exception):
    """The connection ends here, without an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What came in. Header names are in lower case; `path` is unquoted, without the query."""

    method: str
    host: str  #: as the client named it, with the port
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    target: str = ""  #: path and query as they were sent, which is what signatures are of

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes out: `body` as it is, or `content` as JSON."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    content: Any = None

    def payload(self) -> tuple[bytes, str]:
        """The bytes and their type."""
        if self.content is None:
            return self.body, self.headers.get("content-type", "application/octet-stream")
        return json.dumps(self.content).encode(), "application/json"


Service = Callable[[Request], Answer]


class Authority:
    """A certificate authority of this run. `bundle` is what clients trust (AZURE_CA_BUNDLE)."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self.bundle = folder / "authority.pem"
        self._authority.cert_pem.write_to_path(self.bundle)

    def context(self) -> ssl.SSLContext:
        """For a server on this machine."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
        return context

    def write_certificate(self, path: Path, *names: str) -> None:
        """Key and certificate of a server with these names or addresses, in one PEM file, for a process of its own."""
        path.touch(mode=0o600)
        self._authority.issue_cert(*names).private_key_and_cert_chain_pem.write_to_path(path)


class HttpsServer:
    """Serves one service at a port of its own, in threads. Use it as a context manager."""

    def __init__(self, service: Service, authority: Authority) -> None:
        """Listens at once; answers from `__enter__` on."""
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.service = service
        self._server.socket = authority.context().wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        """`https://127.0.0.1:PORT`, no slash at the end."""
        return f"https://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        """Answer from now on."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    service: Service

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away are no fault of the double's."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60
    server: _Server

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        body = self._body()
        if body is None:  # the client went away: a server acts on no half request
            self.close_connection = True
            return
        request = Request(
            method=self.command,
            host=self.headers.get("host", ""),
            path=unquote(parts.path),
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
            target=self.path,
        )
        try:
            answer = self.server.service(request)
        except DroppedError:
            self.close_connection = True
            return
        payload, kind = answer.payload()
        self.send_response(answer.status)
        sent = {"content-type": kind, "content-length": str(len(payload))} | dict(answer.headers)
        for name, value in sent.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(payload)

    def _body(self) -> bytes | None:
        """All of it: as long as it says, or in chunks until an empty one (RFC 9112, 7.1). None: not all of it came."""
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            length = int(self.headers.get("content-length") or 0)
            body = self.rfile.read(length) if length else b""
            return body if len(body) == length else None
        chunks = []
        while size := int(self.rfile.readline().partition(b";")[0] or b"0", 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():  # trailers
            pass
        return b"".join(chunks)

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = do_HEAD = _answer  # noqa: N815 - names of http.server

    def log_message(self, *_: object) -> None:
        """Tests read what a service recorded, not a log."""
