"""The Cassandra store on the node that CASSANDRA_CONTACT_POINTS names: faces read, scored and published a second, a
million predictions published, a persona's page, 5,000 faces labelled at once, pictures saved by two writers, and what a
picture costs a writer in CPU time, which does not depend on who else is at work on the machine.

Made-up faces of 64 people in a scratch keyspace, dropped afterwards; read, scored and published by the product's own
classes, by a version that knows all 64. Client and node share the machine.
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
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
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
WRITERS = 2
#: Pictures in one batch of a writer, and batches.
BATCH_SIZES, BATCHES = (32, 64), 20
EMBEDDER = "made up"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
GOALS = {
    "read, scored and published": Goal(at_least=60_000),
    "a persona's page": Goal(at_most=20),
    "published": Goal(at_most=5),
    "labelled at once": Goal(at_most=2),
    "seen by another process": Goal(at_most=10),
    "pictures saved": Goal(at_least=100),
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
    store = _product_store()
    from personas.store.cassandra.schema import Schema

    schema = Schema(store._session)
    schema.create_keyspace()
    try:
        schema.migrate()
        for row in _measure(store, n_faces):
            print(json.dumps(row), flush=True)
    finally:
        schema.drop_keyspace()


def _measure(store: Any, n_faces: int) -> Iterator[dict[str, Any]]:
    from personas.entities import RankedKind

    random = np.random.default_rng(0)
    people = _unit(random.standard_normal((PERSONAS, 128)))
    written = _fill(store, n_faces, people, random)
    yield {"what": "faces written in blocks", "figure": round(n_faces / written), "unit": "faces/s"}

    with TemporaryDirectory() as folder:
        publisher, version = _publisher(store, Path(folder), people, random)
        started = time.perf_counter()
        matrix = publisher.open_matrix(EMBEDDER)
        read = time.perf_counter() - started
        yield {"what": "faces read", "figure": round(len(matrix) / read), "unit": "faces/s"}
        published = _published(publisher, version, matrix)
        yield {
            "what": "faces read, scored and published by one trainer-worker",
            "figure": round(len(matrix) / (read + published)),
            "unit": "faces/s",
        }
        apart = _published(replace(publisher, split_faces=200_000), version, matrix)
        yield {
            "what": "the same in shares, by one trainer-worker alone",
            "figure": round(len(matrix) / (read + apart)),
            "unit": "faces/s",
        }
        spent = _pages_written(store, version, matrix)
        yield {"what": f"{len(matrix):,} predictions published", "figure": round(spent, 2), "unit": "s"}
        keys = list(matrix.face_keys(np.arange(BULK)))

    pages = []
    for number in range(PAGE_READS):
        moment = time.perf_counter()
        first = store.ranked(version.version, f"persona-{number % PERSONAS:02}", RankedKind.PREDICTED, limit=PAGE)
        store.ranked(
            version.version, f"persona-{number % PERSONAS:02}", RankedKind.PREDICTED, after=first[-1], limit=PAGE
        )
        pages.append(500 * (time.perf_counter() - moment))
    yield {"what": f"a persona's page of {PAGE}", "figure": round(statistics.median(pages), 2), "unit": "ms"}
    yield from _labelling(store, keys)
    yield from _saving()


def _unit(rows: Any) -> Any:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def _faces(people: Any, owner: Any, random: np.random.Generator) -> Any:
    """A face of each owner, (n, 128), about as alike as SFace finds those of one person."""
    return _unit(people[owner] + 0.7 * _unit(random.standard_normal((len(owner), 128))))


def _publisher(store: Any, folder: Path, people: Any, random: np.random.Generator) -> tuple[Any, Any]:
    """A version that knows the people, five labels each, and what publishes it."""
    from personas.entities import ModelVersion, VersionStatus
    from training.artefact import dump_classifier
    from training.champion import artefacts
    from training.classifier import PersonaClassifier
    from training.promotion import Publisher

    owner = np.repeat(np.arange(PERSONAS), 5)
    strangers = _unit(random.standard_normal((2000, 128)))
    names = np.array([f"persona-{n:02}" for n in range(PERSONAS)])
    classifier = PersonaClassifier().fit(_faces(people, owner, random), names[owner], background=strangers)
    publisher = Publisher(
        store=store, media_root=folder / "media", cache_root=folder / "cache",
        clock=lambda: datetime.now(UTC), split_faces=10**9,
    )  # fmt: skip
    version = ModelVersion(
        version=0, status=VersionStatus.READY, created_at=NOW, label_seq=0, scored_through=0, embedder=EMBEDDER,
        data_hash="", artefact=artefacts(publisher.media_root).put(dump_classifier(classifier)), metrics={},
    )  # fmt: skip
    return publisher, store.add_model_version(version)


def _published(publisher: Any, version: Any, matrix: Any) -> float:
    """Seconds of a publication over the whole matrix: settled faces read, all faces scored, pages written."""
    from personas.lease import Lease

    started = time.perf_counter()
    done = publisher.publish(version, matrix, Lease("benchmark"), replaced=0, actor="bench")
    spent = time.perf_counter() - started
    assert done.n_scored > 0.9 * len(matrix), done.n_scored
    return spent


def _pages_written(store: Any, version: Any, matrix: Any) -> float:
    """Seconds for as many predictions in pages as there are faces."""
    from personas.entities import RankedKind
    from personas.face_arrays import RankedFaces

    ranked = RankedFaces(matrix.face_keys(np.arange(len(matrix))), np.linspace(1, 0.5, len(matrix)))
    bounds = np.linspace(0, len(matrix), PERSONAS + 1).astype(int).tolist()
    started = time.perf_counter()
    for number, (first, last) in enumerate(pairwise(bounds)):
        store.put_ranked(version.version, RankedKind.PREDICTED, {f"persona-{number:02}": ranked[first:last]})
    return time.perf_counter() - started


def _fill(store: Any, n_faces: int, people: Any, random: np.random.Generator) -> float:
    """Blocks and events as `save_extracted` writes them; pictures and faces are not read here."""
    from personas.entities import FaceKey, NewEvent
    from personas.store.base import PICTURES_INGESTED

    spent = 0.0
    for _ in range(n_faces // BLOCK):
        keys = [FaceKey(random.bytes(32).hex(), 0) for _ in range(BLOCK)]
        vectors = _faces(people, random.integers(0, PERSONAS, BLOCK), random)
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
    from personas.store.cassandra.adapter import CassandraStore
    from personas.store.paging import every

    for how, persona in (("labelled at once", "ann"), ("labelled at once, moved from another persona", "bob")):
        payload = labelled_payload(persona, keys[:BULK], Verdict.BELONGS)
        event = NewEvent(kind=FACES_LABELLED, actor="bench", at=NOW, command_id=str(uuid.uuid4()), payload=payload)
        moment = time.perf_counter()
        store.record(LABELS, [event])
        seen = store.label_counts([persona])[persona][0]
        spent = time.perf_counter() - moment
        assert seen == BULK, seen
        yield {"what": f"{BULK:,} faces {how}", "figure": round(spent, 2), "unit": "s"}
        other = CassandraStore(store._session, n_buckets=64)  # knows nothing of what the first has seen
        faces = list(
            every(lambda cursor: other.labels_of_persona(persona, belongs=True, cursor=cursor, limit=500))  # noqa: B023 - used at once
        )
        spent = time.perf_counter() - moment
        assert len(faces) == BULK, len(faces)
        yield {"what": "every one of them seen by another process", "figure": round(spent, 2), "unit": "s"}


def _saving() -> Iterator[dict[str, Any]]:
    """Writers in processes of their own; the slower one counts."""
    for size in BATCH_SIZES:
        writers = [
            subprocess.Popen(
                [sys.executable, "-m", "benchmarks.cassandra", "writer", str(size), str(BATCHES)],
                cwd=REPOSITORY, stdout=subprocess.PIPE, text=True,
            )
            for _ in range(WRITERS)
        ]  # fmt: skip
        said = [json.loads(writer.communicate()[0]) for writer in writers]
        figure = round(WRITERS * min(each["pictures a second"] for each in said))
        yield {"what": f"pictures saved by {WRITERS} writers, {size} a batch", "figure": figure, "unit": "pictures/s"}
        cpu = statistics.mean(each["CPU ms a picture"] for each in said)
        yield {"what": f"CPU time of a writer for a picture, {size} a batch", "figure": round(cpu, 2), "unit": "ms"}


def write_pictures(size: int, n_batches: int) -> None:
    """A writer: prints how many pictures a second it saved, and what they cost it."""
    store = _product_store()
    store.head("ingest")
    random = np.random.default_rng()
    batches = [[_picture(random) for _ in range(size)] for _ in range(n_batches)]
    started, spent = time.perf_counter(), time.process_time()
    for batch in batches:
        store.save_extracted(batch, actor="bench", at=NOW, command_id=str(uuid.uuid4()))
    n_pictures = n_batches * size
    rate, cpu = n_pictures / (time.perf_counter() - started), (time.process_time() - spent) / n_pictures
    print(json.dumps({"pictures a second": rate, "CPU ms a picture": 1000 * cpu}))


def _picture(random: np.random.Generator) -> Any:
    """With two faces and a path."""
    from personas.entities import Box, ExtractedImage, Image, ImagePath, ImageStatus, NewFace

    image_id = random.bytes(32).hex()
    faces = tuple(
        NewFace(
            box=Box(100 * number, 0, 80, 80), landmarks=((1.0, 1.0),) * 5, score=0.9, quality=0.9,
            embedding=_unit(random.standard_normal(128)),
        )
        for number in range(2)
    )  # fmt: skip
    image = Image(
        image_id=image_id, width=640, height=480, format="JPEG", n_bytes=100_000, status=ImageStatus.FACES,
        n_faces=2, detector="made up", ingested_at=NOW,
    )  # fmt: skip
    path = ImagePath(source="/bench", path=f"{image_id}.jpg", image_id=image_id, size=100_000, mtime_ns=1)
    return ExtractedImage(image=image, embedder=EMBEDDER, faces=faces, paths=(path,))


def _product_store() -> Any:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "faceproject.settings")
    import django

    django.setup()
    from personas.store.cassandra.adapter import CassandraStore, product_session

    return CassandraStore(product_session(), n_buckets=64)


if __name__ == "__main__":
    if sys.argv[1] == "writer":
        write_pictures(int(sys.argv[2]), int(sys.argv[3]))
    else:
        main(int(sys.argv[1]))
