"""A process that trains, promotes or labels on an installation when it is told to: `python -m tests.races.racer`.

It reads one JSON object a line, `{"number": n, "do": name, "with": {…}, "at": seconds}`, waits until that moment of the
machine's monotonic clock, which all processes share, and answers `{"number": n, "answer": …}` or
`{"number": n, "refused": kind, "message": …}`.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import django

from personas.errors import FaceProjectError
from personas.store.base import Store

#: Pictures of each person, and how many of them are labelled for the first version.
PHOTOGRAPHS, KNOWN, CROWD = 60, 4, 30
PEOPLE = ("Ada", "Bo")


def prepare(store: Store) -> int:
    """A small made-up world and its first version; returns its number."""
    from django.conf import settings

    from tests.training.world import World

    world = World(store, Path(settings.FACEPROJECT_HOME))
    for person in PEOPLE:
        world.introduce(person, world.photograph(person, PHOTOGRAPHS)[:KNOWN])
    world.crowd(CROWD)
    return train(store, wait_seconds=0)["version"]


def say(store: Store, picture: int) -> None:
    """One more label a person: of their picture of that number."""
    from tests.factories import key, label

    for person in PEOPLE:
        label(store, person.lower(), key(f"{person}-{picture}"))


def train(store: Store, wait_seconds: float = 120.0) -> dict[str, Any]:
    from training import services

    outcome = services.train(actor="racer", only_new_labels=True, wait_seconds=wait_seconds)
    return {"version": outcome.version, "promoted": outcome.promoted, "sentence": outcome.sentence}


def promote(store: Store, version: int, expected_version: int | None = None) -> dict[str, Any]:
    from django.utils import timezone

    from training import services

    return _champion(
        services.promote(
            store=store, version=version, actor="racer", at=timezone.now(), expected_version=expected_version
        )
    )


def hold_leases_for(store: Store, seconds: float) -> None:
    """Leases that are taken from now on run out sooner when their holder stands still."""
    from personas import lease

    lease.LEASE_SECONDS = seconds


def stop_before(store: Store, method: str) -> None:
    """The next call of that method of the store stops this process (SIGSTOP) before it does anything."""
    original = getattr(store, method)

    def stopped(*arguments: Any, **named: Any) -> Any:
        setattr(store, method, original)
        os.kill(os.getpid(), signal.SIGSTOP)
        return original(*arguments, **named)

    setattr(store, method, stopped)


def _champion(champion: Any) -> dict[str, Any]:
    return {**dataclasses.asdict(champion), "at": champion.at.isoformat()}


_DOES: Mapping[str, Callable[..., Any]] = {
    each.__name__: each for each in (prepare, say, train, promote, hold_leases_for, stop_before)
}


def main() -> None:
    django.setup()
    from personas.store import get_store

    for line in sys.stdin:
        asked = json.loads(line)
        time.sleep(max(0.0, asked["at"] - time.monotonic()))
        try:
            said = {"answer": _DOES[asked["do"]](get_store(), **asked["with"])}
        except FaceProjectError as error:
            said = {"refused": type(error).__name__, "message": str(error)}
        print(json.dumps({"number": asked["number"], **said}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
