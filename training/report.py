"""Model versions as their pages show them: names for ids, labels that look like mistakes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from personas.entities import Champion, Face, FaceKey, ModelVersion, Persona, Slice
from personas.errors import NotFoundError
from personas.selectors.faces import faces_by_key
from personas.selectors.gallery import persona_name
from personas.store.base import Store
from training.deployment import deployments, told
from training.recorded import PersonaQuality, Recorded, recorded

#: Contradicted labels that a page shows, the surest first.
MAX_CONTRADICTIONS = 48
_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRow:
    """A version in the list."""

    version: ModelVersion
    is_champion: bool
    reasons: tuple[str, ...]
    deployment: str  #: where it is deployed, in words; "" where it never was


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonaRow:
    """What a version is worth for one persona."""

    persona_id: str
    name: str
    known: bool  #: the persona still exists
    quality: PersonaQuality


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """A label that the other labels speak against."""

    face: Face
    labelled: Persona
    looks_like: Persona
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionReport:
    row: VersionRow
    recorded: Recorded
    personas: tuple[PersonaRow, ...]  #: worst recall first
    contradictions: tuple[Contradiction, ...]


def list_reports(store: Store, *, cursor: str | None = None, limit: int = 30) -> Slice[VersionRow]:
    """Versions, newest first."""
    page = store.model_versions(cursor=cursor, limit=limit)
    return Slice(items=tuple(version_rows(store, page.items)), next_cursor=page.next_cursor)


def find_version(store: Store, number: int) -> ModelVersion:
    """Raises NotFoundError."""
    version = store.model_version(number)
    if version is None:
        raise NotFoundError(f"There is no version {number}; the list of models shows those there are.")
    return version


def version_report(store: Store, number: int) -> VersionReport:
    """Raises NotFoundError, MediaMissingError."""
    version = find_version(store, number)
    evaluation = recorded(version)
    contradicted = evaluation.contradictions[:MAX_CONTRADICTIONS]
    mentioned = {row[side] for row in contradicted for side in ("labelled", "looks_like")}
    personas = store.personas_by_id({*evaluation.personas, *mentioned})
    rows = _persona_rows(evaluation.personas, personas)
    return VersionReport(
        row=version_rows(store, [version])[0],
        recorded=evaluation,
        personas=tuple(sorted(rows, key=lambda row: (row.quality.recall, row.name.casefold()))),
        contradictions=tuple(_contradictions(store, contradicted, personas)),
    )


def with_names(store: Store, text: str) -> str:
    """The gate speaks of persona ids, which stay true when somebody is renamed; people read names."""
    personas = store.personas_by_id(set(_UUID.findall(text)))
    return _with_names(text, personas)


def version_rows(store: Store, versions: Sequence[ModelVersion]) -> list[VersionRow]:
    """Versions with what the gate said of them in words."""
    champion: Champion | None = store.champion()
    ids = {found for version in versions for reason in version.reasons for found in _UUID.findall(reason)}
    personas = store.personas_by_id(ids) if ids else {}
    deployed = deployments(store)
    in_use = champion.version if champion else None
    return [
        VersionRow(
            version=version,
            is_champion=version.version == in_use,
            deployment=told(version.version, deployed, is_champion=version.version == in_use),
            reasons=tuple(_with_names(reason, personas) for reason in version.reasons),
        )
        for version in versions
    ]


def _with_names(reason: str, personas: Mapping[str, Persona]) -> str:
    return _UUID.sub(lambda found: personas[found[0]].name if found[0] in personas else found[0], reason)


def _persona_rows(qualities: Mapping[str, PersonaQuality], personas: Mapping[str, Persona]) -> Iterable[PersonaRow]:
    for persona_id, quality in qualities.items():
        yield PersonaRow(
            persona_id=persona_id,
            name=persona_name(personas, persona_id),
            known=persona_id in personas,
            quality=quality,
        )


def _contradictions(
    store: Store, rows: Sequence[Mapping[str, Any]], personas: Mapping[str, Persona]
) -> Iterable[Contradiction]:
    """Those that still stand: a label corrected since is no contradiction any more."""
    keys = [FaceKey.parse(row["face"]) for row in rows]
    faces = faces_by_key(store, keys) if keys else {}
    labels = store.labels_of_images({key.image_id for key in keys}) if keys else {}
    for key, row in zip(keys, rows, strict=True):
        labelled, looks_like = personas.get(row["labelled"]), personas.get(row["looks_like"])
        stands = any(label.belongs and label.persona_id == row["labelled"] for label in labels.get(key, ()))
        if stands and key in faces and labelled and looks_like:
            yield Contradiction(
                face=faces[key], labelled=labelled, looks_like=looks_like, probability=float(row["probability"])
            )
