"""The Cassandra store on the node that CASSANDRA_CONTACT_POINTS names: faces read, scored and published a second, a
million predictions published, a persona's page, 5,000 faces labelled at once.

Made-up faces in a scratch keyspace, dropped afterwards; scoring is one comparison with 64 templates, so that what is
measured is the store. Client and node share the machine.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np

from benchmarks.installation import CommandFailedError
from benchmarks.report import Goal, Row, SkippedError
from benchmarks.settings import REPOSITORY, Bench

PERSONAS = 64
BLOCK = 1000
BULK = 5_000
PAGE = 60
PAGE_READS = 30
EMBEDDER = "made up"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
GOALS = {
    "read, scored and published": Goal(at_least=60_000),
    "a persona's page": Goal(at_most=20),
    "published": Goal(at_most=5),
    "labelled at once": Goal(at_most=2),
}


def measure(bench: Bench) -> Iterable[Row]:
    if not os.environ.get("CASSANDRA_CONTACT_POINTS"):
        raise SkippedError(
            "no Cassandra: set CASSANDRA_CONTACT_POINTS (`python -m tests.cassandra_node.node` starts one)"
        )
    environment = {
        "CASSANDRA_USERNAME": "cassandra",
        "CASSANDRA_PASSWORD": "cassandra",
        **os.environ,
        "STATE_STORE": "cassandra",
        "FACEPROJECT_HOME": str(bench.scratch / "home"),
        "CASSANDRA_KEYSPACE": f"bench_{uuid.uuid4().hex[:12]}",
    }
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.cassandra", str(100_000 if bench.quick else 1_000_000)],
        cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise CommandFailedError(done.stderr[-2000:])
    for line in done.stdout.splitlines():
        values = json.loads(line)
        yield Row(**values, goal=next((goal for part, goal in GOALS.items() if part in values["what"]), None))


def main(n_faces: int) -> None:
    """In a process of its own: print rows as JSON lines."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "faceproject.settings")
    import django

    django.setup()
    from personas.store.cassandra.adapter import CassandraStore, product_session
    from personas.store.cassandra.schema import Schema

    session = product_session()
    schema = Schema(session)
    schema.create_keyspace()
    try:
        schema.migrate()
        for row in _measure(CassandraStore(session, n_buckets=64), n_faces):
            print(json.dumps(row), flush=True)
    finally:
        schema.drop_keyspace()


def _measure(store: Any, n_faces: int) -> Iterator[dict[str, Any]]:
    from personas.entities import FaceKey, RankedFace, RankedKind

    random = np.random.default_rng(0)
    written = _fill(store, n_faces, random)
    yield {"what": "faces written in blocks", "figure": round(n_faces / written), "unit": "faces/s"}

    templates = random.standard_normal((128, PERSONAS)).astype(np.float32)
    started = time.perf_counter()
    keys: list[FaceKey] = []
    best, scores = [], []
    for block in store.embedding_blocks(after_seq=0, through_seq=store.head("ingest"), embedder=EMBEDDER):
        similarity = block.vectors @ templates
        best.append(similarity.argmax(1))
        scores.append(similarity.max(1))
        keys.extend(block.keys)
    read = time.perf_counter() - started
    yield {"what": "faces read and scored", "figure": round(len(keys) / read), "unit": "faces/s"}

    owner, probability = np.concatenate(best), np.concatenate(scores).astype(np.float64)
    probability = 1 / (1 + np.exp(-probability))
    order = np.argsort(owner, kind="stable")
    bounds = np.searchsorted(owner[order], range(PERSONAS + 1))
    values = probability.tolist()
    published = 0.0
    for persona in range(PERSONAS):
        rows = order[bounds[persona] : bounds[persona + 1]].tolist()
        ranked = [RankedFace(keys[row], values[row]) for row in rows]
        moment = time.perf_counter()
        store.put_ranked(1, RankedKind.PREDICTED, {f"persona-{persona}": ranked})
        published += time.perf_counter() - moment
    whole = time.perf_counter() - started
    yield {"what": "faces read, scored and published", "figure": round(len(keys) / whole), "unit": "faces/s"}
    yield {"what": f"{len(keys):,} predictions published", "figure": round(published, 2), "unit": "s"}

    pages = []
    for number in range(PAGE_READS):
        moment = time.perf_counter()
        first = store.ranked(1, f"persona-{number % PERSONAS}", RankedKind.PREDICTED, limit=PAGE)
        store.ranked(1, f"persona-{number % PERSONAS}", RankedKind.PREDICTED, after=first[-1], limit=PAGE)
        pages.append(500 * (time.perf_counter() - moment))
    yield {"what": f"a persona's page of {PAGE}", "figure": round(statistics.median(pages), 2), "unit": "ms"}
    yield from _labelling(store, keys)


def _fill(store: Any, n_faces: int, random: np.random.Generator) -> float:
    """Blocks and events as `save_extracted` writes them; pictures and faces are not read here."""
    from personas.entities import FaceKey, NewEvent
    from personas.store.base import PICTURES_INGESTED

    spent = 0.0
    for _ in range(n_faces // BLOCK):
        keys = [FaceKey(random.bytes(32).hex(), 0) for _ in range(BLOCK)]
        vectors = random.standard_normal((BLOCK, 128)).astype(np.float32)
        written = {key: (EMBEDDER, vector) for key, vector in zip(keys, vectors, strict=True)}
        payload = {"images": [key.image_id for key in keys], "n_faces": BLOCK, "embedder": EMBEDDER}
        event = NewEvent(kind=PICTURES_INGESTED, actor="bench", at=NOW, command_id=str(uuid.uuid4()), payload=payload)
        moment = time.perf_counter()
        store._append_with_blocks(event, written, (BLOCK, 0, BLOCK), "bench")
        spent += time.perf_counter() - moment
    return spent


def _labelling(store: Any, keys: list[Any]) -> Iterator[dict[str, Any]]:
    from personas.entities import LABELS, NewEvent, Verdict
    from personas.projection import FACES_LABELLED, labelled_payload

    for what, persona in (
        (f"{BULK:,} faces labelled at once", "ann"),
        (f"{BULK:,} faces labelled at once, moved", "bob"),
    ):
        payload = labelled_payload(persona, keys[:BULK], Verdict.BELONGS)
        event = NewEvent(kind=FACES_LABELLED, actor="bench", at=NOW, command_id=str(uuid.uuid4()), payload=payload)
        moment = time.perf_counter()
        store.record(LABELS, [event])
        seen = store.label_counts([persona])[persona][0]
        spent = time.perf_counter() - moment
        assert seen == BULK, seen
        yield {"what": what, "figure": round(spent, 2), "unit": "s"}


if __name__ == "__main__":
    main(int(sys.argv[1]))
