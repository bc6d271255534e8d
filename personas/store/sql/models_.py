"""Versions, the champion pointer, and predictions in ranked pages, in SQL. (Django wants its tables in `models.py`.)"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from django.db.models import Count, QuerySet, Sum

from personas.entities import (
    Champion,
    FaceKey,
    ModelVersion,
    RankedFace,
    RankedKind,
    Slice,
    VersionStatus,
)
from personas.errors import NotFoundError
from personas.store.base import RANKED_PAGE_SIZE, outdated, rank_of
from personas.store.packing import RankedPage, first_of, pack_pages
from personas.store.sql.connection import SqlConnection, as_slice, chunks, to_json, translating, unknown_cursor
from personas.store.sql.models import ChampionRow, FreshRow, ModelVersionRow, PublicationRow, RankedPageRow

#: Name of the sequence that numbers versions.
VERSIONS = "model versions"
#: Page rows in one INSERT.
PAGE_ROWS = 100


def to_version(row: ModelVersionRow) -> ModelVersion:
    return ModelVersion(
        version=row.version,
        status=VersionStatus(row.status),
        created_at=row.created_at,
        label_seq=row.label_seq,
        scored_through=row.scored_through,
        embedder=row.embedder,
        data_hash=row.data_hash,
        artefact=row.artefact,
        metrics=json.loads(row.metrics),
        reasons=tuple(json.loads(row.reasons)),
        fit_seconds=row.fit_seconds,
        n_labels=row.n_labels,
        n_personas=row.n_personas,
        n_scored=row.n_scored,
        said_through=row.said_through,
        replaced=row.replaced,
    )


def to_version_row(version: ModelVersion) -> ModelVersionRow:
    return ModelVersionRow(
        version=version.version,
        status=version.status.value,
        created_at=version.created_at,
        label_seq=version.label_seq,
        scored_through=version.scored_through,
        embedder=version.embedder,
        data_hash=version.data_hash,
        artefact=version.artefact,
        metrics=to_json(dict(version.metrics)),
        reasons=to_json(list(version.reasons)),
        fit_seconds=version.fit_seconds,
        n_labels=version.n_labels,
        n_personas=version.n_personas,
        n_scored=version.n_scored,
        said_through=version.said_through,
        replaced=version.replaced,
    )


def to_champion(row: ChampionRow) -> Champion:
    return Champion(version=row.version, revision=row.revision, at=row.at, actor=row.actor)


def sortable(key: FaceKey) -> str:
    return f"{key.image_id}:{key.face_no:010d}"


def page_rows(version: int, persona_id: str, kind: RankedKind, ranked: Sequence[RankedFace]) -> list[RankedPageRow]:
    return [
        RankedPageRow(
            version=version,
            persona_id=persona_id,
            kind=kind.value,
            page=page.page,
            n_faces=page.n_faces,
            last_rank=rank_of(kind, page.last.probability),
            last_key=sortable(page.last.key),
            keys=page.keys,
            probabilities=page.probabilities,
        )
        for page in pack_pages(kind, ranked)
    ]


class SqlModels(SqlConnection):
    """ModelStore."""

    @translating()
    def add_model_version(self, version: ModelVersion) -> ModelVersion:
        with self._transaction():
            last = self._lock_head(VERSIONS)
            numbered = replace(version, version=last + 1)
            self._rows(ModelVersionRow).bulk_create([to_version_row(numbered)])
            self._set_head(VERSIONS, last + 1)
        return numbered

    @translating()
    def update_model_version(self, version: ModelVersion, *, expected: VersionStatus | None = None) -> None:
        standing = self._rows(ModelVersionRow).filter(version=version.version)
        changed = standing.filter(status=expected.value) if expected else standing
        found = changed.update(
            status=version.status.value,
            scored_through=version.scored_through,
            n_scored=version.n_scored,
            said_through=version.said_through,
            replaced=version.replaced,
            reasons=to_json(list(version.reasons)),
            metrics=to_json(dict(version.metrics)),
        )
        if not found and standing.exists():
            raise outdated(version)
        if not found:
            raise NotFoundError(f"There is no version {version.version}.")

    @translating()
    def model_version(self, number: int) -> ModelVersion | None:
        row = self._rows(ModelVersionRow).filter(version=number).first()
        return to_version(row) if row else None

    @translating()
    def model_versions(self, *, cursor: str | None = None, limit: int = 50) -> Slice[ModelVersion]:
        rows = self._rows(ModelVersionRow).order_by("-version")
        if cursor is not None:
            if not cursor.isdecimal():
                raise unknown_cursor(cursor)
            rows = rows.filter(version__lt=int(cursor))
        return as_slice(list(rows[: limit + 1]), limit, to_version, lambda row: str(row.version))

    @translating()
    def champion(self) -> Champion | None:
        row = self._rows(ChampionRow).first()
        return to_champion(row) if row else None

    @translating()
    def switch_champion(self, version: int, *, expected_revision: int, actor: str, at: datetime) -> Champion | None:
        if not self._rows(ModelVersionRow).filter(version=version).exists():
            raise NotFoundError(f"There is no version {version}; `manage.py models` lists those there are.")
        switched = ChampionRow(version=version, revision=expected_revision + 1, at=at, actor=actor)
        with self._transaction():
            if expected_revision == 0:  # a row of revision 0 is "no champion yet", so that first switch races too
                first = ChampionRow(version=version, revision=0, at=at, actor=actor)
                self._rows(ChampionRow).bulk_create([first], ignore_conflicts=True)
            changed = (
                self._rows(ChampionRow)
                .filter(revision=expected_revision)
                .update(version=version, revision=expected_revision + 1, at=at, actor=actor)
            )
        return to_champion(switched) if changed else None

    @translating()
    def put_ranked(self, version: int, kind: RankedKind, ranked: Mapping[str, Sequence[RankedFace]]) -> None:
        with self._transaction():
            old = self._rows(RankedPageRow).filter(version=version, kind=kind.value)
            for chunk in chunks(ranked):
                old.filter(persona_id__in=chunk).delete()
            rows: list[RankedPageRow] = []
            for persona_id, faces in ranked.items():
                rows.extend(page_rows(version, persona_id, kind, faces))
                if len(rows) >= PAGE_ROWS:
                    self._rows(RankedPageRow).bulk_create(rows)
                    rows = []
            self._rows(RankedPageRow).bulk_create(rows)

    @translating()
    def ranked(
        self, version: int, persona_id: str, kind: RankedKind, *, after: RankedFace | None = None, limit: int = 100
    ) -> tuple[RankedFace, ...]:
        rows = self._rows(RankedPageRow).filter(version=version, persona_id=persona_id, kind=kind.value)
        if after is not None:
            rank = rank_of(kind, after.probability)
            rows = rows.filter(last_rank__gte=rank).exclude(last_rank=rank, last_key__lte=sortable(after.key))
        found: list[RankedFace] = []
        pages = rows.order_by("page").values_list("keys", "probabilities")
        for keys, probabilities in pages[: 1 + -(-limit // RANKED_PAGE_SIZE)]:
            page = RankedPage(kind, keys, probabilities)
            found.extend(page.after(after, limit - len(found)))
            if len(found) >= limit:
                break
        return tuple(found)

    @translating()
    def ranked_of_each(
        self, version: int, persona_ids: Collection[str], kind: RankedKind, *, limit: int
    ) -> dict[str, tuple[RankedFace, ...]]:
        n_pages = -(-limit // RANKED_PAGE_SIZE)
        of_kind = self._rows(RankedPageRow).filter(version=version, kind=kind.value, page__lt=n_pages)
        pages: dict[str, list[RankedPage]] = defaultdict(list)
        for chunk in chunks(persona_ids):
            rows = of_kind.filter(persona_id__in=chunk).order_by("persona_id", "page")
            for persona_id, keys, probabilities in rows.values_list("persona_id", "keys", "probabilities"):
                pages[persona_id].append(RankedPage(kind, keys, probabilities))
        found = {persona_id: first_of(of_persona, limit) for persona_id, of_persona in pages.items()}
        return {persona_id: first for persona_id, first in found.items() if first}

    @translating()
    def ranked_counts(self, version: int) -> dict[str, int]:
        pages = self._rows(RankedPageRow).filter(version=version, kind=RankedKind.PREDICTED.value).order_by()
        counts = dict(pages.values_list("persona_id").annotate(n=Sum("n_faces")))
        fresh = self._rows(FreshRow).filter(version=version).order_by()
        for persona_id, n in fresh.values_list("persona_id").annotate(n=Count("*")):
            counts[persona_id] = counts.get(persona_id, 0) + n
        return counts

    @translating()
    def drop_ranked(self, version: int) -> None:
        with self._transaction():
            self._rows(PublicationRow).filter(version=version).delete()
            self._rows(RankedPageRow).filter(version=version).delete()
            self._rows(FreshRow).filter(version=version).delete()

    @translating()
    def add_fresh(self, version: int, rows: Mapping[str, Sequence[RankedFace]], *, scored_through: int) -> None:
        distinct = {(persona_id, face.key): face.probability for persona_id, faces in rows.items() for face in faces}
        with self._transaction():
            self._rows(FreshRow).bulk_create(
                [
                    FreshRow(
                        version=version,
                        persona_id=persona_id,
                        image_id=key.image_id,
                        face_no=key.face_no,
                        probability=probability,
                    )
                    for (persona_id, key), probability in distinct.items()
                ],
                update_conflicts=True,
                unique_fields=["version", "persona_id", "image_id", "face_no"],
                update_fields=["probability"],
            )
            published = self._rows(PublicationRow)
            published.bulk_create([PublicationRow(version=version, fresh_through=0)], ignore_conflicts=True)
            behind = published.filter(version=version, fresh_through__lt=scored_through)
            behind.update(fresh_through=scored_through)

    @translating()
    def fresh(
        self, version: int, persona_id: str, *, after: RankedFace | None = None, limit: int = 100
    ) -> tuple[RankedFace, ...]:
        rows: QuerySet[FreshRow] = self._rows(FreshRow).filter(version=version, persona_id=persona_id)
        if after is not None:
            image_id, face_no = after.key
            rows = rows.filter(probability__lte=after.probability)
            rows = rows.exclude(probability=after.probability, image_id__lt=image_id)
            rows = rows.exclude(probability=after.probability, image_id=image_id, face_no__lte=face_no)
        ordered = rows.order_by("-probability", "image_id", "face_no").values_list("image_id", "face_no", "probability")
        return tuple(RankedFace(FaceKey(image_id, face_no), p) for image_id, face_no, p in ordered[:limit])

    @translating()
    def fresh_through(self, version: int) -> int:
        marks = self._rows(PublicationRow).filter(version=version).values_list("fresh_through", flat=True)
        return marks.first() or 0
