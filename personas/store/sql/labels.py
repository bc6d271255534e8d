"""Events, and the personas and labels projected from them, in SQL. Event and projection are one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import assert_never

from django.db.models import Count, Min, QuerySet

from personas.entities import LABELS, Event, FaceKey, Label, NewEvent, Persona, Slice, Truth, Verdict
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
    project,
)
from personas.store.inheriting import inherited
from personas.store.sql.connection import (
    after_face,
    as_slice,
    chunks,
    parse_key,
    to_event,
    translating,
)
from personas.store.sql.marks import SqlMarks
from personas.store.sql.models import EventRow, GonePersonaRow, LabelRow, PersonaRow, TruthRow

#: A label's row is written by hand because a click may label thousands of faces.
_DELETE_LABEL = "DELETE FROM store_label WHERE image_id = %s AND face_no = %s AND persona_id = %s"
_UPSERT_LABEL = (
    "INSERT INTO store_label (image_id, face_no, persona_id, belongs, actor, at, seq)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s)"
    " ON CONFLICT (image_id, face_no, persona_id) DO UPDATE"
    " SET belongs = excluded.belongs, actor = excluded.actor, at = excluded.at, seq = excluded.seq"
)
#: Rows read at once by what streams.
STREAM_ROWS = 5000


def to_label(row: LabelRow) -> Label:
    return Label(
        persona_id=row.persona_id,
        image_id=row.image_id,
        face_no=row.face_no,
        belongs=row.belongs,
        actor=row.actor,
        at=row.at,
        seq=row.seq,
    )


def to_persona(row: PersonaRow) -> Persona:
    return Persona(
        persona_id=row.persona_id,
        name=row.name,
        created_at=row.created_at,
        cover=FaceKey(row.cover_image_id, row.cover_face_no) if row.cover_image_id else None,
        hidden=row.hidden,
    )


def to_row(persona: Persona) -> PersonaRow:
    image_id, face_no = persona.cover or ("", 0)
    return PersonaRow(
        persona_id=persona.persona_id,
        name=persona.name,
        created_at=persona.created_at,
        cover_image_id=image_id,
        cover_face_no=face_no,
        hidden=persona.hidden,
    )


class SqlLabels(SqlMarks):
    """LabelStore."""

    @translating()
    def record(self, stream: str, events: Sequence[NewEvent]) -> tuple[Event, ...]:
        if not events:
            return ()
        ids = [event.event_id for event in events]
        with self._transaction():
            last = self._lock_head(stream)
            known = self.events_by_id(stream, ids)
            new = {event.event_id: event for event in events if event.event_id not in known}
            appended = self._append(stream, last, list(new.values()))
            if stream == LABELS:
                for event in appended:
                    for change in project(event):
                        self._apply(change)
        known.update((event.event_id, event) for event in appended)
        return tuple(known[event_id] for event_id in ids)

    @translating()
    def events_by_id(self, stream: str, event_ids: Collection[str]) -> dict[str, Event]:
        rows = self._rows(EventRow).filter(stream=stream)
        return {row.event_id: to_event(row) for chunk in chunks(event_ids) for row in rows.filter(event_id__in=chunk)}

    def _apply(self, change: Change) -> None:
        personas = self._rows(PersonaRow)
        match change:
            case PutPersona(persona=persona):
                personas.bulk_create([to_row(persona)], ignore_conflicts=True)
                self._rows(GonePersonaRow).filter(persona_id=persona.persona_id).delete()
            case RenamePersona(persona_id=persona_id, name=name):
                personas.filter(persona_id=persona_id).update(name=name)
            case ChooseCover(persona_id=persona_id, cover=cover):
                image_id, face_no = cover or ("", 0)
                personas.filter(persona_id=persona_id).update(cover_image_id=image_id, cover_face_no=face_no)
            case HidePersona(persona_id=persona_id, hidden=hidden):
                personas.filter(persona_id=persona_id).update(hidden=hidden)
            case RemovePersona(persona_id=persona_id, heir=heir):
                personas.filter(persona_id=persona_id).delete()
                self._rows(GonePersonaRow).update_or_create(persona_id=persona_id, defaults={"heir": heir})
            case DeleteImages():
                self._delete_images(change)
            case EraseImages() | AllowImages():
                self._erase_or_allow(change)
            case ForgetImages(image_ids=image_ids):
                for chunk in chunks(image_ids):
                    self._rows(LabelRow).filter(image_id__in=chunk).delete()
                self._drop_marks(image_ids)
            case SetVerdict():
                for verdict in inherited(change, heir_of=self.heir_of, said_of=self._said_of):
                    self._set_verdict(verdict)
            case _:
                assert_never(change)

    def heir_of(self, persona_id: str) -> str | None:
        return self._rows(GonePersonaRow).filter(persona_id=persona_id).values_list("heir", flat=True).first()

    def _said_of(self, faces: Sequence[FaceKey]) -> Said:
        return as_said(self.labels_of_images({key.image_id for key in faces}))

    def _set_verdict(self, change: SetVerdict) -> None:
        belongs = label_written(change.verdict)
        faces = list(dict.fromkeys(change.faces))
        if belongs is None:
            self._execute_many(_DELETE_LABEL, [(*key, change.persona_id) for key in faces])
            return
        if change.verdict is Verdict.BELONGS:
            self._leave_other_personas(change.persona_id, faces)
        said = (change.persona_id, belongs, change.actor, self._adapted(change.at), change.seq)
        self._execute_many(_UPSERT_LABEL, [(*key, *said) for key in faces])

    def _leave_other_personas(self, persona_id: str, faces: Sequence[FaceKey]) -> None:
        wanted = set(faces)
        labelled = self._rows(LabelRow).filter(belongs=True).exclude(persona_id=persona_id)
        for chunk in chunks([key.image_id for key in faces]):
            others = labelled.filter(image_id__in=chunk).values_list("image_id", "face_no", "persona_id")
            self._execute_many(_DELETE_LABEL, [row for row in others if FaceKey(row[0], row[1]) in wanted])

    @translating()
    def events(self, stream: str, *, after: int, limit: int = 500) -> tuple[Event, ...]:
        rows = self._rows(EventRow).filter(stream=stream, seq__gt=after).order_by("seq")
        return tuple(map(to_event, rows[:limit]))

    def repair(self) -> int:
        """Nothing is ever left half done: an event and its projection are one transaction."""
        return 0

    @translating()
    def personas(self, *, cursor: str | None = None, limit: int = 100) -> Slice[Persona]:
        rows = self._rows(PersonaRow).order_by("persona_id")
        if cursor is not None:
            rows = rows.filter(persona_id__gt=cursor)
        return as_slice(list(rows[: limit + 1]), limit, to_persona, lambda row: row.persona_id)

    @translating()
    def personas_by_id(self, persona_ids: Collection[str]) -> dict[str, Persona]:
        rows = self._rows(PersonaRow)
        return {
            row.persona_id: to_persona(row)
            for chunk in chunks(persona_ids)
            for row in rows.filter(persona_id__in=chunk)
        }

    @translating()
    def personas_named(self, name: str) -> tuple[Persona, ...]:
        return tuple(map(to_persona, self._rows(PersonaRow).filter(name=name).order_by("persona_id")))

    def _of_persona(self, persona_ids: Collection[str], belongs: bool) -> QuerySet[LabelRow]:
        """`belongs__in`, because Django writes `belongs=True` as a bare `belongs`, for which SQLite uses no index."""
        return self._rows(LabelRow).filter(persona_id__in=persona_ids, belongs__in=[belongs])

    @translating()
    def labels_of_persona(
        self, persona_id: str, *, belongs: bool, cursor: str | None = None, limit: int = 100
    ) -> Slice[Label]:
        rows = self._of_persona([persona_id], belongs).order_by("image_id", "face_no")
        if cursor is not None:
            rows = after_face(rows, parse_key(cursor))
        return as_slice(list(rows[: limit + 1]), limit, to_label, lambda row: f"{row.image_id}:{row.face_no}")

    @translating()
    def labels_of_images(self, image_ids: Collection[str]) -> dict[FaceKey, tuple[Label, ...]]:
        found: dict[FaceKey, list[Label]] = defaultdict(list)
        for chunk in chunks(image_ids):
            for row in self._rows(LabelRow).filter(image_id__in=chunk).order_by("image_id", "face_no", "persona_id"):
                found[FaceKey(row.image_id, row.face_no)].append(to_label(row))
        return {key: tuple(labels) for key, labels in found.items()}

    def all_labels(self) -> Iterator[Label]:
        rows = self._rows(LabelRow).order_by("pk")
        last: tuple[str, int, str] = ("", 0, "")
        while True:
            with translating():
                page = list(rows.filter(pk__gt=last)[:STREAM_ROWS])
            yield from map(to_label, page)
            if len(page) < STREAM_ROWS:
                return
            last = page[-1].image_id, page[-1].face_no, page[-1].persona_id

    @translating()
    def label_counts(self, persona_ids: Collection[str]) -> dict[str, tuple[int, int]]:
        counts = {persona_id: [0, 0] for persona_id in persona_ids}
        for chunk in chunks(persona_ids):
            rows = self._rows(LabelRow).filter(persona_id__in=chunk).order_by()
            for persona_id, belongs, n in rows.values_list("persona_id", "belongs").annotate(n=Count("*")):
                counts[persona_id][0 if belongs else 1] = n
        return {persona_id: (labelled, rejected) for persona_id, (labelled, rejected) in counts.items()}

    @translating()
    def first_labelled(self, persona_ids: Collection[str]) -> dict[str, FaceKey]:
        """Two reads: the lowest picture of each persona, then the lowest face in these pictures."""
        found: dict[str, FaceKey] = {}
        for chunk in chunks(persona_ids):
            rows = self._of_persona(chunk, belongs=True).order_by()
            lowest = dict(rows.values_list("persona_id").annotate(image=Min("image_id")))
            faces = rows.filter(image_id__in=set(lowest.values())).values_list("persona_id", "image_id")
            for persona_id, image_id, face_no in faces.annotate(face=Min("face_no")):
                if lowest[persona_id] == image_id:
                    found[persona_id] = FaceKey(image_id, face_no)
        return found

    @translating()
    def put_truths(self, truths: Sequence[Truth]) -> None:
        distinct = {(truth.image_id, truth.face_no): truth for truth in truths}
        with self._transaction():
            self._rows(TruthRow).bulk_create(
                [
                    TruthRow(image_id=t.image_id, face_no=t.face_no, persona=t.persona, category=t.category)
                    for t in distinct.values()
                ],
                update_conflicts=True,
                unique_fields=["image_id", "face_no"],
                update_fields=["persona", "category"],
            )

    def truths(self) -> Iterator[Truth]:
        rows = self._rows(TruthRow).order_by("image_id", "face_no")
        last = FaceKey("", 0)
        while True:
            with translating():
                page = list(after_face(rows, last)[:STREAM_ROWS])
            for row in page:
                yield Truth(image_id=row.image_id, face_no=row.face_no, persona=row.persona, category=row.category)
            if len(page) < STREAM_ROWS:
                return
            last = FaceKey(page[-1].image_id, page[-1].face_no)
