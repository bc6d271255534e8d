"""How to reach the cluster: the alias of settings.DATABASES, for Apache Cassandra and for Azure Cosmos DB.

django-cassandra-engine ignores PORT, and would connect while Django sets itself up: both are said in OPTIONS.
"""

from __future__ import annotations

import random
import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from typing import Any

from cassandra import ConsistencyLevel
from cassandra.cluster import EXEC_PROFILE_DEFAULT, ExecutionProfile
from cassandra.policies import (
    ConstantReconnectionPolicy,
    DCAwareRoundRobinPolicy,
    RetryPolicy,
    RoundRobinPolicy,
    TokenAwarePolicy,
)

#: Port of Azure Cosmos DB for Apache Cassandra, and Cassandra's own.
COSMOS_PORT, CASSANDRA_PORT = 10350, 9042
#: Seconds a request may take. Cosmos accounts that retry by themselves may answer late.
REQUEST_TIMEOUT, COSMOS_REQUEST_TIMEOUT = 15, 65
#: Seconds a connection may take to be made.
CONNECT_TIMEOUT = 20
#: Seconds to wait at most before a throttled request is sent again without being told how long.
MAX_BACKOFF = 10.0
_RETRY_AFTER = re.compile(r"RetryAfterMs=(\d+)")


class StoreRetryPolicy(RetryPolicy):  # type: ignore[misc]  # the driver ships no types
    """Throttled requests wait as long as the server says and go to the same host; the driver's own policies would try
    the next host, and run out of hosts. Statements that may be repeated are, once, when a write times out."""

    def __init__(self, max_retries: int = 9) -> None:
        self.max_retries = max_retries

    def on_request_error(self, query: Any, consistency: int, error: Exception, retry_num: int) -> Any:
        if retry_num >= self.max_retries or "Overloaded" not in type(error).__name__:
            return self.RETHROW, None
        return self.RETRY, consistency, self.delay(str(error), retry_num)  # the driver takes seconds as a third item

    def on_write_timeout(
        self, query: Any, consistency: int, write_type: int, required: int, received: int, retry_num: int
    ) -> Any:
        if retry_num == 0 and getattr(query, "is_idempotent", False):
            return self.RETRY, consistency
        return self.RETHROW, None

    @staticmethod
    def delay(said: str, retry_num: int) -> float:
        """Seconds: what the server said, else doubling; with jitter, so that workers do not come back together."""
        told = _RETRY_AFTER.search(said)
        seconds = int(told.group(1)) / 1000 if told else min(MAX_BACKOFF, 0.1 * 2**retry_num)
        return seconds * (1 + random.random() / 2)  # noqa: S311 - jitter, not a secret


def database(
    *,
    contact_points: Sequence[str],
    keyspace: str,
    port: int = 0,
    username: str = "",
    password: str = "",
    tls: bool = False,
    tls_ca: str = "",
    tls_hostname: str = "",
    flavour: str = "cassandra",
    datacenter: str = "",
    request_timeout: float = 0,
    connect_timeout: float = CONNECT_TIMEOUT,
) -> dict[str, Any]:
    """An entry of settings.DATABASES. port 0: the flavour's own; request_timeout 0 likewise; both in seconds.

    tls_hostname: the name every node's certificate bears; "": each bears its own address, or on Cosmos, where nodes are
    found by address, that of the contact point. Raises ValueError when there is no authority in `tls_ca`.
    """
    cosmos = flavour == "cosmos"
    balancing = DCAwareRoundRobinPolicy(local_dc=datacenter) if datacenter else RoundRobinPolicy()
    connection: dict[str, Any] = {
        "port": port or (COSMOS_PORT if cosmos else CASSANDRA_PORT),
        "protocol_version": 4,
        "lazy_connect": True,
        "execution_profiles": {
            EXEC_PROFILE_DEFAULT: ExecutionProfile(
                load_balancing_policy=balancing if cosmos else TokenAwarePolicy(balancing),
                retry_policy=StoreRetryPolicy(),
                consistency_level=ConsistencyLevel.LOCAL_QUORUM,
                serial_consistency_level=ConsistencyLevel.LOCAL_SERIAL,
                request_timeout=request_timeout or (COSMOS_REQUEST_TIMEOUT if cosmos else REQUEST_TIMEOUT),
            )
        },
        "reconnection_policy": ConstantReconnectionPolicy(2, None),
        "connect_timeout": connect_timeout,
        "control_connection_timeout": max(connect_timeout, CONNECT_TIMEOUT),
        "idle_heartbeat_interval": 30,
        "compression": False,
        # Without it a request of several packets waits 40 ms for an acknowledgement that is being delayed.
        "sockopts": [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
    }
    if tls or cosmos:
        connection["ssl_context"] = _ssl_context(tls_ca)
        if name := tls_hostname or (contact_points[0] if cosmos else ""):
            connection["ssl_options"] = {"server_hostname": name}
    return {
        "ENGINE": "django_cassandra_engine",
        "HOST": ",".join(contact_points),
        "NAME": keyspace,
        "USER": username,
        "PASSWORD": password,
        "OPTIONS": {"connection": connection},
    }


def place_of(alias: Mapping[str, Any]) -> str:
    """Hosts and port of an entry of settings.DATABASES, for messages."""
    port = alias["OPTIONS"]["connection"]["port"]
    return ", ".join(f"{host}:{port}" for host in alias["HOST"].split(","))


def _ssl_context(authority: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=authority or None)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"CASSANDRA_TLS_CA={authority} cannot be read as certificates (PEM): {error}.") from error
