"""Driver errors as the port's: a sentence that names the cluster, says what happened and what to do next."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Protocol, TypeVar, cast

from cassandra import (
    AuthenticationFailed,
    DriverException,
    InvalidRequest,
    OperationTimedOut,
    ReadFailure,
    ReadTimeout,
    Timeout,
    Unauthorized,
    Unavailable,
    UnresolvableContactPoints,
    WriteFailure,
    WriteTimeout,
)
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionBusy, ConnectionException, ConnectionShutdown
from cassandra.pool import NoConnectionsAvailable
from cassandra.protocol import ErrorMessage, IsBootstrappingErrorMessage, OverloadedErrorMessage

from personas.errors import FaceProjectError, TransientError
from personas.store.base import StoreError

AWAY = (
    NoHostAvailable,
    UnresolvableContactPoints,
    ConnectionException,
    ConnectionBusy,
    ConnectionShutdown,
    NoConnectionsAvailable,
)
BUSY = (
    OperationTimedOut,
    Timeout,
    Unavailable,
    ReadFailure,
    WriteFailure,
    OverloadedErrorMessage,
    IsBootstrappingErrorMessage,
)
#: After these a lightweight transaction may have been carried out all the same: also when the connection broke.
UNCERTAIN = (WriteTimeout, OperationTimedOut, ReadTimeout, WriteFailure, ConnectionException, ConnectionShutdown)
#: Everything a request may raise.
ANY = (*AWAY, *BUSY, DriverException, ErrorMessage)
_NO_KEYSPACE = re.compile(r"keyspace '?\w+'? does not exist", re.IGNORECASE)
_NO_TABLE = re.compile(
    r"unconfigured table|table '?[\w.]+'? does not exist|undefined (column )?name|unknown identifier", re.IGNORECASE
)

Method = TypeVar("Method", bound=Callable[..., Any])


class SchemaMissingError(StoreError):
    """The keyspace, a table or a column is not there (yet)."""


class UncertainError(TransientError):
    """A lightweight transaction timed out: it may or may not have been carried out, and only reading tells."""


class Placed(Protocol):
    """Something that works on a cluster."""

    where: str  #: hosts and port, for messages


def translated(method: Method) -> Method:
    """A method of a `Placed` whose driver errors leave it as the port's."""

    @wraps(method)
    def translating_method(self: Placed, *args: Any, **kwargs: Any) -> Any:
        with translating(self.where):
            return method(self, *args, **kwargs)

    return cast("Method", translating_method)


@contextmanager
def translating(where: str) -> Iterator[None]:
    try:
        yield
    except FaceProjectError:
        raise
    except ANY as error:
        raise as_port_error(error, where) from error


@contextmanager
def uncertain() -> Iterator[None]:
    """Around a lightweight transaction: errors that leave open whether it was carried out."""
    try:
        yield
    except UNCERTAIN as error:
        raise UncertainError(f"Cassandra did not answer in time ({_said(error)}); try again.") from error


def as_port_error(error: Exception, where: str) -> FaceProjectError:
    """The error to raise for a driver's."""
    cluster = f"Cassandra at {where}" if where else "Cassandra"
    causes = _causes(error)
    for cause in causes:
        if isinstance(cause, AuthenticationFailed):
            return StoreError(
                f"{cluster} refuses the user or the password; look at CASSANDRA_USERNAME and CASSANDRA_PASSWORD."
            )
        if "CERTIFICATE_VERIFY_FAILED" in str(cause):  # the driver raises an OSError with the text of TLS's own
            return StoreError(
                f"The certificate of {cluster} is not trusted ({_said(cause)}). Look at CASSANDRA_TLS_CA (who signs it)"
                " and CASSANDRA_TLS_HOSTNAME (whom it names)."
            )
        if "[SSL" in str(cause):
            return StoreError(f"{cluster} does not speak TLS as asked ({_said(cause)}); look at CASSANDRA_TLS.")
    if isinstance(error, AWAY):
        why = _said(causes[0]) if causes else "no node answers"
        return TransientError(f"{cluster} cannot be reached ({why}); is it up? Try again in a moment.")
    if isinstance(error, BUSY):
        return TransientError(f"{cluster} is busy ({_said(error)}); try again in a moment.")
    if isinstance(error, Unauthorized):
        return StoreError(f"{cluster} does not let this user do that ({_said(error)}).")
    if isinstance(error, InvalidRequest) and _NO_KEYSPACE.search(str(error)):
        return SchemaMissingError(
            f"{cluster} has no such keyspace: run `manage.py migrate_store`, or look at CASSANDRA_KEYSPACE."
        )
    if isinstance(error, InvalidRequest) and _NO_TABLE.search(str(error)):
        return SchemaMissingError(
            f"The schema in {cluster} is older than this version of the product: run `manage.py migrate_store`."
        )
    return StoreError(f"{cluster} refused: {_said(error)}.")


def _causes(error: Exception) -> list[BaseException]:
    """What each host said, or the error itself."""
    if not isinstance(error, NoHostAvailable):
        return [error]
    return [cause for cause in error.errors.values() if isinstance(cause, BaseException)]


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
