"""Personas and labels, projected from events; and ground truth beside them.

`label` lists a persona's faces in sixteen parts by the first hex digit of the picture, `label_by_image` says what is
said of a face, `label_tally` counts each part. Within a verdict `label_by_image` is written last: it tells whose the
faces were before, so doing the verdict again finds everything that still has to be moved.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from typing import Any, assert_never

from personas.entities import FaceKey, Label, Persona, Slice, Truth, Verdict
from personas.projection import (
    AllowImages,
    Change,
    ChooseCover,
    DeleteImages,
    EraseImages,
    ForgetImages,
    HidePersona,
    PutPersona,
    RemovePersona,
    RenamePersona,
    Said,
    SetVerdict,
    as_said,
    label_written,
)
from personas.store.cassandra import statements as cql
from personas.store.cassandra.base import SPACE, as_slice
from personas.store.cassandra.leases import Hold
from personas.store.cassandra.projecting import CassandraProjecting
from personas.store.cassandra.session import CqlRow, Write
from personas.store.cassandra.values import chunks, from_micros, parse_key, to_micros
from personas.store.inheriting import inherited

#: Parts of a persona's labels: the first hex digit of the picture, so parts in order are faces in order.
PARTS = 16
#: Where a list of faces begins.
BEFORE_ALL = FaceKey("", -1)


def part_of(image_id: str) -> int:
    return int(image_id[0], PARTS)


def named(name: str) -> str:
    """A name as a partition key, which may not be empty."""
    return f"={name}"


def to_label(row: CqlRow, persona_id: str, *, belongs: bool) -> Label:
    return Label(
        persona_id=persona_id,
        image_id=row.image_id,
        face_no=row.face_no,
        belongs=belongs,
        actor=row.actor,
        at=from_micros(row.at),
        seq=row.seq,
    )


def to_persona(row: CqlRow) -> Persona:
    return Persona(
        persona_id=row.persona_id,
        name=row.name,
        created_at=from_micros(row.created_at),
        cover=FaceKey(row.cover_image_id, row.cover_face_no) if row.cover_image_id else None,
        hidden=bool(row.hidden),
    )


class CassandraLabels(CassandraProjecting):
    """LabelStore."""

    # ---- projecting --------------------------------------------------------------------------------------------------

    def _apply(self, change: Change, seq: int, hold: Hold) -> None:
        match change:
            case PutPersona(persona=persona):
                if persona.persona_id not in self.personas_by_id([persona.persona_id]):
                    self._put_persona(persona, seq)
                self._session.run(cql.DROP_GONE_PERSONA, persona_id=persona.persona_id, stamp=seq)
            case RenamePersona(persona_id=persona_id, name=name):
                if self.personas_by_id([persona_id]):  # an UPDATE would make the row
                    self._session.run(cql.PUT_PERSONA_NAME, name=named(name), persona_id=persona_id)
                    self._session.run(cql.NAME_PERSONA, space=SPACE, persona_id=persona_id, name=name, stamp=seq)
            case ChooseCover(persona_id=persona_id, cover=cover):
                if self.personas_by_id([persona_id]):
                    self._put_cover(persona_id, cover, seq)
            case HidePersona(persona_id=persona_id, hidden=hidden):
                if self.personas_by_id([persona_id]):
                    self._session.run(cql.HIDE_PERSONA, space=SPACE, persona_id=persona_id, hidden=hidden, stamp=seq)
            case RemovePersona(persona_id=persona_id, heir=heir):
                self._session.run(cql.PUT_GONE_PERSONA, persona_id=persona_id, heir=heir, stamp=seq)
                self._session.run(cql.DROP_PERSONA, space=SPACE, persona_id=persona_id, stamp=seq)
            case DeleteImages():
                self._delete_images(change, seq)
            case EraseImages() | AllowImages():
                self._erase_or_allow(change, seq)
            case ForgetImages(image_ids=image_ids):
                self._forget_images(image_ids, seq, hold)
            case SetVerdict():
                for verdict in inherited(change, heir_of=self.heir_of, said_of=self._said_of):
                    self._set_verdict(verdict, hold)
            case _:
                assert_never(change)

    def _put_persona(self, persona: Persona, seq: int) -> None:
        self._session.run(cql.PUT_PERSONA_NAME, name=named(persona.name), persona_id=persona.persona_id)
        image_id, face_no = persona.cover or ("", 0)
        self._session.run(
            cql.PUT_PERSONA,  # the whole row at once: doing it again after a kill finds a row, and leaves it
            space=SPACE,
            persona_id=persona.persona_id,
            name=persona.name,
            created_at=to_micros(persona.created_at),
            hidden=persona.hidden,
            cover_image_id=image_id,
            cover_face_no=face_no,
            stamp=seq,
        )

    def _put_cover(self, persona_id: str, cover: FaceKey | None, seq: int) -> None:
        image_id, face_no = cover or ("", 0)
        shown = {"persona_id": persona_id, "cover_image_id": image_id, "cover_face_no": face_no}
        self._session.run(cql.COVER_PERSONA, space=SPACE, stamp=seq, **shown)

    def _forget_images(self, image_ids: Collection[str], seq: int, hold: Hold) -> None:
        """As in a verdict, `label_by_image` goes last."""
        said = list(self._of_images(cql.SAID_OF, image_ids))
        self._session.run_batches(map(partial(_label_drop, seq=seq), said), before=hold.check)
        self._count_parts({(row.persona_id, part_of(row.image_id)) for row in said}, seq, hold)
        self._session.run_batches((self._said_drop(row, seq) for row in said), before=hold.check)
        self._drop_marks(image_ids, seq)

    def heir_of(self, persona_id: str) -> str | None:
        row = self._session.row(cql.HEIR_OF, persona_id=persona_id)
        return None if row is None else str(row.heir)

    def _said_of(self, faces: Sequence[FaceKey]) -> Said:
        return as_said(self.labels_of_images({key.image_id for key in faces}))

    def _set_verdict(self, change: SetVerdict, hold: Hold) -> None:
        faces = list(dict.fromkeys(change.faces))
        wanted = set(faces)
        before = [
            row
            for row in self._of_images(cql.SAID_OF, {key.image_id for key in faces})
            if FaceKey(row.image_id, row.face_no) in wanted and _is_replaced(row, change)
        ]
        belongs = label_written(change.verdict)
        said = {
            "actor": change.actor,
            "at": to_micros(change.at),
            "seq": change.seq,
            "belongs": belongs,
            "stamp": change.seq,
        }
        written = [] if belongs is None else faces
        parts = {(change.persona_id, part_of(key.image_id)) for key in faces}
        parts |= {(row.persona_id, part_of(row.image_id)) for row in before}
        self._session.run_batches(self._label_writes(change, before, written, said), before=hold.check)
        self._count_parts(parts, change.seq, hold)
        self._session.run_batches(self._said_writes(change, before, written, said), before=hold.check)

    def _label_writes(
        self, change: SetVerdict, before: Sequence[CqlRow], written: Sequence[FaceKey], said: dict[str, Any]
    ) -> Iterator[Write]:
        for row in before:
            if row.persona_id == change.persona_id and row.belongs == said["belongs"]:
                continue  # overwritten
            yield _label_drop(row, seq=change.seq)
        for key in written:
            part = part_of(key.image_id)
            face = {"persona_id": change.persona_id, "part": part, "image_id": key.image_id, "face_no": key.face_no}
            yield Write((change.persona_id, part), cql.PUT_LABEL, {**said, **face})

    def _said_writes(
        self, change: SetVerdict, before: Sequence[CqlRow], written: Sequence[FaceKey], said: dict[str, Any]
    ) -> Iterator[Write]:
        for row in before:
            if row.persona_id == change.persona_id and said["belongs"] is not None:
                continue  # overwritten
            yield self._said_drop(row, change.seq)
        for key in written:
            bucket = self._bucket(key.image_id)
            face = {"persona_id": change.persona_id, "image_id": key.image_id, "face_no": key.face_no}
            yield Write(bucket, cql.PUT_SAID, {"bucket": bucket, **said, **face})

    def _said_drop(self, row: CqlRow, seq: int) -> Write:
        bucket = self._bucket(row.image_id)
        face = {"image_id": row.image_id, "face_no": row.face_no, "persona_id": row.persona_id}
        return Write(bucket, cql.DROP_SAID, {"bucket": bucket, "stamp": seq, **face})

    def _count_parts(self, parts: Collection[tuple[str, int]], seq: int, hold: Hold) -> None:
        """Counted afresh, not added to: right however often it is done."""
        of_parts = [{"persona_id": persona_id, "part": part} for persona_id, part in sorted(parts)]
        tallies = []
        for of_part, rows in zip(of_parts, self._session.rows_many(cql.LABELLED_FACES, of_parts), strict=True):
            faces = [FaceKey(row.image_id, row.face_no) for row in rows if row.belongs]
            first = min(faces, default=FaceKey("", 0))
            counted = {"labelled": len(faces), "rejected": len(rows) - len(faces)}
            tallies.append(
                {**of_part, **counted, "first_image_id": first.image_id, "first_face_no": first.face_no, "stamp": seq}
            )
        self._session.run_many(cql.PUT_TALLY, tallies, before=hold.check)

    # ---- reading -----------------------------------------------------------------------------------------------------

    def personas(self, *, cursor: str | None = None, limit: int = 100) -> Slice[Persona]:
        rows = self._session.rows(cql.PERSONAS, space=SPACE, after=cursor or "", rows=limit + 1)
        return as_slice(rows, limit, to_persona, lambda row: str(row.persona_id))

    def personas_by_id(self, persona_ids: Collection[str]) -> dict[str, Persona]:
        params = [{"space": SPACE, "persona_ids": chunk} for chunk in chunks(persona_ids)]
        return {
            row.persona_id: to_persona(row)
            for rows in self._session.rows_many(cql.PERSONAS_BY_ID, params)
            for row in rows
        }

    def personas_named(self, name: str) -> tuple[Persona, ...]:
        ids = [row.persona_id for row in self._session.rows(cql.PERSONAS_NAMED, name=named(name))]
        found = self.personas_by_id(ids)  # some may have been renamed since
        return tuple(persona for _, persona in sorted(found.items()) if persona.name == name)

    def labels_of_persona(
        self, persona_id: str, *, belongs: bool, cursor: str | None = None, limit: int = 100
    ) -> Slice[Label]:
        after = BEFORE_ALL if cursor is None else parse_key(cursor)
        found: list[CqlRow] = []
        part, window = (0 if cursor is None else part_of(after.image_id)), 1
        while part < PARTS and len(found) <= limit:
            parts = range(part, min(part + window, PARTS))
            params = [
                {
                    "persona_id": persona_id,
                    "part": one,
                    "belongs": belongs,
                    "image_id": after.image_id,
                    "face_no": after.face_no,
                    "rows": limit + 1 - len(found),
                }
                for one in parts
            ]
            for rows in self._session.rows_many(cql.LABELS_OF_PERSONA, params):
                found.extend(rows)
            part, window = parts.stop, window * 4
        return as_slice(
            found,
            limit,
            lambda row: to_label(row, persona_id, belongs=belongs),
            lambda row: f"{row.image_id}:{row.face_no}",
        )

    def labels_of_images(self, image_ids: Collection[str]) -> dict[FaceKey, tuple[Label, ...]]:
        found: dict[FaceKey, list[Label]] = defaultdict(list)
        for row in self._of_images(cql.SAID_OF, image_ids):
            found[FaceKey(row.image_id, row.face_no)].append(to_label(row, row.persona_id, belongs=row.belongs))
        return {key: tuple(labels) for key, labels in found.items()}

    def all_labels(self) -> Iterator[Label]:
        for row in self._all_buckets(cql.SAID_IN):
            yield to_label(row, row.persona_id, belongs=row.belongs)

    def _tallies(self, persona_ids: Collection[str]) -> Iterator[CqlRow]:
        """In the order of parts within each persona."""
        params = [{"persona_id": persona_id} for persona_id in dict.fromkeys(persona_ids)]
        for rows in self._session.rows_many(cql.LABEL_TALLIES, params):
            yield from rows

    def label_counts(self, persona_ids: Collection[str]) -> dict[str, tuple[int, int]]:
        counts = dict.fromkeys(persona_ids, (0, 0))
        for row in self._tallies(persona_ids):
            labelled, rejected = counts[row.persona_id]
            counts[row.persona_id] = (labelled + row.labelled, rejected + row.rejected)
        return counts

    def first_labelled(self, persona_ids: Collection[str]) -> dict[str, FaceKey]:
        found: dict[str, FaceKey] = {}
        for row in self._tallies(persona_ids):
            if row.labelled:
                found.setdefault(row.persona_id, FaceKey(row.first_image_id, row.first_face_no))
        return found

    # ---- ground truth ------------------------------------------------------------------------------------------------

    def put_truths(self, truths: Sequence[Truth]) -> None:
        distinct = {(truth.image_id, truth.face_no): truth for truth in truths}
        self._session.run_batches(
            Write(
                (bucket := self._bucket(truth.image_id)),
                cql.PUT_TRUTH,
                {
                    "bucket": bucket,
                    "image_id": truth.image_id,
                    "face_no": truth.face_no,
                    "persona": truth.persona,
                    "category": truth.category,
                },
            )
            for truth in distinct.values()
        )

    def truths(self) -> Iterator[Truth]:
        for row in self._all_buckets(cql.TRUTHS):
            yield Truth(image_id=row.image_id, face_no=row.face_no, persona=row.persona, category=row.category)


def _label_drop(row: CqlRow, *, seq: int) -> Write:
    part = part_of(row.image_id)
    old = {"persona_id": row.persona_id, "part": part, "belongs": row.belongs, "stamp": seq}
    return Write((row.persona_id, part), cql.DROP_LABEL, {**old, "image_id": row.image_id, "face_no": row.face_no})


def _is_replaced(row: CqlRow, change: SetVerdict) -> bool:
    """Whether a verdict takes the place of what was said before."""
    return row.persona_id == change.persona_id or (change.verdict is Verdict.BELONGS and bool(row.belongs))
