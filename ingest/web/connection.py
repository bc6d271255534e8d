"""One request to one checked address, and never more of an answer than is wanted.

urllib3 connects to the address in digits, while Host header, SNI and the certificate's check bear the name, so nothing
resolves the name again. Proxies, redirects, cookies and retries are off. A thread cuts the line when the time is over,
whatever the server drips: time-outs of a socket begin anew with each byte.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3 import exceptions as failures
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.response import BaseHTTPResponse

from ingest.rejections import READ_FAILED, TIMED_OUT, TOO_MANY_BYTES, UNREACHABLE, RejectedError
from ingest.web.addresses import Address
from ingest.web.networks import IP

#: A server that does not answer a connection, or is silent, for this long is given up.
CONNECT_SECONDS, SILENT_SECONDS = 10.0, 20.0
#: First bytes that are looked at to tell what an answer is.
SNIFFED_BYTES: Final = 512
_AT_ONCE = 64 * 2**10


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The beginning of an answer. headers: their names in any case. first: its first bytes, of status 200 only."""

    status: int
    headers: Mapping[str, str]
    first: bytes


#: Says how many bytes of an answer of status 200 are wanted at most (0: no more is read). Raises RejectedError.
Judge = Callable[[Head], int]


def ask(
    address: Address, at: IP, *, headers: Mapping[str, str], judge: Judge, into: BinaryIO, seconds: float, tls_ca: str
) -> Head:
    """GET from this address; what is wanted of the body is written `into`. Raises RejectedError.

    seconds: for all of it. tls_ca: PEM file of authorities to trust; "": the system's.
    """
    line = _Line()
    timer = threading.Timer(seconds, line.cut)
    timer.daemon = True
    timer.start()
    with contextlib.closing(_pool(address, at, line, tls_ca)) as pool, _translated(address, line):
        try:
            response = pool.urlopen(
                "GET",
                address.target,
                headers={"Host": address.netloc, "Accept-Encoding": "identity", "Connection": "close", **headers},
                timeout=Timeout(connect=min(CONNECT_SECONDS, seconds), read=min(SILENT_SECONDS, seconds)),
                redirect=False,
                retries=False,
                preload_content=False,
            )
            with contextlib.closing(response):
                return _read(response, judge, into)
        finally:
            timer.cancel()
            line.close()


def _read(response: BaseHTTPResponse, judge: Judge, into: BinaryIO) -> Head:
    if response.status != 200:
        return Head(status=response.status, headers=response.headers, first=b"")
    parts = _parts(response)
    first = b""
    while len(first) < SNIFFED_BYTES and (part := next(parts, b"")):
        first += part
    head = Head(status=response.status, headers=response.headers, first=first[:SNIFFED_BYTES])
    left = judge(head)
    if not left:
        return head
    declared = response.headers.get("Content-Length", "")
    if declared.isdecimal() and len(declared) < 19 and int(declared) > left:
        raise _too_large(left)
    written, part = 0, first
    while part:
        written += len(part)
        if written > left:
            raise _too_large(left)
        into.write(part)
        part = next(parts, b"")
    return head


def _parts(response: BaseHTTPResponse) -> Iterator[bytes]:
    """As it comes; what was compressed is unpacked, some at a time, so that a bomb is never unpacked whole.

    What was compressed several times is not: a few bytes of it unpack to years of work that gives none.
    """
    if "," in response.headers.get("Content-Encoding", ""):
        raise RejectedError(READ_FAILED, "The answer was compressed more than once. Save the picture yourself.")
    while part := response.read1(_AT_ONCE, decode_content=True):
        yield part


def _too_large(limit: int) -> RejectedError:
    return RejectedError(TOO_MANY_BYTES, f"There are over {limit:,} bytes at this address. Save a smaller copy.")


# ---- the line --------------------------------------------------------------------------------------------------------
class _Line:
    """The socket of a request, which another thread may cut. A duplicate: TLS takes the first one over."""

    def __init__(self) -> None:
        self.is_cut = False
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()

    def hold(self, connected: socket.socket) -> None:
        with self._lock:
            self._socket = connected.dup()
        if self.is_cut:
            self.cut()

    def cut(self) -> None:
        """Whoever reads from it, or writes to it, comes back at once."""
        with self._lock:
            self.is_cut = True
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None


class _HeldConnection(HTTPConnection):
    def __init__(self, *args: Any, line: _Line, **options: Any) -> None:
        super().__init__(*args, **options)
        self._line = line

    def _new_conn(self) -> socket.socket:
        connected = super()._new_conn()
        self._line.hold(connected)
        return connected


class _HeldSecureConnection(_HeldConnection, HTTPSConnection):
    """The same over TLS: the base class's `super()` is HTTPSConnection here."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _HeldConnection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _HeldSecureConnection


def _pool(address: Address, at: IP, line: _Line, tls_ca: str) -> HTTPConnectionPool:
    if address.scheme == "http":
        return _Pool(str(at), address.port, line=line)
    return _SecurePool(
        str(at),
        address.port,
        line=line,
        cert_reqs="CERT_REQUIRED",
        ca_certs=tls_ca or None,
        server_hostname=address.host,
        assert_hostname=address.host,
    )


@contextlib.contextmanager
def _translated(address: Address, line: _Line) -> Iterator[None]:
    too_slow = RejectedError(TIMED_OUT, f"{address.host} takes too long to answer. Try again later.")
    try:
        yield
        if line.is_cut:  # what ended so may look like a whole answer
            raise too_slow
    except RejectedError as error:
        raise (too_slow if line.is_cut else error) from error.__cause__
    except (failures.HTTPError, OSError) as error:
        if line.is_cut or isinstance(error, failures.TimeoutError):
            raise too_slow from error
        if isinstance(error, failures.SSLError):
            message = f"The certificate of {address.host} cannot be trusted. CRAWLER_TLS_CA names other authorities."
            raise RejectedError(UNREACHABLE, message) from error
        if isinstance(error, failures.DecodeError):
            message = f"{address.host} says that the answer is compressed, and it is not. Save the picture yourself."
            raise RejectedError(READ_FAILED, message) from error
        message = f"{address.host} cannot be reached, or hung up. Try again later."
        raise RejectedError(UNREACHABLE, message) from error
