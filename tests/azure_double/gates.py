"""Listeners that pass connections on: the ports of container groups, and TLS before servers that speak none."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.azure_double.https import Authority

Wrap = Callable[[socket.socket], socket.socket]
#: What a client of PostgreSQL sends to ask for TLS: length 8, and this number (protocol, section 54.2.10).
_POSTGRES_SSL: Final = struct.pack("!ii", 8, 80877103)
_CONNECT_SECONDS: Final = 10.0
_CHUNK: Final = 65_536


class CannotListenError(Exception):
    """The address cannot be taken on this machine; the message says what would help."""


class Gate:
    """Passes what connects to (host, port) on to `to`, while `is_open` says so; else the connection ends at once."""

    def __init__(
        self,
        address: tuple[str, int],
        to: tuple[str, int],
        *,
        is_open: Callable[[], bool] = lambda: True,
        wrap: Wrap = lambda connection: connection,
    ) -> None:
        """Listens from now on. wrap: makes the client's side of a connection. Raises CannotListenError."""
        self._to, self._is_open, self._wrap = to, is_open, wrap
        try:
            self._listener = socket.create_server(address, backlog=128)
        except PermissionError as error:
            raise CannotListenError(
                f"Port {address[1]} of {address[0]} needs root: the double gives container groups their real ports "
                "(or: sysctl net.ipv4.ip_unprivileged_port_start=80)."
            ) from error
        except OSError as error:
            raise CannotListenError(f"{address[0]}:{address[1]} cannot be listened on ({error}).") from error
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        threading.Thread(target=self._serve, daemon=True, name=f"gate {self.address}").start()

    def close(self) -> None:
        """Nobody comes in any more; whoever is in stays until one side ends."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.callback(client.close)
            if not self._is_open():
                return
            client.settimeout(_CONNECT_SECONDS)
            near = stack.enter_context(self._wrap(client))
            far = stack.enter_context(socket.create_connection(self._to, timeout=_CONNECT_SECONDS))
            join(near, far)


def join(one: socket.socket, other: socket.socket) -> None:
    """Pass on both ways until one side ends, and give the other what it was still to get.

    One thread, because an SSL socket is not for two; it never waits for one side to take something, or two sides that
    both send much and read later would wait for each other.
    """
    owed = {one: bytearray(), other: bytearray()}
    with selectors.DefaultSelector() as selector:
        for each in (one, other):
            each.setblocking(False)
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(each, selectors.EVENT_READ)
        while True:
            selector.select()
            ended = [source for source, sink in ((one, other), (other, one)) if not _take(source, owed[sink])]
            if ended:
                rest = other if one in ended else one
                rest.settimeout(_CONNECT_SECONDS)
                rest.sendall(owed[rest])
                return
            for each, bytes_owed in owed.items():
                _give(each, bytes_owed)
                writing = selectors.EVENT_WRITE if bytes_owed else 0
                selector.modify(each, selectors.EVENT_READ | writing)


def _take(source: socket.socket, into: bytearray) -> bool:
    """All that is there now; False when the other end sends no more."""
    while True:
        try:
            got = source.recv(_CHUNK)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return True
        if not got:
            return False
        into += got


def _give(sink: socket.socket, what: bytearray) -> None:
    """As much as it takes now."""
    while what:
        try:
            sent = sink.send(bytes(what[:_CHUNK]))
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        del what[:sent]


class Front:
    """TLS before a server that speaks none: a Cassandra node as Cosmos, a PostgreSQL that asks for TLS.

    `host` and `port` are where clients find it. Use it as a context manager.
    """

    def __init__(self, wrap: Wrap, server: tuple[str, int], *, host: str, port: int) -> None:
        """Listens from now on. port 0: a free one."""
        self._gate = Gate((host, port), server, wrap=wrap)
        self.host, self.port = self._gate.address

    def __enter__(self) -> Self:
        """Listens already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self._gate.close()


def _context(authority: Authority, folder: Path, name: str, host: str) -> ssl.SSLContext:
    certificate = folder / f"{name}.pem"
    authority.write_certificate(certificate, host)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def cosmos_front(
    authority: Authority, folder: Path, server: tuple[str, int], *, host: str = "127.0.0.1", port: int = 0
) -> Front:
    """A Cassandra node as a Cosmos account shows itself: TLS, with a certificate for the contact point's name."""
    context = _context(authority, folder, "cosmos", host)
    return Front(lambda client: context.wrap_socket(client, server_side=True), server, host=host, port=port)


def postgres_front(
    authority: Authority, folder: Path, server: tuple[str, int], *, host: str = "127.0.0.1", port: int = 0
) -> Front:
    """A PostgreSQL that takes `sslmode=require`, and like Azure's nothing without TLS."""
    context = _context(authority, folder, "postgres", host)

    def wrap(client: socket.socket) -> socket.socket:
        if client.recv(len(_POSTGRES_SSL), socket.MSG_WAITALL) != _POSTGRES_SSL:
            raise ConnectionRefusedError("the client does not ask for TLS")
        client.sendall(b"S")
        return context.wrap_socket(client, server_side=True)

    return Front(wrap, server, host=host, port=port)


def admit(driver: Any, username: str, password: str) -> None:
    """Let a Cosmos account's user, which is the account's name, into the node. driver: its session, as superuser."""
    role, quoted = username.replace('"', '""'), password.replace("'", "''")
    driver.execute(
        f"CREATE ROLE IF NOT EXISTS \"{role}\" WITH PASSWORD = '{quoted}' AND LOGIN = true AND SUPERUSER = true",
        timeout=60,
    )
