"""How fast Azure Face may be asked: one rate for all processes that share a Redis, one a machine where there is none.

Requests get slots, evenly spaced (the generic cell rate algorithm: a token bucket of one token, kept as the time of the
next free slot). A process that is given a slot waits for it, so nobody has to ask again and again, and the requests of
many processes never come at the same moment. When it has waited it claims the slot: on a busy machine many wake late
and together, and are spaced anew. After a 429 there is one pause for all: no slot lies within it.
"""

from __future__ import annotations

import fcntl
import hashlib
import random
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from ingest.vision.azure_errors import DetectorBusyError
from personas.errors import TransientError

#: Requests by tier, in seconds: https://learn.microsoft.com/azure/ai-services/computer-vision/identity-quotas-limits
TIERS: Final = {"F0": (20, 60.0), "S0": (10, 1.0)}
#: Of the tier's rate that is used: on its way a request is held up more or less, and the service counts arrivals.
SHARE: Final = 0.96
#: Of an interval by which slots are moved at random, so that processes do not march in step with the service's clock.
JITTER: Final = 0.2
#: Requests that may be sent at once by those who woke late; the service itself allows a second's worth.
BURST: Final = 3
#: Seconds that Redis keeps what nobody asks for, and that it may take to answer.
_KEPT_SECONDS, _ANSWER_SECONDS = 3600, 3.0


class RateLimit(Protocol):
    """Says when the next request may be sent."""

    def reserve(self, *, patience: float) -> float | None:
        """Seconds until the slot that is ours from now on; None: there is none within `patience` seconds."""

    def claim(self) -> float | None:
        """When the slot has come: seconds to wait still, because others are late; None: a pause swallowed the slot."""

    def pause(self, seconds: float) -> None:
        """No slot within the next seconds, for anybody."""

    def paused(self) -> float:
        """Seconds that the pause still lasts; 0: there is none."""


def interval_of(tier: str) -> float:
    """Seconds between two slots."""
    number, seconds = TIERS[tier]
    return seconds / number / SHARE


def wait_for_slot(limit: RateLimit, *, patience: float, sleep: Callable[[float], None] = time.sleep) -> None:
    """Returns when a request may be sent. Raises DetectorBusyError after at most `patience` seconds."""
    until = time.monotonic() + patience
    while True:
        seconds = limit.reserve(patience=until - time.monotonic())
        if seconds is None:
            raise DetectorBusyError(
                "The rate of Azure Face is used up by other pictures. This one is looked at later; nothing is lost."
            )
        sleep(seconds)
        still = limit.claim()
        if still is not None:
            sleep(still)
            return


