"""kombu's filesystem transport, made safe for several workers on one queue folder.

What is different, and why: a message appears under its name only when it is whole (kombu creates the file, then writes
it, and a reader may take it in between); whoever unlinks it has taken it, and exactly one process can (kombu moves it
to the temporary folder, and across file systems that is a copy, which two can make); bindings stay in memory (kombu
rewrites a shared file in place, which another process may read half written). So there is no fanout; the product uses
none.
"""

from __future__ import annotations

import logging
import math
import os
import time
import uuid
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.exceptions import ChannelError
from kombu.transport import filesystem, virtual
from kombu.utils.json import dumps, loads

from personas.watchdog import WATCHDOG

logger = logging.getLogger(__name__)


class Channel(filesystem.Channel):  # type: ignore[misc]  # kombu ships no types
    """Messages are files `<nanoseconds>_<uuid>.<queue>.msg`, oldest first."""

    supports_fanout = False
    get_table = virtual.Channel.get_table

    def _put(self, queue: str, payload: Any, **kwargs: Any) -> None:
        folder = Path(self.data_folder_out)
        whole = folder / f"{time.time_ns():020d}_{uuid.uuid4()}.{queue}.msg"
        part = folder / f".{whole.name}.part"
        try:
            part.write_bytes(dumps(payload).encode())
            part.rename(whole)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise ChannelError(f"A message cannot be written to {folder} ({error.strerror})") from error

    def _get(self, queue: str) -> Any:
        """The oldest message, which is nobody else's then. Raises Empty."""
        folder, rest = self.data_folder_in, f"{queue}.msg"
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.name.partition(".")[2] == rest)
        for name in names:
            message = Path(folder, name)
            try:
                content = message.read_bytes()
                message.unlink()
            except FileNotFoundError:  # another worker was first
                continue
            try:
                return loads(content)
            except ValueError:
                logger.warning("a message that cannot be read is dropped", extra={"queue": queue})
        raise Empty


class Transport(filesystem.Transport):  # type: ignore[misc]  # kombu ships no types
    """For the setting `broker_transport`."""

    implements = filesystem.Transport.implements.extend(exchange_type=frozenset(["direct", "topic"]))
    Channel = Channel
    driver_type = "filesystem"
    global_state = virtual.BrokerState()

    def drain_events(self, connection: Any, timeout: float | None = None) -> None:
        """Deliver one message. Raises TimeoutError; at once when the process was asked to stop.

        Celery drains once more after that, for up to two seconds, and would begin another task.
        """
        until = math.inf if timeout is None else time.monotonic() + timeout
        while not WATCHDOG.stopping:
            try:
                self.cycle.get(self._deliver, timeout=timeout)
                return
            except Empty:
                if time.monotonic() >= until:
                    break
                time.sleep(self.polling_interval)
        raise TimeoutError
