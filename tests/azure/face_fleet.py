"""Eight ingest processes that ask one service, whose times are what counts: for a test, and for a benchmark."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from ingest.vision.azure_face import AT_ONCE, AzureFace, AzureFaceDetector
from tests.azure.face_service import face_service

WORKERS: Final = 8
#: Requests a second of tier S0.
ALLOWED: Final = 10.0
_detector: AzureFaceDetector  #: of a worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What the service saw. refused: when it said 429, in seconds after the first request."""

    n_answered: int
    seconds: float
    refused: tuple[float, ...]

    @property
    def rate(self) -> float:
        """Requests a second that were answered."""
        return (self.n_answered - 1) / self.seconds


def watch_fleet(folder: Path, *, pictures: int, redis_url: str = "") -> Watched:
    """Have all pictures looked at. redis_url: where the rate is shared; empty: in a file."""
    share = [pictures // WORKERS + (number < pictures % WORKERS) for number in range(WORKERS)]
    processes = multiprocessing.get_context("spawn")
    with face_service(folder, tier="S0") as service:
        config = service.config(redis_url=redis_url, key_prefix="fleet:", patience=120.0)
        with processes.Pool(WORKERS, _begin, (config, processes.Barrier(WORKERS))) as workers:
            workers.map(_look_at, share, chunksize=1)
    seen = sorted(service.double.seen, key=lambda each: each.at)
    answered = [each.at for each in seen if each.status == 200]
    return Watched(
        n_answered=len(answered),
        seconds=answered[-1] - answered[0],
        refused=tuple(each.at - seen[0].at for each in seen if each.status == 429),
    )


def _begin(config: AzureFace, all_ready: Any) -> None:
    """A worker gets ready, and waits until all are: what is measured is the work, not how processes start."""
    global _detector
    _detector = AzureFaceDetector(config)
    all_ready.wait(timeout=300)


def _look_at(n_pictures: int) -> None:
    """As many pictures as it is told to, side by side as ingest has them."""
    picture = np.full((96, 96, 3), 90, np.uint8)
    with ThreadPoolExecutor(AT_ONCE["S0"]) as hands:
        for faces in hands.map(lambda _: _detector.detect(picture), range(n_pictures)):
            assert len(faces) == 1
