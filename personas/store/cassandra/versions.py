"""Versions and the champion pointer."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from datetime import datetime
from typing import Any

from personas.entities import Champion, ModelVersion, Slice, VersionStatus
from personas.errors import NotFoundError
from personas.store.base import outdated
from personas.store.cassandra import statements as cql
from personas.store.cassandra.base import SPACE, CassandraBase, as_slice
from personas.store.cassandra.failures import UncertainError
from personas.store.cassandra.session import CqlRow
from personas.store.cassandra.values import from_blob, from_micros, to_blob, to_json, to_micros, unknown_cursor

#: Above every version's number.
NO_VERSION = 2**31 - 1


def to_version(row: CqlRow) -> ModelVersion:
    return ModelVersion(
        version=row.version,
        status=VersionStatus(row.status),
        created_at=from_micros(row.created_at),
        label_seq=row.label_seq,
        scored_through=row.scored_through,
        embedder=row.embedder,
        data_hash=row.data_hash,
        artefact=row.artefact,
        metrics=from_blob(row.metrics),
        reasons=tuple(json.loads(row.reasons)),
        fit_seconds=row.fit_seconds,
        n_labels=row.n_labels,
        n_personas=row.n_personas,
        n_scored=row.n_scored,
        said_through=row.said_through,
        replaced=row.replaced,
    )


def to_champion(row: CqlRow) -> Champion:
    return Champion(version=row.version, revision=row.revision, at=from_micros(row.at), actor=row.actor)


class CassandraVersions(CassandraBase):
    """Part of ModelStore."""

    def add_model_version(self, version: ModelVersion) -> ModelVersion:
        row = self._session.row(cql.LAST_VERSION, space=SPACE)
        numbered = replace(version, version=1 + (row.version if row else 0))
        claim = str(uuid.uuid4())
        while not self._insert_version(numbered, claim):
            numbered = replace(numbered, version=numbered.version + 1)
        return numbered

    def _insert_version(self, version: ModelVersion, claim: str) -> bool:
        """False when the number is taken."""
        columns = {
            "version": version.version,
            "claim": claim,
            "status": version.status.value,
            "created_at": to_micros(version.created_at),
            "label_seq": version.label_seq,
            "scored_through": version.scored_through,
            "embedder": version.embedder,
            "data_hash": version.data_hash,
            "artefact": version.artefact,
            "metrics": to_blob(dict(version.metrics)),
            "reasons": to_json(list(version.reasons)),
            "fit_seconds": version.fit_seconds,
            "n_labels": version.n_labels,
            "n_personas": version.n_personas,
            "n_scored": version.n_scored,
            "said_through": version.said_through,
            "replaced": version.replaced,
        }
        while True:
            try:
                standing = self._session.compare_and_set(cql.ADD_VERSION, space=SPACE, **columns)
            except UncertainError:
                standing = self._session.row(cql.VERSION_AT, serial=True, space=SPACE, version=version.version)
                if standing is None:
                    continue
            return standing is None or standing.claim == claim

    def update_model_version(self, version: ModelVersion, *, expected: VersionStatus | None = None) -> None:
        changed: dict[str, Any] = {
            "version": version.version,
            "status": version.status.value,
            "scored_through": version.scored_through,
            "n_scored": version.n_scored,
            "said_through": version.said_through,
            "replaced": version.replaced,
            "reasons": to_json(list(version.reasons)),
            "metrics": to_blob(dict(version.metrics)),
        }
        statement = cql.CHANGE_VERSION
        if expected is not None:
            statement, changed["expected"] = cql.CHANGE_VERSION_FROM, expected.value
        try:
            standing = self._session.compare_and_set(statement, space=SPACE, **changed)
        except UncertainError:
            written = self._session.row(cql.VERSION_AT, serial=True, space=SPACE, version=version.version)
            if written is not None and to_version(written) == version:
                return  # it was carried out, so the status is no longer the one expected
            standing = self._session.compare_and_set(statement, space=SPACE, **changed)
        if standing is not None and getattr(standing, "status", None) is not None:
            raise outdated(version)
        if standing is not None:
            raise NotFoundError(f"There is no version {version.version}.")

    def model_version(self, number: int) -> ModelVersion | None:
        if not 0 < number < NO_VERSION:
            return None
        row = self._session.row(cql.VERSION_AT, space=SPACE, version=number)
        return to_version(row) if row else None

    def model_versions(self, *, cursor: str | None = None, limit: int = 50) -> Slice[ModelVersion]:
        if cursor is not None and not (cursor.isdecimal() and int(cursor) < NO_VERSION):
            raise unknown_cursor(cursor)
        before = NO_VERSION if cursor is None else int(cursor)
        rows = self._session.rows(cql.VERSIONS, space=SPACE, before=before, rows=limit + 1)
        return as_slice(rows, limit, to_version, lambda row: str(row.version))

    def champion(self) -> Champion | None:
        row = self._session.row(cql.CHAMPION, space=SPACE)
        return to_champion(row) if row else None

    def switch_champion(self, version: int, *, expected_revision: int, actor: str, at: datetime) -> Champion | None:
        if self.model_version(version) is None:
            raise NotFoundError(f"There is no version {version}; `manage.py models` lists those there are.")
        switched = Champion(version=version, revision=expected_revision + 1, at=at, actor=actor)
        columns = {"version": version, "revision": switched.revision, "at": to_micros(at), "actor": actor}
        try:
            if expected_revision == 0:
                standing = self._session.compare_and_set(cql.FIRST_CHAMPION, space=SPACE, **columns)
            else:
                standing = self._session.compare_and_set(
                    cql.NEXT_CHAMPION, space=SPACE, **columns, expected=expected_revision
                )
        except UncertainError:
            row = self._session.row(cql.CHAMPION, serial=True, space=SPACE)
            if row is None or row.revision < switched.revision:
                raise  # not carried out: the caller may try again
            return switched if to_champion(row) == switched else None
        return switched if standing is None else None
