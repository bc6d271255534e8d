"""Settings of a process that is thought to stand still after a few seconds, and that SIGVTALRM makes stand still."""

import signal
import time

from faceproject.settings import *  # noqa: F403 - settings are meant to be taken over whole
from orchestration import heartbeat, worker

heartbeat.SILENCE_SECONDS = 15.0
worker.BROKER_SECONDS = 2.0


def _stand_still(number: int, frame: object) -> None:
    time.sleep(3600)


signal.signal(signal.SIGVTALRM, _stand_still)
