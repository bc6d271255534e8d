"""The SQL store on SQLite: faces saved and read a second, a bulk label of 5,000, a persona's page over 100,000 faces.

Beside each figure stands the same rows through the bare sqlite3 module in the same run, with the same journal settings:
what is between the two is the price of the port, of Django and of the entities. Pages come through the selector that
the web page uses. Everything is made up; the measuring runs in a process of its own, because Django's settings are read
once a process.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.installation import CommandFailedError, Installation
from benchmarks.report import Row
from benchmarks.settings import REPOSITORY, Bench

FACES_AN_IMAGE = 2
IMAGES_A_BATCH = 250
BULK = 5_000
PAGE = 60
PAGE_READS = 30
EMBEDDER = DETECTOR = "made up"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def measure(bench: Bench) -> Iterable[Row]:
    installation = Installation.create(bench.scratch / "home")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.store", str(10_000 if bench.quick else 100_000), str(bench.scratch)],
        cwd=REPOSITORY, env=installation.environ(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise CommandFailedError(done.stderr[-2000:])
    for line in done.stdout.splitlines():
        yield Row(**json.loads(line))


def seconds_of(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def main(n_faces: int, scratch: Path) -> None:
    """In a process of its own: print rows as JSON lines."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "faceproject.settings")
    import django

    django.setup()
    raw = Raw(scratch / "raw.sqlite3")
    for row in _measure(n_faces, raw):
        print(json.dumps(row))