class MachineRate:
    """Of all processes of one machine that name the same file; for several threads at once.

    The file holds three times of the machine's clock.
    """

    def __init__(self, path: Path, *, interval: float) -> None:
        """path: of a file in a folder of our own; it is made. interval: seconds between two slots."""
        self._path = path
        self._interval = interval

    def reserve(self, *, patience: float) -> float | None:
        with self._held() as held:
            now = time.time()
            slot = max(now, held.next, held.paused)
            if slot - now > patience:
                return None
            held.next = slot + _moved(self._interval)
        return slot - now

    def claim(self) -> float | None:
        with self._held() as held:
            now = time.time()
            if held.paused > now:
                return None
            seconds = max(0.0, held.sent - (BURST - 1) * self._interval - now)
            held.sent = max(held.sent, now) + self._interval
        return seconds

    def pause(self, seconds: float) -> None:
        with self._held() as held:
            held.paused = max(held.paused, time.time() + seconds)

    def paused(self) -> float:
        with self._held() as held:
            return max(0.0, held.paused - time.time())

    @contextmanager
    def _held(self) -> Iterator[_Times]:
        """The file's times, and it to ourselves while the block runs; what the block changes is kept."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            content = file.read(_TIMES.size)
            times = _Times(*_TIMES.unpack(content)) if len(content) == _TIMES.size else _Times()
            yield times
            file.truncate(0)
            file.write(_TIMES.pack(times.next, times.sent, times.paused))


_TIMES: Final = struct.Struct("<ddd")


@dataclass(slots=True)
class _Times:
    """Seconds since 1970. next: the next free slot. sent: end of the last claimed slot. paused: end of the pause."""

    next: float = 0.0
    sent: float = 0.0
    paused: float = 0.0


#: Times are microseconds of the server's clock, the only one that all processes share. -1: no slot.
_RESERVE: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local slot = math.max(now, tonumber(redis.call('HGET', KEYS[1], 'next') or 0),
                      tonumber(redis.call('HGET', KEYS[1], 'paused') or 0))
if slot - now > tonumber(ARGV[1]) then return -1 end
redis.call('HSET', KEYS[1], 'next', string.format('%.0f', slot + ARGV[2]))
redis.call('EXPIRE', KEYS[1], ARGV[3])
return slot - now
"""
_CLAIM: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
if tonumber(redis.call('HGET', KEYS[1], 'paused') or 0) > now then return -1 end
local sent = tonumber(redis.call('HGET', KEYS[1], 'sent') or 0)
redis.call('HSET', KEYS[1], 'sent', string.format('%.0f', math.max(sent, now) + ARGV[1]))
return math.max(0, sent - ARGV[2] - now)
"""
_PAUSE: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local paused = math.max(tonumber(redis.call('HGET', KEYS[1], 'paused') or 0), now + ARGV[1])
redis.call('HSET', KEYS[1], 'paused', string.format('%.0f', paused))
redis.call('EXPIRE', KEYS[1], math.ceil(ARGV[1] / 1000000) + ARGV[2])
return 0
"""
_PAUSED: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
return math.max(0, tonumber(redis.call('HGET', KEYS[1], 'paused') or 0) - now)
"""
_MICRO: Final = 1_000_000


class RedisRate:
    """Of all processes that name the same Redis, prefix and endpoint; for several threads at once.

    Raises TransientError when Redis does not answer.
    """

    def __init__(self, url: str, *, key: str, interval: float, tls_ca: str = "") -> None:
        """url: `redis://` or `rediss://`. tls_ca: PEM file of a private authority. interval: seconds between slots."""
        import redis

        timeouts = {"socket_timeout": _ANSWER_SECONDS, "socket_connect_timeout": _ANSWER_SECONDS}
        tls: dict[str, Any] = {"ssl_ca_certs": tls_ca} if tls_ca and url.startswith("rediss://") else {}
        client = redis.Redis.from_url(url, health_check_interval=10, **timeouts, **tls)
        self._errors = (redis.RedisError, OSError)
        self._key = key
        self._interval = interval
        self._reserve = client.register_script(_RESERVE)
        self._claim = client.register_script(_CLAIM)
        self._pause = client.register_script(_PAUSE)
        self._paused = client.register_script(_PAUSED)

    def reserve(self, *, patience: float) -> float | None:
        asked = [int(patience * _MICRO), int(_moved(self._interval) * _MICRO), _KEPT_SECONDS]
        micros = self._ask(self._reserve, asked)
        return None if micros < 0 else micros / _MICRO

    def claim(self) -> float | None:
        interval = int(self._interval * _MICRO)
        micros = self._ask(self._claim, [interval, (BURST - 1) * interval])
        return None if micros < 0 else micros / _MICRO

    def pause(self, seconds: float) -> None:
        self._ask(self._pause, [int(seconds * _MICRO), _KEPT_SECONDS])

    def paused(self) -> float:
        return self._ask(self._paused, []) / _MICRO

    def _ask(self, script: Callable[..., Any], arguments: list[int]) -> int:
        try:
            return int(script(keys=[self._key], args=arguments))
        except self._errors as error:
            raise TransientError(
                f"The rate of Azure Face is kept in Redis, which does not answer ({type(error).__name__}). The work "
                "goes on when it does."
            ) from error


def key_of(prefix: str, endpoint: str) -> str:
    """One rate an endpoint; its name says nothing of it."""
    return f"{prefix}azure-face:{hashlib.sha256(endpoint.lower().rstrip('/').encode()).hexdigest()[:16]}"


def _moved(interval: float) -> float:
    """An interval of random length, as long as it should be on average."""
    return interval * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  no secret
