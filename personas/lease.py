"""A lease held while a block runs: one fit at a time, one worker an upload, however many processes there are."""

from __future__ import annotations

import logging
import math
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from personas.errors import FaceProjectError, TransientError
from personas.store.base import Store

logger = logging.getLogger(__name__)

#: A killed holder blocks others this long. The holder renews three times as often.
LEASE_SECONDS = 9.0
#: Between two tries to take a lease, and to renew one when the store was busy.
RETRY_SECONDS = 0.1


class LeaseBusyError(TransientError):
    """Somebody else holds the lease."""


class LeaseLostError(TransientError):
    """The lease ran out while its holder was at work, and somebody else took it."""


class Lease:
    """A lease in hand."""

    def __init__(self, name: str, renew: Callable[[], bool] = lambda: True) -> None:
        """renew: asks the store for more time; False when the lease is somebody else's, or was in between."""
        self.name = name
        self.lost = threading.Event()
        self._renew = renew
        self.good_until = math.inf  #: by time.monotonic(); after that the store is asked

    def renew(self) -> None:
        """Ask for more time; whoever is refused has lost the lease. Raises TransientError when the store is away."""
        asked = time.monotonic()
        if self._renew():
            self.good_until = _trusted_until(asked)
        else:
            self.lost.set()

    def require(self) -> None:
        """Before a step that only the holder may take. Raises LeaseLostError, TransientError.

        A process that was stopped for a while may come here before its renewing thread has looked: where half of the
        time has passed, it looks itself.
        """
        if not self.lost.is_set() and time.monotonic() > self.good_until:
            self.renew()
        if self.lost.is_set():
            raise LeaseLostError(f"The lease {self.name!r} ran out during the work; what was begun is begun again.")


@contextmanager
def held_lease(store: Store, name: str, *, clock: Callable[[], datetime], wait_seconds: float = 0.0) -> Iterator[Lease]:
    """Hold the lease while the block runs, renewing it from a thread. Raises LeaseBusyError after `wait_seconds`."""
    owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    asked = time.monotonic()
    deadline = asked + wait_seconds
    while not store.acquire_lease(name, owner=owner, seconds=LEASE_SECONDS, now=clock()):
        if time.monotonic() >= deadline:
            raise LeaseBusyError(
                f"Another process holds the lease {name!r}; try again when it is done "
                f"(one that was killed blocks others for {LEASE_SECONDS:.0f} s)."
            )
        time.sleep(RETRY_SECONDS)
        asked = time.monotonic()
    done = threading.Event()
    lease = Lease(name, lambda: store.renew_lease(name, owner=owner, seconds=LEASE_SECONDS, now=clock()))
    lease.good_until = _trusted_until(asked)
    renewing = threading.Thread(target=_keep, args=(store, lease, done), name=f"lease {name}", daemon=True)
    renewing.start()
    try:
        yield lease
    finally:
        done.set()
        renewing.join()
        store.release_lease(name, owner=owner)


def is_held(store: Store, name: str, *, now: datetime) -> bool:
    """Whether somebody holds the lease, as far as one can tell by reading: a holder that was only slow may go on."""
    until = store.lease_until(name)
    return until is not None and until > now


def _trusted_until(asked: float) -> float:
    """How long a lease needs no second look, by time.monotonic(). Half of its time: clocks of machines differ."""
    return asked + LEASE_SECONDS / 2


def _keep(store: Store, lease: Lease, done: threading.Event) -> None:
    """Whatever the store fails with, it may answer the next time."""
    pause = LEASE_SECONDS / 3
    try:
        while not done.wait(pause):
            try:
                lease.renew()
                if lease.lost.is_set():
                    break
                pause = LEASE_SECONDS / 3
            except FaceProjectError as error:
                logger.warning("a lease could not be renewed yet: %s", error)
                pause = RETRY_SECONDS
    finally:
        store.close()  # this thread's connection
