"""Which faces a picture has, decided by compare-and-set, so that two processes may save the same picture at once.

A claim holds the whole picture as merged (without embeddings) and a revision. Who wins it writes its faces, announces
the picture in the ingest log, and then writes the image row with that revision: a picture that is seen is in the log. A
claim whose revision no image row has is being worked on, or was cut short: after a while the next one to save that
picture takes over, keeps the numbers its faces were given, and brings their embeddings anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np

from personas.entities import INGEST, Box, ExtractedImage, Face, Image, ImageStatus
from personas.errors import TransientError
from personas.matching import match_boxes
from personas.store.cassandra import statements as cql
from personas.store.cassandra.failures import UncertainError
from personas.store.cassandra.log import Tally, chunk_of
from personas.store.cassandra.projecting import CassandraProjecting
from personas.store.cassandra.session import CqlRow, Write
from personas.store.cassandra.values import from_blob, from_micros, to_blob, to_micros
from personas.store.merging import KnownPicture, merge

#: Seconds after which a claim nobody announced is taken to be a dead process's.
CLAIM_SECONDS = 10.0
#: Seconds to wait for pictures that others are saving.
PATIENCE_SECONDS = 60.0
#: Pictures remembered as not there; when they are more, all are forgotten: they are looked for again, that is all.
MISSED_KEPT = 10_000
#: The only key in the claim of an erased picture.
_ERASED = "erased"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Claimed:
    """A picture this process may write."""

    picture: KnownPicture
    revision: int
    counted: int | None  #: faces the log's tallies count for it so far; None: the picture itself is not counted

    @property
    def tally(self) -> Tally:
        n_faces = self.picture.image.n_faces
        before = (0, 0) if self.counted is None else (1, 0) if self.counted else (0, 1)
        after = (1, 0) if n_faces else (0, 1)
        return after[0] - before[0], after[1] - before[1], n_faces - (self.counted or 0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Standing:
    """A picture as the cluster has it."""

    picture: KnownPicture | None  #: None: it was erased
    revision: int
    claimed_at: datetime
    claimant: str
    announced: bool
    counted: int | None
    erased_count: int | None = None  #: `counted`, as it was before the picture was erased

    @property
    def is_new(self) -> bool:
        """No event says yet that there is this picture."""
        return self.counted is None

    @property
    def is_being_saved(self) -> bool:
        """Somebody claimed it a moment ago and has not announced it yet."""
        return not self.announced and _age(self.claimed_at) < CLAIM_SECONDS


class CassandraClaims(CassandraProjecting):
    """Part of PictureStore."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._missed: set[str] = set()

    def _looked_in_vain(self, image_ids: Iterable[str]) -> None:
        """These pictures were not there a moment ago: whoever asks for them is about to save them."""
        if len(self._missed) > MISSED_KEPT:
            self._missed.clear()
        self._missed.update(image_ids)

    def _claim(
        self, batch: Sequence[ExtractedImage], claimant: str
    ) -> tuple[dict[str, KnownPicture], dict[str, Claimed]]:
        """Every picture of the batch as it now is, and those this process is to write."""
        wanted: dict[str, list[ExtractedImage]] = {}
        for item in batch:
            wanted.setdefault(item.image.image_id, []).append(item)
        done: dict[str, KnownPicture] = {}
        claimed: dict[str, Claimed] = {}
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        looked = False
        while waiting := [image_id for image_id in wanted if image_id not in done]:
            standing = self._standing(waiting, claimed_too=looked)
            looked = True
            # After the look: who erases a picture says so and then takes its claim, so that a claim from here fails.
            for image_id in self.erased_among(waiting):
                del wanted[image_id]
            waiting = [image_id for image_id in waiting if image_id in wanted]
            merged = {}
            has_event = cache(self._has_event)  # a batch that was cut short is looked for once
            for image_id in waiting:
                picture = self._merged(wanted[image_id], standing.get(image_id), has_event)
                if picture is None:
                    continue
                if picture.changed:
                    merged[image_id] = picture
                else:
                    done[image_id] = picture
            for image_id in self._set_claims(merged, standing, claimant):
                done[image_id] = picture = merged[image_id]
                stood = standing.get(image_id)
                claimed[image_id] = Claimed(
                    picture=picture,
                    revision=stood.revision + 1 if stood else 1,
                    counted=stood.counted if stood else None,
                )
            if len(done) < len(wanted):
                if time.monotonic() > give_up_at:
                    raise TransientError("Another process has not finished saving the same pictures; try again.")
                time.sleep(0.02)
        return done, claimed

    def _merged(
        self, extracted: Sequence[ExtractedImage], standing: Standing | None, has_event: Callable[[str], bool]
    ) -> KnownPicture | None:
        """A picture as it should be; None: not to be touched now, to be looked at again."""
        cut_short = standing is not None and not standing.announced
        if standing is not None and standing.picture is not None and cut_short:
            if standing.is_being_saved:
                return None
            if has_event(standing.claimant):
                image_id = extracted[0].image.image_id
                self._session.run(cql.PUT_IMAGE, **self._announcement(image_id, standing.revision, standing.picture))
                return None
        picture = standing.picture if standing else None
        for item in extracted:
            merged = merge(picture, item)
            picture = _with_vectors(merged, item) if cut_short else merged
        assert picture is not None
        if standing is not None:
            picture = replace(picture, is_new=standing.is_new, changed=picture.changed or cut_short)
        return picture

    def _set_claims(
        self, pictures: Mapping[str, KnownPicture], standing: Mapping[str, Standing], claimant: str
    ) -> Iterator[str]:
        """Claims all of them at the same time; returns those that this process got."""
        claimed_at = to_micros(datetime.now(UTC))
        revisions = {}
        transactions = []
        for image_id, picture in pictures.items():
            stood = standing.get(image_id)
            revisions[image_id] = revision = stood.revision + 1 if stood else 1
            state: dict[str, Any] = {
                "image_id": image_id,
                "revision": revision,
                "claimed_at": claimed_at,
                "claimant": claimant,
                "picture": to_blob(_to_state(picture)),
            }
            if stood:
                state["expected"] = stood.revision
            transactions.append((cql.NEXT_CLAIM if stood else cql.FIRST_CLAIM, state))
        for (image_id, revision), standing_in_the_way in zip(
            revisions.items(), self._session.compare_and_set_many(transactions), strict=True
        ):
            if isinstance(standing_in_the_way, UncertainError):
                row = self._session.row(cql.CLAIM, serial=True, image_id=image_id)
                if row is not None and (row.claimant, row.revision) == (claimant, revision):
                    yield image_id
            elif standing_in_the_way is None:
                yield image_id

    def _standing(self, image_ids: Sequence[str], *, claimed_too: bool) -> dict[str, Standing]:
        """Pictures that were announced; claimed_too: and those that somebody is at. A picture that nobody has announced
        is most likely new, and trying to claim it tells as much as looking whether somebody did; nor is one looked for
        that was not there when it was asked for."""
        looked_for = image_ids if claimed_too else [each for each in image_ids if each not in self._missed]
        self._missed.difference_update(image_ids)
        announced = {row.image_id: row for row in self._of_images(cql.ANNOUNCED, looked_for)}
        asked = [image_id for image_id in image_ids if claimed_too or image_id in announced]
        claims = self._session.rows_many(cql.CLAIM, [{"image_id": image_id} for image_id in asked])
        found = {}
        for image_id, rows in zip(asked, claims, strict=True):
            if rows:
                found[image_id] = _to_standing(rows[0], announced.get(image_id))
        return found

    def _still_claimed(self, claimed: Mapping[str, Claimed], claimant: str) -> None:
        """Raises TransientError when somebody took these pictures over because this process was slow: announcing them
        twice would count them twice."""
        params = [{"image_id": image_id} for image_id in claimed]
        if any(not rows or rows[0].claimant != claimant for rows in self._session.rows_many(cql.CLAIM, params)):
            raise TransientError("Another process took over what this one was slow to save; save the batch again.")

    def _announce(self, claimed: Mapping[str, Claimed]) -> None:
        """The last thing done to pictures: they are seen."""
        self._session.run_batches(
            Write(self._bucket(image_id), cql.PUT_IMAGE, self._announcement(image_id, one.revision, one.picture))
            for image_id, one in claimed.items()
        )

    def _announcement(self, image_id: str, revision: int, picture: KnownPicture) -> dict[str, Any]:
        """The image row of a picture whose event is in the log."""
        image = picture.image
        return {
            "bucket": self._bucket(image_id),
            "image_id": image_id,
            "width": image.width,
            "height": image.height,
            "format": image.format,
            "n_bytes": image.n_bytes,
            "status": image.status.value,
            "n_faces": image.n_faces,
            "detector": image.detector,
            "embedder": picture.embedder,
            "ingested_at": to_micros(image.ingested_at),
            "announced": revision,
            "counted": image.n_faces,
            "stamp": revision,
        }

    def _has_event(self, claimant: str) -> bool:
        """Whether the batch of a claim got as far as its event. Rare, so it may look through the log, newest first."""
        chunks = range(chunk_of(max(self.head(INGEST), 1)), -1, -1)
        return any(
            row.claimant == claimant
            for chunk in chunks
            for row in self._session.rows(cql.CLAIMANTS, stream=INGEST, chunk=chunk)
        )


