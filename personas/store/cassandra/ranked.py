"""Predictions: ranked pages of a thousand faces, and packed rows of what was scored since.

A row of `fresh` is one call's faces of one persona. A face that two rows name has the probability of the later one.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from personas.entities import FaceKey, RankedFace, RankedKind
from personas.face_arrays import FaceKeys, RankedFaces
from personas.store.base import RANKED_PAGE_SIZE, rank_of
from personas.store.cassandra import statements as cql
from personas.store.cassandra.base import CassandraBase
from personas.store.cassandra.failures import UncertainError
from personas.store.cassandra.values import chunks
from personas.store.packing import RankedPage, first_of, pack_pages, pack_ranked

PREDICTED = RankedKind.PREDICTED
#: In `ranked_tally`, beside the kinds of pages: personas that have fresh rows.
FRESH_KIND = "fresh"
#: Faces of one row of `fresh`.
FRESH_ROW_FACES = 10_000


def sortable(key: FaceKey) -> str:
    return f"{key.image_id}:{key.face_no:010d}"


def page_rows(
    version: int, persona_id: str, kind: RankedKind, ranked: Sequence[RankedFace]
) -> Iterator[dict[str, Any]]:
    for page in pack_pages(kind, ranked):
        yield {
            "persona_id": persona_id,
            "version": version,
            "kind": kind.value,
            "page": page.page,
            "n_faces": page.n_faces,
            "last_rank": rank_of(kind, page.last.probability),
            "last_key": sortable(page.last.key),
            "face_keys": page.keys,
            "probabilities": page.probabilities,
        }


class CassandraRanked(CassandraBase):
    """Part of ModelStore."""

    def put_ranked(self, version: int, kind: RankedKind, ranked: Mapping[str, Sequence[RankedFace]]) -> None:
        """The tally tells how many pages there are, so it is raised before pages come and lowered after they went."""
        of_kind: dict[str, Any] = {"version": version, "kind": kind.value}
        params = [{**of_kind, "persona_ids": chunk} for chunk in chunks(ranked)]
        tallied = self._session.rows_many(cql.PAGE_TALLIES_OF, params)
        old = {row.persona_id: row.n_pages for rows in tallied for row in rows}
        tallies = []
        for persona_id, faces in ranked.items():
            n_pages = -(-len(faces) // RANKED_PAGE_SIZE)
            tallies.append({**of_kind, "persona_id": persona_id, "n_faces": len(faces), "n_pages": n_pages})
        raised = [{**one, "n_pages": max(one["n_pages"], old.get(one["persona_id"], 0))} for one in tallies]
        self._session.run_many(cql.PUT_PAGE_TALLY, raised)
        self._session.run_many(
            cql.PUT_PAGE,
            (row for persona_id, faces in ranked.items() for row in page_rows(version, persona_id, kind, faces)),
        )
        gone = [
            {**of_kind, "persona_id": one["persona_id"], "page": page}
            for one in tallies
            for page in range(one["n_pages"], old.get(one["persona_id"], 0))
        ]
        if gone:
            self._session.run_many(cql.DROP_PAGE, gone)
            self._session.run_many(cql.PUT_PAGE_TALLY, tallies)

    def ranked(
        self, version: int, persona_id: str, kind: RankedKind, *, after: RankedFace | None = None, limit: int = 100
    ) -> tuple[RankedFace, ...]:
        of_persona: dict[str, Any] = {"persona_id": persona_id, "version": version, "kind": kind.value}
        start = 0
        if after is not None:
            behind = (rank_of(kind, after.probability), sortable(after.key))
            ends = self._session.rows(cql.PAGE_ENDS, **of_persona)
            start = next((row.page for row in ends if (row.last_rank, row.last_key) > behind), -1)
            if start < 0:
                return ()
        found: list[RankedFace] = []
        n_pages = 1 + -(-limit // RANKED_PAGE_SIZE) if after is not None else -(-limit // RANKED_PAGE_SIZE)
        for row in self._session.rows(cql.PAGES, **of_persona, page=start, rows=max(n_pages, 1)):
            page = RankedPage(kind, row.face_keys, row.probabilities)
            found.extend(page.after(after, limit - len(found)))
            if len(found) >= limit:
                break
        return tuple(found)

    def ranked_of_each(
        self, version: int, persona_ids: Collection[str], kind: RankedKind, *, limit: int
    ) -> dict[str, tuple[RankedFace, ...]]:
        of_kind = {"version": version, "kind": kind.value, "page": 0, "rows": max(-(-limit // RANKED_PAGE_SIZE), 1)}
        found = {}
        for chunk in chunks(persona_ids):  # each a round trip or few, and whole pages in memory
            params = [{**of_kind, "persona_id": persona_id} for persona_id in chunk]
            for persona_id, rows in zip(chunk, self._session.rows_many(cql.PAGES, params), strict=True):
                pages = [RankedPage(kind, row.face_keys, row.probabilities) for row in rows]
                if first := first_of(pages, limit):
                    found[persona_id] = first
        return found

    def ranked_counts(self, version: int) -> dict[str, int]:
        rows = self._session.rows(cql.PAGE_TALLIES, version=version)
        counts = {row.persona_id: row.n_faces for row in rows if row.kind == PREDICTED.value and row.n_faces}
        with_fresh = [{"persona_id": row.persona_id, "version": version} for row in rows if row.kind == FRESH_KIND]
        for fresh in self._session.rows_many(cql.FRESH_KEYS, with_fresh):
            if fresh:
                n_faces = fresh[0].n_faces if len(fresh) == 1 else _distinct([row.face_keys for row in fresh])
                counts[fresh[0].persona_id] = counts.get(fresh[0].persona_id, 0) + n_faces
        return counts

    def drop_ranked(self, version: int) -> None:
        """The list of what there is goes last, so a drop that was cut short can be done again."""
        try:
            self._session.compare_and_set(cql.DROP_PUBLICATION, version=version)
        except UncertainError:
            self._session.compare_and_set(cql.DROP_PUBLICATION, version=version)
        rows = self._session.rows(cql.PAGE_TALLIES, version=version)
        partitions = [{"persona_id": persona_id, "version": version} for persona_id in {row.persona_id for row in rows}]
        self._session.run_many(cql.DROP_PAGES, partitions)
        self._session.run_many(cql.DROP_FRESH, partitions)
        self._session.run(cql.DROP_PAGE_TALLIES, version=version)

    # ---- scored since the version was published ----------------------------------------------------------------------

    def add_fresh(self, version: int, rows: Mapping[str, Sequence[RankedFace]], *, scored_through: int) -> None:
        packed = [
            row
            for persona_id, faces in rows.items()
            for distinct in (RankedFaces.of(faces).last_of_each(),)
            for start in range(0, len(distinct), FRESH_ROW_FACES)
            for row in (fresh_row(version, persona_id, distinct[start : start + FRESH_ROW_FACES]),)
        ]
        marks = [
            {"version": version, "kind": FRESH_KIND, "persona_id": persona_id, "n_faces": 0, "n_pages": 0}
            for persona_id in {row["persona_id"] for row in packed}
        ]
        self._session.run_many(cql.PUT_PAGE_TALLY, marks)
        self._session.run_many(cql.PUT_FRESH, packed)
        self._raise_mark(version, scored_through)

    def _raise_mark(self, version: int, through: int) -> None:
        raised = {"version": version, "fresh_through": through}
        for last_try in (False, True):
            try:
                if self._session.compare_and_set(cql.FIRST_PUBLICATION, **raised) is not None:
                    self._session.compare_and_set(cql.NEXT_PUBLICATION, **raised, below=through)
                return
            except UncertainError:
                if last_try:
                    raise

    def fresh(
        self, version: int, persona_id: str, *, after: RankedFace | None = None, limit: int = 100
    ) -> tuple[RankedFace, ...]:
        rows = self._session.rows(cql.FRESH, persona_id=persona_id, version=version)
        if not rows:
            return ()
        rows.sort(key=lambda row: int(row.written_at))
        faces = RankedFaces(
            FaceKeys.from_bytes(b"".join(row.face_keys for row in rows)),
            np.frombuffer(b"".join(row.probabilities for row in rows), "<f8"),
        )
        return RankedPage(PREDICTED, *pack_ranked(PREDICTED, faces.last_of_each())).after(after, limit)

    def fresh_through(self, version: int) -> int:
        row = self._session.row(cql.PUBLICATION, version=version)
        return int(row.fresh_through) if row else 0


def fresh_row(version: int, persona_id: str, faces: RankedFaces) -> dict[str, Any]:
    """The same faces make the same row, so a call that is repeated replaces what it wrote."""
    keys, probabilities = pack_ranked(PREDICTED, faces)
    digest = hashlib.sha256(np.sort(faces.face_keys.texts()).tobytes()).hexdigest()
    return {
        "persona_id": persona_id,
        "version": version,
        "digest": digest,
        "written_at": time.time_ns(),
        "n_faces": len(faces),
        "face_keys": keys,
        "probabilities": probabilities,
    }


def _distinct(packed: Sequence[bytes]) -> int:
    return len(np.unique(FaceKeys.from_bytes(b"".join(packed)).texts()))
