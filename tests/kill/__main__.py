"""`python -m tests.kill --kills 40 --store cassandra --seed 7`: kill, restart, compare with an undisturbed run."""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.cassandra_node.node import Node, NoNodeError, start
from tests.installation import on_cassandra, on_postgres, on_sqlite
from tests.kill.harness import difference, n_rounds, run
from tests.kill.scenario import rounds
from tests.servers import NoServerError, RedisServer, postgres


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.kill", description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="(default: %(default)s)")
    parser.add_argument("--store", choices=("sqlite", "postgres", "cassandra"), default="sqlite")
    parser.add_argument("--seed", type=int, help="of moments, order and labels (default: a new one, printed)")
    options = parser.parse_args()
    seed = secrets.randbelow(2**31) if options.seed is None else options.seed
    root = Path(tempfile.mkdtemp(prefix="faceproject-kill-"))
    _say(f"seed {seed}, in {root}")
    all_rounds = rounds(root / "pictures", number=n_rounds(options.kills), seed=seed)
    try:
        with ExitStack() as stack:
            redis = stack.enter_context(RedisServer())
            _say("undisturbed, on SQLite")
            calm = run(root / "calm" / "home", all_rounds, settings=on_sqlite(), redis=redis, kills=0, seed=seed)
            settings, node = stack.enter_context(_store(options.store, root))
            killed = run(
                root / "killed" / "home",
                all_rounds,
                settings=settings,
                redis=redis,
                node=node,
                kills=options.kills,
                seed=seed,
                say=_say,
            )
    except (NoServerError, NoNodeError) as error:
        sys.exit(str(error))
    if problem := difference(calm, killed):
        _say(f"FAILED (seed {seed}; logs in {root}): {problem}")
        return 1
    shutil.rmtree(root, ignore_errors=True)
    _say(
        f"as undisturbed after {len(killed.kills)} kills in {killed.seconds:.0f} s: "
        f"{killed.state['counts']}, {len(killed.predictions)} predictions; "
        f"{killed.repeated} tries unanswered; set aside and retried: {', '.join(killed.retried) or 'nothing'}; "
        f"ended by themselves: {', '.join(killed.died) or 'none'}"
    )
    return 0


@contextmanager
def _store(name: str, root: Path) -> Iterator[tuple[dict[str, str], Node | None]]:
    """Settings of an empty store of that kind, and its node if that is to be killed too."""
    match name:
        case "postgres":
            with postgres(os.environ.get("TEST_POSTGRES_URL", "")) as server:
                yield on_postgres(server), None
        case "cassandra":
            folder = root / "cassandra"
            folder.mkdir()
            node = start(folder, forgetful=False)
            try:
                yield on_cassandra(node.server.environment), node
            finally:
                node.kill()
        case _:
            yield on_sqlite(), None


_began = time.monotonic()


def _say(line: str) -> None:
    print(f"{time.monotonic() - _began:7.1f} s  {line}", flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