def _age(at: datetime) -> float:
    return (datetime.now(UTC) - at).total_seconds()


def _with_vectors(picture: KnownPicture, extracted: ExtractedImage) -> KnownPicture:
    """Faces whose embeddings may never have been written get those of this extraction."""
    embeddings = dict(picture.embeddings)
    numbers = match_boxes([face.box for face in picture.faces], [found.box for found in extracted.faces])
    for found, number in zip(extracted.faces, numbers, strict=True):
        if number is not None and picture.faces[number].embedder == extracted.embedder:
            embeddings.setdefault(number, found.embedding)
    return replace(picture, embeddings=embeddings, changed=True)


def _to_standing(row: CqlRow, announced: CqlRow | None) -> Standing:
    state, claimed = from_blob(row.picture), {"revision": row.revision, "claimant": row.claimant}
    if _ERASED in state:  # whatever an earlier, slow writer announces
        at, count = from_micros(row.claimed_at), state[_ERASED]
        return Standing(picture=None, claimed_at=at, announced=True, counted=None, erased_count=count, **claimed)
    image, embedder, faces = _from_state(state)
    return Standing(
        picture=KnownPicture(image=image, embedder=embedder, faces=faces),
        claimed_at=from_micros(row.claimed_at),
        **claimed,
        announced=announced is not None and (announced.announced or 0) >= row.revision,
        counted=announced.counted if announced is not None else None,
    )


