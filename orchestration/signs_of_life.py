"""Which roles are at work, as the store knows it: the status page asks no other process, and needs no broker.

A process of a role holds one of its role's places, each a lease, and renews it as long as its main loop goes round. One
that ends gives its place back. Of one that was killed, or hangs, the lease runs out and stays until another process
takes the place: so it is known when the role was last heard of. The web is at work when it answers; the scorer writes
nothing, so it is not among them.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.utils import timezone

from orchestration.heartbeat import Heartbeat, NotAliveError
from orchestration.roles import DISPATCHER, INGEST_WORKER, ROLES, TRAINER_WORKER
from personas.errors import FaceProjectError
from personas.store.base import Store

logger = logging.getLogger(__name__)

#: A process that says nothing for this long is not counted any more; it says something every BEAT_SECONDS.
SILENCE_SECONDS: Final = 20.0
BEAT_SECONDS: Final = 5.0
#: Processes of one role that are counted; more are "this many or more".
PLACES: Final = 8
#: Roles that show themselves so.
SHOWN: Final = (INGEST_WORKER, TRAINER_WORKER, DISPATCHER)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleAtWork:
    """A role, and whether anybody is at it."""

    name: str
    about: str
    n_alive: int
    last_heard: datetime | None  #: of one that ended without a word; None: nobody was, or all ended in order

    @property
    def alive(self) -> bool:
        return self.n_alive > 0

    @property
    def many(self) -> bool:
        """As many as are counted: there may be more."""
        return self.n_alive >= PLACES


def roles_at_work(store: Store, *, now: datetime) -> tuple[RoleAtWork, ...]:
    """A read a place."""
    return tuple(_role_at_work(store, name, now) for name in SHOWN)


def _role_at_work(store: Store, name: str, now: datetime) -> RoleAtWork:
    ends = [until for number in range(PLACES) if (until := store.lease_until(_place(name, number))) is not None]
    n_alive = sum(until > now for until in ends)
    last_heard = max(ends) if ends and not n_alive else None
    return RoleAtWork(name=name, about=ROLES[name].about, n_alive=n_alive, last_heard=last_heard)


def _place(role: str, number: int) -> str:
    return f"alive:{role}:{number}"


@dataclass(slots=True)
class SignOfLife:
    """One process's place among those of its role."""

    store: Store
    role: str
    heartbeat: Heartbeat
    clock: Callable[[], datetime] = timezone.now
    owner: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}")
    _place: str | None = None

    def beat(self) -> None:
        """Renew the place, or take one; a main loop that is stuck lets it run out. Raises FaceProjectError."""
        try:
            self.heartbeat.require()
        except NotAliveError:
            return
        if self._place is None or not self._renew(self._place):
            self._place = next(filter(self._take, (_place(self.role, number) for number in range(PLACES))), None)

    def end(self) -> None:
        """Give the place back. Raises FaceProjectError."""
        if self._place is not None:
            self.store.release_lease(self._place, owner=self.owner)

    def _renew(self, place: str) -> bool:
        return self.store.renew_lease(place, owner=self.owner, seconds=SILENCE_SECONDS, now=self.clock())

    def _take(self, place: str) -> bool:
        return self.store.acquire_lease(place, owner=self.owner, seconds=SILENCE_SECONDS, now=self.clock())


@contextmanager
def shown_at_work(sign: SignOfLife) -> Iterator[None]:
    """Beat from a thread while the block runs. A store that is away is no reason to stop."""
    ending = threading.Event()

    def keep() -> None:
        try:
            while True:
                _trying(sign.beat)
                if ending.wait(BEAT_SECONDS):
                    break
            _trying(sign.end)
        finally:
            sign.store.close()  # this thread's connection

    thread = threading.Thread(target=keep, name="sign of life", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join(timeout=BEAT_SECONDS)


def _trying(step: Callable[[], None]) -> None:
    try:
        step()
    except FaceProjectError as error:
        logger.debug("no sign of life: %s", error)
