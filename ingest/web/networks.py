"""Whom the crawler may speak to: public addresses, and networks that the settings name.

A name is resolved once, every address it has is checked, and the connection goes to a checked address itself: a name
that answers differently a moment later (DNS rebinding) is not asked again. Odd spellings of an address (decimal, octal,
hexadecimal) are what the system's resolver makes of them, and IPv6 addresses that carry an IPv4 address (mapped, 6to4,
Teredo, NAT64) are judged by both.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from ingest.rejections import FORBIDDEN_ADDRESS, UNREACHABLE, RejectedError
from ingest.web.addresses import Address

IP = IPv4Address | IPv6Address
#: From a name and a port to the addresses it has, as text. Raises OSError.
Resolver = Callable[[str, int], Sequence[str]]

#: NAT64 prefixes that hold an IPv4 address in their last four bytes: RFC 6052, RFC 8215.
_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
#: ::a.b.c.d, long deprecated (RFC 4291, 2.5.5.1), still understood by some systems.
_IPV4_COMPATIBLE = IPv6Network("::/96")
_NOT_PUBLIC: tuple[IPv4Network | IPv6Network, ...] = (
    # Public by its number, and yet the host that a machine in Azure runs on:
    # https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
    IPv4Network("168.63.129.16/32"),
    # What older patches of Python take for public: RFC 6890 (Oracle's cloud has its metadata there), 9637, 9602.
    IPv4Network("192.0.0.0/24"),
    IPv6Network("3fff::/20"),
    IPv6Network("5f00::/16"),
)


def resolve(host: str, port: int) -> list[str]:
    """By the system's resolver, in its order."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Networks:
    """allowed: networks that may be asked although they are not public. ports: that may be asked at all."""

    allowed: tuple[IPv4Network | IPv6Network, ...] = ()
    ports: frozenset[int] = frozenset({80, 443})

    @classmethod
    def of(cls, *, allowed: Sequence[str], ports: Sequence[int]) -> Networks:
        """Raises ValueError."""
        return cls(allowed=tuple(ip_network(each) for each in allowed), ports=frozenset(ports))

    def checked(self, address: Address, resolver: Resolver = resolve) -> IP:
        """Where to connect to for this address. Raises RejectedError."""
        if address.port not in self.ports:
            raise RejectedError(
                FORBIDDEN_ADDRESS, f"Port {address.port} is not asked. CRAWLER_ALLOWED_PORTS names those that are."
            )
        try:
            found = [ip_address(each) for each in resolver(address.host, address.port)]
        except (OSError, ValueError) as error:  # ValueError: a name that no resolver takes
            raise RejectedError(UNREACHABLE, f"No server is called {address.host}. Check the address.") from error
        for each in found:
            self._require_allowed(address.host, each)
        if not found:
            raise RejectedError(UNREACHABLE, f"{address.host} has no address. Check it.")
        return found[0]

    def _require_allowed(self, host: str, found: IP) -> None:
        if any(found in network for network in self.allowed):
            return
        if not all(map(_is_public, _meant(found))):
            raise RejectedError(
                FORBIDDEN_ADDRESS,
                f"{host} is not on the public internet. CRAWLER_ALLOWED_NETWORKS names other networks to be asked.",
            )


def _meant(found: IP) -> Iterator[IP]:
    """The address, and those it carries."""
    yield found
    if isinstance(found, IPv4Address):
        return
    for each in (found.ipv4_mapped, found.sixtofour, *(found.teredo or ())):
        if each is not None:
            yield each
    if any(found in network for network in (*_NAT64, _IPV4_COMPATIBLE)):
        yield IPv4Address(found.packed[-4:])


def _is_public(found: IP) -> bool:
    if isinstance(found, IPv6Address) and (found.ipv4_mapped is not None or found in _NAT64[0]):
        return True  # what it carries is judged
    if any(found in network for network in _NOT_PUBLIC):
        return False
    return found.is_global and not (found.is_multicast or found.is_reserved)
