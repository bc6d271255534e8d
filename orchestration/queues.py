"""The broker: how settings describe it, how many messages wait in it, whether it answers.

Only the dispatcher sends and only workers receive; the web never comes here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from kombu.exceptions import KombuError

from personas.errors import TransientError

#: Queues are named after the first word of their tasks, and each is one role's.
QUEUES: Final = ("ingest", "training")
FOLDER_URL: Final = "filesystem://"
#: Seconds for a connection, and for an answer, of a Redis that is away without saying so; shorter where a probe asks.
CONNECT_SECONDS, ANSWER_SECONDS = 3.0, 3.0
PROBE_SECONDS: Final = 1.5
#: Of a worker's wait for messages: a connection whose answer is overdue by this is dropped and made anew.
HEALTH_CHECK_SECONDS = 10
#: A message that was taken and not acknowledged is offered again this long after the longest time limit.
VISIBILITY_MARGIN_SECONDS = 600.0


def folder_options(folder: Path) -> dict[str, Any]:
    """Transport options of the embedded broker: messages are files below the folder."""
    return {
        "data_folder_in": str(folder / "messages"),
        "data_folder_out": str(folder / "messages"),
        "polling_interval": 0.05,
    }


def redis_options(*, key_prefix: str, limits: Mapping[str, float]) -> dict[str, Any]:
    """Transport options of Redis. limits: seconds a task of a queue may take."""
    return {
        "global_keyprefix": key_prefix,
        "visibility_timeout": max(limits.values()) + VISIBILITY_MARGIN_SECONDS,
        "priority_steps": [0],  # one list a queue; nothing of ours has a priority
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": ANSWER_SECONDS,
        "socket_keepalive": True,
        "health_check_interval": HEALTH_CHECK_SECONDS,
        "max_connections": 10,
    }


def redis_tls(ca: str) -> dict[str, Any]:
    """The server is who it says it is, or there is no connection: left alone, kombu would believe any certificate.

    ca: file of the authority that signed it; empty: the system's authorities.
    """
    checked = {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
    return {**checked, "ssl_ca_certs": ca} if ca else checked


@contextmanager
def _channel() -> Iterator[Any]:
    """A channel on a connection of its own. Raises TransientError."""
    from celery import current_app

    brief = {"socket_connect_timeout": PROBE_SECONDS, "socket_timeout": PROBE_SECONDS}
    with current_app.connection_for_read(transport_options=brief) as connection:
        try:
            connection.ensure_connection(max_retries=1, interval_start=0)
            yield connection.default_channel
        except (KombuError, *connection.connection_errors, *connection.channel_errors, OSError) as error:
            raise away(error) from error


def away(error: BaseException) -> TransientError:
    """What is said when the broker does not answer."""
    return TransientError(f"The broker cannot be reached ({error}). Is it running? Tasks wait in the store meanwhile.")


def queue_lengths() -> dict[str, int]:
    """Messages that wait, by queue, without those a worker has in hand. Raises TransientError."""
    with _channel() as channel:
        return {queue: int(channel._size(queue)) for queue in QUEUES}


def broker_answers() -> None:
    """Returns when the broker answers. Raises TransientError within some seconds when it does not."""
    queue_lengths()
