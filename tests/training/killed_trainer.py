"""A trainer that gets a signal at its first use of a given store method: SIGKILL, or SIGSTOP. Run by other tests.

usage: python -m tests.training.killed_trainer FOLDER METHOD before|after SIGNAL SPLIT_FACES
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import django


def main() -> None:
    folder, method, moment, name, split_faces = sys.argv[1:]
    django.setup()
    from personas import lease
    from personas.errors import TransientError
    from personas.store import get_store
    from tests.training.world import World

    lease.LEASE_SECONDS = 0.3  # what a killed holder leaves behind runs out soon
    world = World(get_store(), Path(folder), split_faces=int(split_faces))
    original = getattr(world.store, method)

    def signalled(*arguments, **named):
        result = original(*arguments, **named) if moment == "after" else None
        setattr(world.store, method, original)
        os.kill(os.getpid(), signal.Signals[name])
        return result if moment == "after" else original(*arguments, **named)

    setattr(world.store, method, signalled)
    try:
        world.train()
    except TransientError as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
