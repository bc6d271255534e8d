"""`caddy reverse-proxy --from HOST --to ADDRESS`, and `caddy run` with a Caddyfile of several hosts on standard input,
as container groups run them, in a process of its own.

TLS at port 443 with a certificate for the hosts, plain HTTP redirected to it, X-Forwarded-Proto set and never passed
on, the Host kept. Two things of the double's: clients of the double are told the group's address in place of its name,
so a request for the address is one for that name; and ports are where the runtime mapped them. One request a
connection.

    python -m tests.azure_double.caddy reverse-proxy --from HOST --to 127.0.0.1:8000
    python -m tests.azure_double.caddy run --adapter caddyfile --config -

Environment: CADDY_CERTIFICATE (PEM), CADDY_ADDRESS and CADDY_FQDN (the group's), CADDY_PORTS (`80:N,443:N,8000:N`).
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
from tests.azure_double.image import sites

_HEAD_LIMIT: Final = 65_536
_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """hosts: the names that are served. address, fqdn: of the group. to: where the web listens."""

    hosts: tuple[str, ...]
    address: str
    fqdn: str
    to: tuple[str, int]

    def forward(self, client: socket.socket) -> None:
        """One request, and its answer."""
        head, rest = read_head(client)
        if head is None:
            return
        lines = head.split("\r\n")
        kept = [line for line in lines[1:] if not re.match(r"(x-forwarded-[\w-]+|forwarded|connection):", line, re.I)]
        named = [self._by_name(line) for line in kept]
        host = next((line[6:].lower() for line in named if line.lower().startswith("host: ")), "")
        if host not in self.hosts:
            client.sendall(answer(HTTPStatus.MISDIRECTED_REQUEST))
            return
        added = ["X-Forwarded-Proto: https", f"X-Forwarded-Host: {host}", "Connection: close"]
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
            client.sendall(answer(HTTPStatus.PERMANENT_REDIRECT, f"Location: https://{self.hosts[0]}{path}\r\n"))

    def _by_name(self, line: str) -> str:
        """What names the group by its address means its name."""
        name, _, value = line.partition(": ")
        meant = self.address if self.address in self.hosts else self.fqdn
        match name.lower():
            case "host" if value.partition(":")[0] == self.address:
                return f"Host: {meant}"
            case "origin" | "referer":
                return f"{name}: {value.replace(f'https://{self.address}', f'https://{meant}', 1)}"
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
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("reverse-proxy")
    one.add_argument("--from", dest="host", required=True)
    one.add_argument("--to", required=True)
    several = commands.add_parser("run")
    several.add_argument("--adapter", choices=["caddyfile"], required=True)
    several.add_argument("--config", choices=["-"], required=True)
    said = parser.parse_args()
    if said.command == "run":
        text = sys.stdin.read()
        hosts, to = sites(text), text.partition("reverse_proxy ")[2].split()[0]
    else:
        hosts, to = (said.host,), said.to
    ports = dict(pair.split(":") for pair in os.environ["CADDY_PORTS"].split(","))
    host, _, port = to.rpartition(":")
    proxy = Proxy(
        hosts=tuple(each.lower() for each in hosts),
        address=os.environ["CADDY_ADDRESS"],
        fqdn=os.environ["CADDY_FQDN"],
        to=(host, int(ports[port])),
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.environ["CADDY_CERTIFICATE"])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    threading.Thread(target=serve, args=(int(ports["80"]), None, proxy.redirect), daemon=True).start()
    serve(int(ports["443"]), context, proxy.forward)


if __name__ == "__main__":
    main()
