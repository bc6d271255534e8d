"""Erasing pictures for good: the claim of each is taken first, so nobody who saves it meanwhile leaves anything.

What follows is stamped with the claim's revision and thereby undoes what an earlier, slow writer may still write. The
claims name the command, so a kill at any moment leaves what the same call finishes; the event comes last, so whoever
has read a vector hears of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from personas.entities import INGEST, NewEvent
from personas.errors import TransientError
from personas.face_arrays import FaceKeys, RankedFaces
from personas.store.base import PICTURES_ERASED
from personas.store.cassandra import statements as cql
from personas.store.cassandra.base import SPACE
from personas.store.cassandra.claims import CLAIM_SECONDS, Standing, erased_state
from personas.store.cassandra.failures import UncertainError
from personas.store.cassandra.log import Tally, chunk_of
from personas.store.cassandra.paths import last_part
from personas.store.cassandra.pictures import CassandraPictures
from personas.store.cassandra.ranked import FRESH_KIND, CassandraRanked, fresh_row
from personas.store.cassandra.session import CqlRow, Write
from personas.store.cassandra.values import to_blob, to_micros
from personas.store.packing import block_without, first_words, ranked_without, unpack_keys

#: Tables that a picture leaves, by its bucket.
_STAMPED_DROPS = (cql.DROP_FACES, cql.DROP_EMBEDDINGS)
#: Versions looked at for fresh rows at a time.
VERSIONS_AT_ONCE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class _Erased:
    """A picture whose claim says that it is erased by this command."""

    revision: int
    counted: int | None  #: faces the log's tallies count for it; None: it is not counted


class CassandraErasing(CassandraPictures, CassandraRanked):
    """Part of PictureStore."""

    def erase_images(self, image_ids: Collection[str], *, actor: str, at: datetime, command_id: str) -> None:
        claimed = self._claim_erased(sorted(set(image_ids)), command_id)
        self._shrink_blocks(image_ids)
        self._shrink_fresh(image_ids)
        self._session.run_batches(self._row_drops(claimed, _STAMPED_DROPS))
        self._drop_paths(image_ids)
        self._session.run_many(cql.DROP_TRUTHS, [self._place(image_id) for image_id in image_ids])
        self._session.run_batches(self._row_drops(claimed, (cql.DROP_IMAGE,)))
        if claimed and not self._has_event(command_id):
            payload = {"images": sorted(claimed)}
            event = NewEvent(kind=PICTURES_ERASED, actor=actor, at=at, command_id=command_id, payload=payload)
            tally = _tally(claimed)
            self._append(INGEST, lambda _: event, last=self.head(INGEST), tally=tally, claimant=command_id)

    def _place(self, image_id: str) -> dict[str, Any]:
        return {"bucket": self._bucket(image_id), "image_id": image_id}

    # ---- claims ------------------------------------------------------------------------------------------------------

    def _claim_erased(self, image_ids: Sequence[str], command_id: str) -> dict[str, _Erased]:
        """Those of these pictures that this command erases; others never were here, or an earlier command erased them.

        Raises TransientError while somebody is saving one of them.
        """
        found: dict[str, _Erased] = {}
        for image_id, standing in self._standing(image_ids, claimed_too=True).items():
            if standing.picture is None:
                if standing.claimant == command_id:
                    found[image_id] = _Erased(revision=standing.revision, counted=standing.erased_count)
                continue
            if standing.is_being_saved:
                raise TransientError(
                    f"Another process is saving a picture that is to be erased; try again in {CLAIM_SECONDS:.0f} s."
                )
            found[image_id] = self._take(image_id, standing, command_id)
        return found

    def _take(self, image_id: str, standing: Standing, command_id: str) -> _Erased:
        counted = standing.counted
        if standing.picture is not None and not standing.announced and self._has_event(standing.claimant):
            counted = standing.picture.image.n_faces  # whoever saved it was killed between its event and its row
        erased = _Erased(revision=standing.revision + 1, counted=counted)
        try:
            in_the_way = self._session.compare_and_set(
                cql.NEXT_CLAIM,
                image_id=image_id,
                revision=erased.revision,
                claimed_at=to_micros(datetime.now(UTC)),
                claimant=command_id,
                picture=to_blob(erased_state(erased.counted)),
                expected=standing.revision,
            )
        except UncertainError:
            row = self._session.row(cql.CLAIM, serial=True, image_id=image_id)
            in_the_way = None if row is not None and row.claimant == command_id else row
        if in_the_way is not None:
            raise TransientError("Another process saved a picture that is to be erased meanwhile; try again.")
        return erased

    # ---- rows --------------------------------------------------------------------------------------------------------

    def _row_drops(self, claimed: Mapping[str, _Erased], drops: Sequence[cql.Statement]) -> Iterator[Write]:
        for image_id, erased in claimed.items():
            place = self._place(image_id)
            for statement in drops:
                yield Write(place["bucket"], statement, {**place, "stamp": erased.revision})

    def _drop_paths(self, image_ids: Collection[str]) -> None:
        """What points from the picture to its paths goes last: a repeat finds what is left by it."""
        pointers = list(self._of_images(cql.PATHS_OF, image_ids))
        known = {(path.source, path.path): path for path in self._paths_at((row.source, row.path) for row in pointers)}
        erased = set(image_ids)
        gone = [
            {"source": row.source, "path": row.path}
            for row in pointers
            if (path := known.get((row.source, row.path))) is None or path.image_id in erased
        ]
        self._session.run_many(cql.DROP_PATH, gone)
        self._session.run_many(cql.DROP_PATH_BY_NAME, [{**one, "name": last_part(one["path"])} for one in gone])
        self._session.run_many(cql.DROP_PATHS_BY_IMAGE, [self._place(image_id) for image_id in image_ids])

    # ---- packed faces ------------------------------------------------------------------------------------------------

    def _shrink_blocks(self, image_ids: Collection[str]) -> None:
        """Compare-and-set on what a block holds, so that two who shrink one block lose nothing."""
        wanted, head = first_words(image_ids), self.head(INGEST)
        for chunk in range(chunk_of(head) + 1) if head else ():
            for row in self._session.rows(cql.BLOCK_KEYS, chunk=chunk):
                if row.n_faces and np.isin(unpack_keys(row.face_keys).words(), wanted).any():
                    self._shrink_block(chunk, row, image_ids)

    def _shrink_block(self, chunk: int, found: CqlRow, image_ids: Collection[str]) -> None:
        place = {"chunk": chunk, "seq": found.seq, "event_id": found.event_id}
        place |= {"embedder": found.embedder, "part": found.part}
        while True:
            row = self._session.row(cql.BLOCK, serial=True, **place)
            left = block_without(row.face_keys, row.vectors, image_ids) if row is not None and row.n_faces else None
            if row is None or left is None:
                return
            shrunk = {"n_faces": left.n_faces, "face_keys": left.keys, "vectors": left.vectors}
            try:
                self._session.compare_and_set(cql.SHRINK_BLOCK, **place, **shrunk, expected=row.n_faces)
            except UncertainError:
                continue  # the next look tells

    def _shrink_fresh(self, image_ids: Collection[str]) -> None:
        """Of every version that has fresh rows; what is left of a row is written before the row goes."""
        before = 2**31 - 1
        while versions := self._session.rows(cql.VERSIONS, space=SPACE, before=before, rows=VERSIONS_AT_ONCE):
            for version in (row.version for row in versions):
                tallies = self._session.rows(cql.PAGE_TALLIES, version=version)
                for persona_id in (row.persona_id for row in tallies if row.kind == FRESH_KIND):
                    self._shrink_fresh_of(version, persona_id, image_ids)
            before = versions[-1].version

    def _shrink_fresh_of(self, version: int, persona_id: str, image_ids: Collection[str]) -> None:
        of_persona: dict[str, Any] = {"persona_id": persona_id, "version": version}
        for row in self._session.rows(cql.FRESH_ROWS, **of_persona):
            ranked = RankedFaces(FaceKeys.from_bytes(row.face_keys), np.frombuffer(row.probabilities, "<f8"))
            left = ranked_without(ranked, image_ids)
            if left is None:
                continue
            if len(left):
                shrunk = {**fresh_row(version, persona_id, left), "written_at": row.written_at}
                self._session.run(cql.PUT_FRESH, **shrunk)
            self._session.run(cql.DROP_FRESH_ROW, **of_persona, digest=row.digest)


def _tally(claimed: Mapping[str, _Erased]) -> Tally:
    """By how much the pictures and faces that the log counts become fewer."""
    counted = [one.counted for one in claimed.values() if one.counted is not None]
    return -sum(1 for n in counted if n), -sum(1 for n in counted if not n), -sum(counted)
