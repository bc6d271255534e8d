"""A web server in a thread that answers as it is told, and remembers who asked."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """One request. `released` is set when the test is over, for answers that never end."""

    server: Any
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        site: Site = self.server.site
        site.requests.append((self.path, dict(self.headers)))
        with contextlib.suppress(OSError):  # the crawler hung up, as it should
            site.answers.get(self.path, missing)(self)
        self.close_connection = True

    def log_message(self, *said: Any) -> None:
        """Quiet."""

    @property
    def released(self) -> threading.Event:
        released: threading.Event = self.server.site.released
        return released

    def begin(self, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()


@dataclass
class Site:
    """answers: by path and query; a path that has none is answered by 404."""

    port: int = 0
    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str, host: str = "site.test") -> str:
        return f"http://{host}:{self.port}{path}"

    def asked(self) -> list[str]:
        """Paths in order, robots.txt left out."""
        return [path for path, _ in self.requests if path != "/robots.txt"]

    def headers_of(self, path: str) -> list[dict[str, str]]:
        return [headers for asked, headers in self.requests if asked == path]


def missing(handler: Handler) -> None:
    handler.begin(404, {"Content-Length": "0"})


def content(body: bytes, kind: str = "image/png", status: int = 200, **headers: str) -> Answer:
    """An answer with a body. headers: `Last_Modified` is Last-Modified."""

    def answer(handler: Handler) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        handler.begin(status, {"Content-Type": kind, "Content-Length": str(len(body)), **named})
        handler.wfile.write(body)

    return answer


def page(body: str) -> Answer:
    return content(f"<!doctype html><html><body>{body}</body></html>".encode(), "text/html; charset=utf-8")


def redirect(to: str, status: int = 302) -> Answer:
    return lambda handler: handler.begin(status, {"Location": to, "Content-Length": "0"})


def in_turn(*answers: Answer) -> Answer:
    """Each answer once, the last one from then on."""
    left = list(answers)
    return lambda handler: (left.pop(0) if len(left) > 1 else left[0])(handler)


@contextlib.contextmanager
def running(certificate: Any = None) -> Iterator[Site]:
    """certificate: an SSLContext to speak TLS with."""
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    if certificate is not None:
        server.socket = certificate.wrap_socket(server.socket, server_side=True)
    server.site = site  # type: ignore[attr-defined]
    site.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
