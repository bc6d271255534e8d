"""What probes and metrics ask of the broker. Tasks are sent by the dispatcher alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from celery import current_app
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from personas.readiness import NotReadyError

#: How long a probe waits for the broker, in seconds.
PATIENCE: Final = 2.0


@contextmanager
def _asked() -> Iterator[Any]:
    """A connection of this question's own. Raises NotReadyError."""
    options = {"socket_connect_timeout": PATIENCE, "socket_timeout": PATIENCE}
    try:
        with current_app.connection_for_read(transport_options=options) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
            yield connection
    except (KombuError, RedisError, OSError) as error:
        raise NotReadyError("The broker does not answer; tasks wait in the store.") from error


def check_broker() -> None:
    """Raises NotReadyError."""
    with _asked() as connection:
        connection.default_channel  # noqa: B018 - Redis is spoken to when a channel is made


def queue_lengths(queues: tuple[str, ...]) -> dict[str, int]:
    """Messages that wait, a queue. Raises NotReadyError."""
    with _asked() as connection:
        # Not `queue_declare(passive=True)`: with a key prefix, kombu looks for a key without it and finds none.
        return {queue: int(connection.default_channel._size(queue)) for queue in queues}
