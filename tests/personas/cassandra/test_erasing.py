"""Erasing on Cassandra takes many statements: killed before any of them, the same call finishes the rest."""

from __future__ import annotations

import time
from typing import Any

import pytest

from personas.entities import INGEST, Truth
from personas.store.cassandra.adapter import CassandraStore
from tests import factories as make

#: What the adapter writes with.
WRITES = ("run", "run_many", "run_batches", "compare_and_set")


class Killed(Exception):  # noqa: N818 - what happens to the process
    """The process ends here."""


def kill_before(store: CassandraStore, number: int, patched: pytest.MonkeyPatch) -> None:
    """The process ends before its n-th write."""
    left = [number]

    def dying(method: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            left[0] -= 1
            if not left[0]:
                raise Killed
            return method(*args, **kwargs)

        return call

    for name in WRITES:
        patched.setattr(store._session, name, dying(getattr(store._session, name)))


def test_killed_before_any_statement_the_same_call_finishes(
    cassandra_store: CassandraStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = cassandra_store
    version = store.add_model_version(make.model_version()).version
    make.save(store, make.extracted("kept", faces=2))
    n_kills = 0
    for number in range(1, 40):
        name, command = f"picture {number}", make.command_id(number)
        gone, faces = make.image_id(name), [make.key(name, face_no) for face_no in (0, 1)]
        make.save(store, make.extracted(name, faces=2), make.extracted(f"kept {number}", faces=0))
        store.put_truths([Truth(image_id=gone, face_no=0, persona="Ann", category="")])
        rows = [make.ranked(name, 0.9, face_no) for face_no in (0, 1)]
        store.add_fresh(version, {"ann": rows}, scored_through=store.head(INGEST))
        begun = {"actor": "tester", "at": make.NOW, "command_id": command}
        make.announce_erasure(store, gone, command=command)
        head = store.head(INGEST)
        try:
            with monkeypatch.context() as patched:
                kill_before(store, number, patched)
                store.erase_images([gone], **begun)
        except Killed:
            n_kills += 1
        store.erase_images([gone], **begun)
        assert store.head(INGEST) == head + 1, number
        assert store.images_by_id([gone]) == {} and store.faces_of([gone]) == {}, number
        assert store.embeddings_of(faces) == {} and store.paths_of([gone]) == {}, number
        assert list(store.truths()) == [] and store.fresh(version, "ann") == (), number
        assert store.find_paths(f"{name}.jpg") == (), number
        blocks = store.embedding_blocks(after_seq=0, through_seq=store.head(INGEST), embedder=make.EMBEDDER)
        assert {key.image_id for block in blocks for key in block.keys} == {make.image_id("kept")}, number
        counted = store.count_images()
        assert (counted["faces"], counted["no_face"], counted["faces_total"]) == (1, number, 2), number
        if n_kills < number:  # it was done before its end came
            break
    assert n_kills >= 8


def test_a_client_whose_clock_is_ahead_leaves_nothing_behind(
    cassandra_store: CassandraStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transaction's timestamp is the server's; a plain write stamped by a clock ahead of it would stand above it."""
    store = cassandra_store
    driver, ahead = store._session.driver, 3600 * 10**6
    with monkeypatch.context() as patched:
        patched.setattr(driver.cluster, "timestamp_generator", lambda: int(time.time() * 1e6) + ahead)
        make.save(store, make.extracted("gone", faces=2), make.extracted("kept", faces=1))
    begun = {"actor": "tester", "at": make.NOW, "command_id": make.command_id(1)}
    make.announce_erasure(store, make.image_id("gone"), command=make.command_id(1))
    store.erase_images([make.image_id("gone")], **begun)
    blocks = store.embedding_blocks(after_seq=0, through_seq=store.head(INGEST), embedder=make.EMBEDDER)
    assert [key.image_id for block in blocks for key in block.keys] == [make.image_id("kept")]
    assert store.faces_of([make.image_id("gone")]) == {}
    assert store.embeddings_of([make.key("gone", 0), make.key("gone", 1)]) == {}
