"""A short run of the harness: whatever is killed, the outcome is that of an undisturbed run.

More kills, other seeds and PostgreSQL: `python -m tests.kill`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.installation import on_cassandra, on_sqlite
from tests.kill.harness import Ending, difference, n_rounds, run
from tests.kill.scenario import Round, rounds
from tests.servers import RedisServer

pytestmark = [pytest.mark.kill, pytest.mark.heavy]

KILLS = 4
#: Of what is labelled and the order of kills; the moments differ from run to run with the machine's speed anyway.
SEED = 20


@pytest.fixture(scope="module")
def all_rounds(tmp_path_factory: pytest.TempPathFactory) -> list[Round]:
    return rounds(tmp_path_factory.mktemp("rounds"), number=n_rounds(KILLS), seed=SEED)


@pytest.fixture(scope="module")
def own_redis(redis_server: RedisServer):
    """One that may be killed; `redis_server` says by its skip whether there can be one."""
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="module")
def calm(all_rounds: Sequence[Round], own_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Ending:
    home = tmp_path_factory.mktemp("calm") / "home"
    return run(home, all_rounds, settings=on_sqlite(), redis=own_redis, kills=0, seed=SEED)


def test_killed_at_any_moment_sqlite_ends_as_undisturbed(calm, all_rounds, own_redis, tmp_path: Path):
    killed = run(tmp_path / "home", all_rounds, settings=on_sqlite(), redis=own_redis, kills=KILLS, seed=SEED)
    assert len(killed.kills) == KILLS
    assert difference(calm, killed) == ""


def test_killed_at_any_moment_with_its_node_cassandra_ends_as_undisturbed(
    calm, all_rounds, own_redis, own_cassandra_node, tmp_path: Path
):
    killed = run(
        tmp_path / "home",
        all_rounds,
        settings=on_cassandra(own_cassandra_node.server.environment),
        redis=own_redis,
        node=own_cassandra_node,
        kills=KILLS,
        seed=SEED,
    )
    assert len(killed.kills) == KILLS
    assert difference(calm, killed) == ""
