"""A trainer that is killed (SIGKILL, no clean-up) at a given store call. Run by test_killed_trainer.py.

usage: python -m tests.training.killed_trainer FOLDER METHOD before|after
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import django


def main() -> None:
    folder, method, moment = sys.argv[1:]
    django.setup()
    from personas import lease
    from personas.store import get_store
    from tests.training.world import World

    lease.LEASE_SECONDS = 0.3  # what a killed holder leaves behind runs out soon
    world = World(get_store(), Path(folder))
    original = getattr(type(world.store), method)

    def killed(self, *arguments, **named):
        if moment == "after":
            original(self, *arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(type(world.store), method, killed)
    world.train()
    sys.exit("the trainer was not killed")


if __name__ == "__main__":
    main()
