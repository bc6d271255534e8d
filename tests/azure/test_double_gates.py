"""What passes connections on for the double loses nothing, whoever sends first, most or last."""

from __future__ import annotations

import os
import socket
import ssl
import threading

import pytest

from tests.azure_double.gates import Gate, cosmos_front
from tests.azure_double.https import Authority

MUCH = 8 * 2**20  # more than sockets of this machine hold for a reader who is late


def serve(handle) -> tuple[str, int]:
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        connection, _ = listener.accept()
        with connection, listener:
            handle(connection)

    threading.Thread(target=run, daemon=True).start()
    return listener.getsockname()


def receive(connection: socket.socket, number: int) -> bytes:
    got = bytearray()
    while len(got) < number and (more := connection.recv(65_536)):
        got += more
    return bytes(got)


@pytest.fixture(params=["plain", "tls"])
def through(request, tmp_path):
    """Makes a client's connection to a server, through a gate or TLS before it."""
    closed = []

    def connect(server: tuple[str, int]) -> socket.socket:
        if request.param == "plain":
            gate = Gate(("127.0.0.1", 0), server)
            closed.append(gate.close)
            return socket.create_connection(gate.address, timeout=60)
        authority = Authority(tmp_path)
        front = cosmos_front(authority, tmp_path, server)
        closed.append(lambda: front.__exit__(None, None, None))
        trust = ssl.create_default_context(cafile=authority.bundle)
        raw = socket.create_connection((front.host, front.port), timeout=60)
        return trust.wrap_socket(raw, server_hostname=front.host)

    yield connect
    for each in closed:
        each()


def test_two_sides_that_send_much_before_they_read_do_not_wait_for_each_other(through):
    up, down = os.urandom(MUCH), os.urandom(MUCH)
    got = []

    def server(connection: socket.socket) -> None:
        connection.settimeout(60)
        connection.sendall(down)
        got.append(receive(connection, MUCH))
        connection.sendall(b"!")

    with through(serve(server)) as client:
        client.sendall(up)
        assert receive(client, MUCH + 1) == down + b"!"
    assert got == [up]


def test_what_was_said_before_a_side_ended_arrives(through):
    said = os.urandom(MUCH)
    with through(serve(lambda connection: connection.sendall(said))) as client:
        assert receive(client, MUCH + 1) == said


def test_a_closed_gate_takes_nobody():
    gate = Gate(("127.0.0.1", 0), ("127.0.0.1", 1))
    gate.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(gate.address, timeout=10)
