"""Many workers, one rate: eight processes against a service that holds ten requests a second."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingest.vision.azure_face import AT_ONCE, AzureFace, AzureFaceDetector
from tests.azure.face_service import face_service
from tests.servers import RedisServer

WORKERS, PICTURES = 8, 300
ALLOWED = 10.0  #: a second, of tier S0
_detector: AzureFaceDetector  #: of a worker


def begin(config: AzureFace, all_ready: Any) -> None:
    """A worker gets ready, and waits until all are: what is measured is the work, not how processes start."""
    global _detector
    _detector = AzureFaceDetector(config)
    all_ready.wait(timeout=120)


def look_at(n_pictures: int) -> int:
    """As many pictures as it is told to, side by side as ingest has them; returns how many had a face."""
    picture = np.full((96, 96, 3), 90, np.uint8)
    with ThreadPoolExecutor(AT_ONCE["S0"]) as hands:
        return sum(bool(faces) for faces in hands.map(lambda _: _detector.detect(picture), range(n_pictures)))


@pytest.mark.heavy
@pytest.mark.parametrize("shared", ["redis", "file"])
def test_eight_workers_use_the_rate_and_are_never_refused(
    shared: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """What is asserted are the service's own times, and what it refused."""
    server: RedisServer | None = request.getfixturevalue("redis_server") if shared == "redis" else None
    share = [PICTURES // WORKERS + (number < PICTURES % WORKERS) for number in range(WORKERS)]
    processes = multiprocessing.get_context("spawn")
    with face_service(tmp_path, tier="S0") as service:
        config = service.config(redis_url=server.url if server else "", key_prefix="fleet:", patience=120.0)
        with processes.Pool(WORKERS, begin, (config, processes.Barrier(WORKERS))) as workers:
            found = workers.map(look_at, share, chunksize=1)
    seen = sorted(service.double.seen, key=lambda each: each.at)
    first, last = seen[0].at, seen[-1].at
    refused_late = [each for each in seen if each.status == 429 and each.at - first > 1.0]
    assert sum(found) == PICTURES
    assert refused_late == []
    assert {each.status for each in seen} <= {200, 429}
    assert (PICTURES - 1) / (last - first) >= 0.9 * ALLOWED
