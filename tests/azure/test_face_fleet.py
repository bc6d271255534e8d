"""Many workers, one rate: eight processes against a service that holds ten requests a second."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.azure.face_fleet import watch_fleet
from tests.servers import RedisServer

PICTURES = 300


@pytest.mark.heavy
@pytest.mark.parametrize("shared", ["redis", "file"])
def test_eight_workers_use_the_rate_and_are_never_refused(
    shared: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """What is asserted is what the service refused, by its own times; `make bench` tells how fast they are."""
    server: RedisServer | None = request.getfixturevalue("redis_server") if shared == "redis" else None
    watched = watch_fleet(tmp_path, pictures=PICTURES, redis_url=server.url if server else "")
    assert watched.n_answered == PICTURES
    assert [at for at in watched.refused if at > 1.0] == []
