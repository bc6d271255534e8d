"""How much of Azure Face's rate eight ingest processes use, beside the rate itself, against the tests' double.

The double holds ten requests a second as a bucket of ten, and refuses what is more. What is counted are its own times;
a goal is missed, too, where it refused a request after the first second.
"""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.report import Goal, Row, SkippedError
from benchmarks.settings import Bench
from tests.azure.face_fleet import ALLOWED, WORKERS, watch_fleet
from tests.servers import NoServerError, RedisServer

PICTURES, QUICK_PICTURES = 300, 60


def measure(bench: Bench) -> Iterable[Row]:
    try:
        redis = RedisServer()
    except NoServerError as error:
        raise SkippedError(str(error)) from error
    with redis:
        watched = watch_fleet(bench.scratch, pictures=QUICK_PICTURES if bench.quick else PICTURES, redis_url=redis.url)
    beside = f"{watched.n_answered} pictures, {watched.rate:.2f} of {ALLOWED:g} a second"
    yield Row(
        what=f"Azure Face, {WORKERS} workers: of the allowed rate",
        figure=watched.rate / ALLOWED,
        unit="",
        goal=Goal(at_least=0.9),
        beside=beside,
    )
    late = [at for at in watched.refused if at > 1.0]
    yield Row(what="… requests refused after the first second", figure=len(late), unit="", goal=Goal(at_most=0))
