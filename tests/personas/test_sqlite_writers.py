"""Several processes write one SQLite file at once, as the web, ingest and trainer processes of one machine do."""

from __future__ import annotations

import subprocess
import sys

from personas.entities import INGEST, LABELS
from personas.store.sql.adapter import SqlStore
from tests import factories as make
from tests.conftest import REPOSITORY
from tests.personas.sqlite_writer import PICTURES, ROUNDS, SHARED

WRITERS = 4


def test_four_processes_write_at_once_without_a_lock_error_or_a_gap(child_environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "tests.personas.sqlite_writer"]
    writers = [
        subprocess.Popen(
            [*command, str(number)], env=child_environment, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True
        )
        for number in range(WRITERS)
    ]
    errors = [writer.communicate(timeout=120)[1] for writer in writers]

    assert [writer.returncode for writer in writers] == [0] * WRITERS, "\n".join(errors)
    assert not any("locked" in error for error in errors)
    store = SqlStore(n_buckets=64)
    for stream in (LABELS, INGEST):
        events = store.events(stream, after=0, limit=10_000)
        assert [event.seq for event in events] == list(range(1, WRITERS * ROUNDS + 1))
    pictures = ROUNDS * (SHARED + WRITERS * (PICTURES - SHARED))
    assert store.count_images() == {"faces": pictures, "no_face": 0, "deleted": 0, "faces_total": 2 * pictures}
    blocks = store.embedding_blocks(after_seq=0, through_seq=10**6, embedder=make.EMBEDDER)
    keys = [key for block in blocks for key in block.keys]
    assert len(keys) == len(set(keys)) == 2 * pictures
    labels = list(store.all_labels())
    assert len(labels) == ROUNDS * (2 * SHARED + WRITERS * 3)
    assert len({label.key for label in labels}) == len(labels)
    assert store.cursor("follower") == ROUNDS - 1
