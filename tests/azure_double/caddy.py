"""`caddy reverse-proxy --from HOST --to ADDRESS` as container groups run it, in a process of its own.

TLS at port 443 with a certificate for HOST, plain HTTP redirected to it, X-Forwarded-Proto set and never passed on, the
Host kept. Two things of the double's: clients of the double are told the group's address in place of its name, so a
request for the address is one for HOST; and ports are where the runtime mapped them. One request a connection.

    python -m tests.azure_double.caddy reverse-proxy --from HOST --to 127.0.0.1:8000

Environment: CADDY_CERTIFICATE (PEM), CADDY_ADDRESS (the group's), CADDY_PORTS (`80:N,443:N,8000:N`).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from tests.azure_double.gates import join

_HEAD_LIMIT: Final = 65_536
_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """host: the name that is served. address: of the group. to: where the web listens."""

    host: str
    address: str
    to: tuple[str, int]

    def forward(self, client: socket.socket) -> None:
        """One request, and its answer."""
        head, rest = read_head(client)
        if head is None:
            return
        lines = head.split("\r\n")
        kept = [line for line in lines[1:] if not re.match(r"(x-forwarded-[\w-]+|forwarded|connection):", line, re.I)]
        named = [self._by_name(line) for line in kept]
        if f"host: {self.host}" not in (line.lower() for line in named):
            client.sendall(answer(HTTPStatus.MISDIRECTED_REQUEST))
            return
        added = ["X-Forwarded-Proto: https", f"X-Forwarded-Host: {self.host}", "Connection: close"]
        try:
            web = socket.create_connection(self.to, timeout=_SECONDS)
        except OSError:
            client.sendall(answer(HTTPStatus.BAD_GATEWAY))
            return
        with web:
            web.sendall("\r\n".join([lines[0], *named, *added, "", ""]).encode("latin-1") + rest)
            join(client, web)

    def redirect(self, client: socket.socket) -> None:
        """Plain HTTP is not answered otherwise."""
        head, _ = read_head(client)
        if head is not None:
            path = head.split(" ", 2)[1]
            client.sendall(answer(HTTPStatus.PERMANENT_REDIRECT, f"Location: https://{self.host}{path}\r\n"))

    def _by_name(self, line: str) -> str:
        """What names the group by its address means its name."""
        name, _, value = line.partition(": ")
        match name.lower():
            case "host" if value.partition(":")[0] in {self.host, self.address}:
                return f"Host: {self.host}"
            case "origin" | "referer":
                return f"{name}: {value.replace(f'https://{self.address}', f'https://{self.host}', 1)}"
        return line


def read_head(client: socket.socket) -> tuple[str | None, bytes]:
    """The request's lines without the empty one, and what came behind it; None: it went away."""
    got = b""
    while b"\r\n\r\n" not in got:
        more = client.recv(8192)
        if not more or len(got) > _HEAD_LIMIT:
            return None, b""
        got += more
    head, _, rest = got.partition(b"\r\n\r\n")
    return head.decode("latin-1"), rest


def answer(status: HTTPStatus, more: str = "") -> bytes:
    """An answer without a body."""
    text = f"HTTP/1.1 {status.value} {status.phrase}\r\n{more}Content-Length: 0\r\nConnection: close\r\n\r\n"
    return text.encode("latin-1")


def serve(port: int, context: ssl.SSLContext | None, handle: Callable[[socket.socket], None]) -> None:
    """Take connections for ever, each in a thread."""

    def one(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.callback(connection.close)
            connection.settimeout(_SECONDS)
            client = context.wrap_socket(connection, server_side=True) if context else connection
            stack.callback(client.close)
            handle(client)

    with socket.create_server(("127.0.0.1", port), backlog=128) as listener:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=one, args=(connection,), daemon=True).start()


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="caddy")
    parser.add_argument("command", choices=["reverse-proxy"])
    parser.add_argument("--from", dest="host", required=True)
    parser.add_argument("--to", required=True)
    said = parser.parse_args()
    ports = dict(pair.split(":") for pair in os.environ["CADDY_PORTS"].split(","))
    host, _, port = said.to.rpartition(":")
    proxy = Proxy(host=said.host.lower(), address=os.environ["CADDY_ADDRESS"], to=(host, int(ports[port])))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.environ["CADDY_CERTIFICATE"])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    threading.Thread(target=serve, args=(int(ports["80"]), None, proxy.redirect), daemon=True).start()
    serve(int(ports["443"]), context, proxy.forward)


if __name__ == "__main__":
    main()