def _measure(n_faces: int, raw: Raw) -> Iterator[dict[str, Any]]:
    from personas.store import get_store

    store = get_store()
    saved = raw_saved = 0.0
    for start in range(0, n_faces // FACES_AN_IMAGE, IMAGES_A_BATCH):
        batch = [_extracted(number) for number in range(start, start + IMAGES_A_BATCH)]
        rows = raw.rows_of(batch)
        command_id = str(uuid.uuid4())
        saved += seconds_of(
            lambda batch=batch, command_id=command_id: store.save_extracted(  # type: ignore[misc]
                batch, actor="bench", at=NOW, command_id=command_id
            )
        )
        raw_saved += seconds_of(lambda rows=rows: raw.save(rows))  # type: ignore[misc]
    yield _rate(f"faces saved, {n_faces:,}", n_faces / saved, n_faces / raw_saved)
    read = seconds_of(lambda: _read_faces(store))
    yield _rate("faces read, in key order", n_faces / read, n_faces / seconds_of(raw.read_faces))
    read = seconds_of(
        lambda: list(store.embedding_blocks(after_seq=0, through_seq=store.head("ingest"), embedder=EMBEDDER))
    )
    yield _rate("embeddings streamed in blocks", n_faces / read, n_faces / seconds_of(raw.read_vectors))
    yield from _labelling(store, raw)
    yield from _pages(store, raw, n_faces)


def _labelling(store: Any, raw: Raw) -> Iterator[dict[str, Any]]:
    from personas.entities import Verdict
    from personas.services.labelling import label_faces
    from personas.services.personas import add_persona

    persona = add_persona(store=store, name="Bulk", actor="bench", at=NOW, command_id=str(uuid.uuid4()))
    keys = [face.key for face in store.faces(limit=BULK).items]
    seconds = seconds_of(
        lambda: label_faces(
            store=store, persona_id=persona.persona_id, faces=keys, verdict=Verdict.BELONGS,
            actor="bench", at=NOW, command_id=str(uuid.uuid4()),
        )
    )  # fmt: skip
    limit = seconds_of(lambda: raw.label(persona.persona_id, keys))
    what = f"{len(keys):,} faces labelled by one command"
    yield {"what": what, "figure": 1000 * seconds, "unit": "ms", "beside": f"sqlite3 {1000 * limit:.0f} ms"}


def _pages(store: Any, raw: Raw, n_faces: int) -> Iterator[dict[str, Any]]:
    from personas.entities import RankedFace, RankedKind
    from personas.selectors.gallery import persona_predicted
    from personas.services.personas import add_persona

    persona = add_persona(store=store, name="Everybody", actor="bench", at=NOW, command_id=str(uuid.uuid4()))
    ranked = _ranked(store, RankedFace)
    version = store.add_model_version(_version())
    seconds = seconds_of(lambda: store.put_ranked(version.version, RankedKind.PREDICTED, {persona.persona_id: ranked}))
    limit = seconds_of(lambda: raw.put_ranked(ranked))
    yield _rate(f"predictions published, {len(ranked):,}", len(ranked) / seconds, len(ranked) / limit)
    store.add_fresh(version.version, {}, scored_through=store.head("ingest"))
    store.switch_champion(version.version, expected_revision=0, actor="bench", at=NOW)
    times, raw_times, cursor = [], [], None
    for number in range(PAGE_READS):
        started = time.perf_counter()
        page = persona_predicted(store, persona.persona_id, cursor=cursor, limit=PAGE)
        times.append(time.perf_counter() - started)
        assert len(page.items) == PAGE
        cursor = page.next_cursor
        raw_times.append(seconds_of(lambda number=number: raw.read_page(number)))  # type: ignore[misc]
    page_ms, worst_ms, raw_ms = (
        1000 * statistics.median(times), 1000 * max(times), 1000 * statistics.median(raw_times)
    )  # fmt: skip
    beside = f"median of {PAGE_READS}, worst {worst_ms:.0f} ms; sqlite3 {raw_ms:.1f} ms"
    yield {"what": f"a persona's page of {PAGE} among {n_faces:,}", "figure": page_ms, "unit": "ms", "beside": beside}


def _ranked(store: Any, ranked_face: Any) -> list[Any]:
    """Every face that has no label, in descending order of probability."""
    keys = []
    cursor = None
    while True:
        page = store.faces(cursor=cursor, limit=5000)
        keys += [face.key for face in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    keys = keys[BULK:]
    return [ranked_face(key, 1.0 - number / (2 * len(keys))) for number, key in enumerate(keys)]


def _read_faces(store: Any) -> None:
    cursor = None
    while True:
        cursor = store.faces(cursor=cursor, limit=1000).next_cursor
        if cursor is None:
            return


def _rate(what: str, rate: float, limit: float) -> dict[str, Any]:
    return {
        "what": what,
        "figure": rate,
        "unit": "/s",
        "beside": f"sqlite3 {limit:,.0f}/s ({100 * rate / limit:.0f} %)",
    }


def _extracted(number: int) -> Any:
    """A made-up picture of two faces."""
    from personas.entities import Box, ExtractedImage, Image, ImagePath, ImageStatus, NewFace

    image_id = hashlib.sha256(str(number).encode()).hexdigest()
    vectors = np.random.default_rng(number).standard_normal((FACES_AN_IMAGE, 128)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    image = Image(
        image_id=image_id, width=640, height=480, format="JPEG", n_bytes=100_000, status=ImageStatus.FACES,
        n_faces=FACES_AN_IMAGE, detector=DETECTOR, ingested_at=NOW,
    )  # fmt: skip
    faces = tuple(
        NewFace(
            box=Box(10.0 + 200 * place, 20.0, 80.0, 100.0),
            landmarks=((30.0, 50.0), (70.0, 50.0), (50.0, 70.0), (35.0, 90.0), (65.0, 90.0)),
            score=0.9,
            quality=0.8,
            embedding=vector,
        )
        for place, vector in enumerate(vectors)
    )
    path = ImagePath(source="/bench", path=f"{number:07d}.jpg", image_id=image_id, size=100_000, mtime_ns=number)
    return ExtractedImage(image=image, embedder=EMBEDDER, faces=faces, paths=(path,))


def _version() -> Any:
    from personas.entities import ModelVersion, VersionStatus

    return ModelVersion(
        version=0, status=VersionStatus.READY, created_at=NOW, label_seq=10**6, scored_through=0, embedder=EMBEDDER,
        data_hash="", artefact="", metrics={},
    )  # fmt: skip


class Raw:
    """The same rows by the sqlite3 module alone."""

    def __init__(self, path: Path) -> None:
        self.database = sqlite3.connect(path, isolation_level=None)
        self.database.executescript(
            """
            PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA mmap_size=268435456;
            CREATE TABLE image(image_id TEXT PRIMARY KEY, width, height, format, size, status, n_faces, detector, at);
            CREATE TABLE path(source TEXT, path TEXT, name TEXT, image_id TEXT, size, mtime, PRIMARY KEY(source, path));
            CREATE TABLE face(image_id TEXT, face_no INT, x, y, w, h, points BLOB, score, quality, detector, embedder,
                              PRIMARY KEY(image_id, face_no));
            CREATE TABLE vector(image_id TEXT, face_no INT, vector BLOB, PRIMARY KEY(image_id, face_no));
            CREATE TABLE label(persona TEXT, image_id TEXT, face_no INT, belongs INT,
                               PRIMARY KEY(persona, image_id, face_no));
            CREATE TABLE ranked(rank INTEGER PRIMARY KEY, image_id TEXT, face_no INT, probability REAL);
            """
        )

    @staticmethod
    def rows_of(batch: Sequence[Any]) -> dict[str, list[tuple[Any, ...]]]:
        rows: dict[str, list[tuple[Any, ...]]] = {"image": [], "path": [], "face": [], "vector": []}
        for item in batch:
            image = item.image
            at = image.ingested_at.isoformat()
            rows["image"].append(
                (image.image_id, image.width, image.height, image.format, image.n_bytes, "faces", image.n_faces,
                 image.detector, at)
            )  # fmt: skip
            rows["path"] += [(p.source, p.path, p.path, p.image_id, p.size, p.mtime_ns) for p in item.paths]
            for number, face in enumerate(item.faces):
                points = np.array(face.landmarks).tobytes()
                rows["face"].append(
                    (image.image_id, number, *face.box, points, face.score, face.quality, DETECTOR, EMBEDDER)
                )
                rows["vector"].append((image.image_id, number, face.embedding.tobytes()))
        return rows

    def save(self, rows: dict[str, list[tuple[Any, ...]]]) -> None:
        self.database.execute("BEGIN IMMEDIATE")
        for table, values in rows.items():
            places = ",".join("?" * len(values[0]))
            self.database.executemany(f"INSERT INTO {table} VALUES({places})", values)
        self.database.execute("COMMIT")

    def read_faces(self) -> None:
        self.database.execute("SELECT * FROM face ORDER BY image_id, face_no").fetchall()

    def read_vectors(self) -> None:
        for (vector,) in self.database.execute("SELECT vector FROM vector"):
            np.frombuffer(vector, np.float32)

    def label(self, persona: str, keys: Sequence[Any]) -> None:
        self.save({"label": [(persona, key.image_id, key.face_no, 1) for key in keys]})

    def put_ranked(self, ranked: Sequence[Any]) -> None:
        self.save({"ranked": [(n, one.key.image_id, one.key.face_no, one.probability) for n, one in enumerate(ranked)]})

    def read_page(self, number: int) -> None:
        self.database.execute(
            "SELECT * FROM ranked JOIN face USING(image_id, face_no) WHERE rank >= ? ORDER BY rank LIMIT ?",
            (number * PAGE, PAGE),
        ).fetchall()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