def erased_state(counted: int | None) -> dict[str, Any]:
    """What a claim holds of an erased picture: how many faces the log counted for it (None: it was not counted)."""
    return {_ERASED: counted}


def _to_state(picture: KnownPicture) -> dict[str, Any]:
    image = picture.image
    return {
        "image": [
            image.image_id,
            image.width,
            image.height,
            image.format,
            image.n_bytes,
            image.status.value,
            image.n_faces,
            image.detector,
            to_micros(image.ingested_at),
        ],
        "embedder": picture.embedder,
        "faces": [
            [
                *face.box,
                np.asarray(face.landmarks).ravel().tolist(),
                face.score,
                face.quality,
                face.detector,
                face.embedder,
            ]
            for face in picture.faces
        ],
    }


def _from_state(state: Mapping[str, Any]) -> tuple[Image, str, tuple[Face, ...]]:
    image_id, width, height, image_format, n_bytes, status, n_faces, detector, ingested_at = state["image"]
    image = Image(
        image_id=image_id,
        width=width,
        height=height,
        format=image_format,
        n_bytes=n_bytes,
        status=ImageStatus(status),
        n_faces=n_faces,
        detector=detector,
        ingested_at=from_micros(ingested_at),
    )
    faces = tuple(
        Face(
            image_id=image_id,
            face_no=face_no,
            box=Box(*values[:4]),
            landmarks=tuple(zip(values[4][::2], values[4][1::2], strict=True)),
            score=values[5],
            quality=values[6],
            detector=values[7],
            embedder=values[8],
        )
        for face_no, values in enumerate(state["faces"])
    )
    return image, state["embedder"], faces
