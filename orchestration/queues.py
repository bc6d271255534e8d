"""The queues, and how settings describe the broker that holds them; so it needs neither Django nor Celery."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from personas.errors import TransientError

#: Queues are named after the first word of their tasks, and each is one role's.
QUEUES: Final = ("ingest", "training")
FOLDER_URL: Final = "filesystem://"
#: Seconds for a connection, and for an answer, of a Redis that is away without saying so.
CONNECT_SECONDS, ANSWER_SECONDS = 3.0, 3.0
#: Of a worker's wait for messages: a connection whose answer is overdue by this is dropped and made anew.
HEALTH_CHECK_SECONDS = 10
#: A message that was taken and not acknowledged is offered again this long after the longest time limit.
VISIBILITY_MARGIN_SECONDS = 600.0


def folder_options(folder: Path) -> dict[str, Any]:
    """Transport options of the embedded broker: messages are files below the folder."""
    return {
        "data_folder_in": str(folder / "messages"),
        "data_folder_out": str(folder / "messages"),
        "processed_folder": str(folder / "processed"),
        "store_processed": False,
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


def away(error: BaseException) -> TransientError:
    """What is said when the broker does not answer."""
    return TransientError(f"The broker cannot be reached ({error}). Is it running? Tasks wait in the store meanwhile.")
