"""A lease held while a block runs: one fit at a time however many trainers there are."""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from personas.errors import TransientError
from personas.store.base import Store

#: A killed holder blocks others this long. The holder renews three times as often.
LEASE_SECONDS = 9.0


class LeaseBusyError(TransientError):
    """Somebody else holds the lease."""


@contextmanager
def held_lease(store: Store, name: str, *, clock: Callable[[], datetime], wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold the lease while the block runs, renewing it from a thread. Raises LeaseBusyError after `wait_seconds`."""
    owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    deadline = time.monotonic() + wait_seconds
    while not store.acquire_lease(name, owner=owner, seconds=LEASE_SECONDS, now=clock()):
        if time.monotonic() >= deadline:
            raise LeaseBusyError(
                f"Another process holds the lease {name!r}; it runs out {LEASE_SECONDS:.0f} s after it ends."
            )
        time.sleep(0.1)
    done = threading.Event()

    def renew() -> None:
        while not done.wait(LEASE_SECONDS / 3):
            store.acquire_lease(name, owner=owner, seconds=LEASE_SECONDS, now=clock())
        store.close()  # this thread's connection

    renewing = threading.Thread(target=renew, name=f"lease {name}", daemon=True)
    renewing.start()
    try:
        yield
    finally:
        done.set()
        renewing.join()
        store.release_lease(name, owner=owner)
