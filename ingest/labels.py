"""From sidecars to labels, strangers and ground truth.

* A sidecar speaks once: the path remembers the SHA-256 of what was applied, and the same bytes are not applied again.
* The first time, it does not overrule what a person has said of that face in the product. A sidecar whose bytes have
  changed is a new statement and does: the face gets its persona, and what the old bytes had labelled is taken back
  where the new ones no longer say it. Removing a sidecar takes nothing back.
* `persona: null, labeled: true` labels a known Stranger; `labeled: false` is ground truth, stored apart from labels.
* Two sidecars that name one face (one content under two paths) differently: the lower path's is right.
* What cannot be applied is reported on every run, until it is corrected.
* A sidecar of a deleted picture is silent until the picture is back, and speaks then.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ingest.rejections import (
    AMBIGUOUS,
    AMBIGUOUS_PERSONA,
    DELETED_PERSONA,
    SIDECAR_NO_SUCH_FACE,
    SIDECAR_OVERRULED,
    RejectedError,
    Rejection,
)
from ingest.sidecar import Sidecar, parse_sidecar
from personas.entities import LABELS, STRANGER, Face, FaceKey, Image, ImageStatus, Label, NewEvent, Truth, Verdict
from personas.errors import AmbiguousError, NotFoundError
from personas.projection import as_said
from personas.services.labelling import labelling_events
from personas.services.personas import add_persona, persona_id_of_name
from personas.store.base import Store
from personas.store.inheriting import NOBODY_INHERITS, remaining
from personas.which_face import face_meant

#: `Label.actor` of what a sidecar says; people's names never look like it.
SIDECAR_ACTOR = "sidecar"
_COMMANDS = uuid.UUID("0d9a0f3c-8a44-5d52-9a3e-2f7f0c6e6b11")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spoken:
    """A sidecar as it was read, with the picture it lies beside. applied: SHA-256 of what was applied before, or ""."""

    path: str
    sidecar_path: str
    content: bytes | RejectedError
    image: Image
    faces: tuple[Face, ...]
    applied: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest() if isinstance(self.content, bytes) else ""


@dataclass(slots=True)
class Applied:
    """What came of a batch of sidecars. shas: by picture path, for those that are settled now."""

    shas: dict[str, str] = field(default_factory=dict)
    labels: int = 0
    truths: int = 0
    kept: int = 0
    rejections: list[Rejection] = field(default_factory=list)
    categories: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Statement:
    spoken: Spoken
    key: FaceKey
    persona_id: str


def apply_sidecars(*, store: Store, source: str, batch: Sequence[Spoken], at: datetime) -> Applied:
    """Turn the sidecars of stored pictures into events and ground truth; safe to repeat."""
    applied = Applied()
    labels: list[_Statement] = []
    truths: list[Truth] = []
    personas: dict[str, str] = {}
    shown = _shown(store, batch)
    for spoken in sorted(batch, key=lambda each: each.path):
        try:
            sidecar = _parsed(spoken)
            applied.categories[sidecar.category] += 1
            if spoken.image.image_id not in shown:
                continue
            key = _face_of(spoken, sidecar)
            if key is not None and sidecar.labeled:
                persona_id = _persona_id(store, sidecar.persona, personas, at)
                labels.append(_Statement(spoken=spoken, key=key, persona_id=persona_id))
            elif key is not None:
                truths.append(Truth(**key._asdict(), persona=sidecar.persona, category=sidecar.category))
            applied.shas[spoken.path] = spoken.sha256
        except RejectedError as error:
            applied.rejections.append(Rejection.of(spoken.sidecar_path, error))
    _label(store, source, batch, labels, applied, at)
    if truths:
        store.put_truths(truths)
    applied.truths = len(truths)
    return applied


def category_of(content: bytes | RejectedError | None) -> str | None:
    """The category a sidecar gives, for counting; None when it gives none that can be read."""
    if not isinstance(content, bytes):
        return None
    try:
        return parse_sidecar(content).category
    except RejectedError:
        return None


def _shown(store: Store, batch: Sequence[Spoken]) -> set[str]:
    """Pictures as they stand now: one may have been deleted, or erased, since it was looked at."""
    images = store.images_by_id({spoken.image.image_id for spoken in batch})
    return {image_id for image_id, image in images.items() if image.status is not ImageStatus.DELETED}


def _parsed(spoken: Spoken) -> Sidecar:
    if isinstance(spoken.content, RejectedError):
        raise spoken.content
    return parse_sidecar(spoken.content)


def _face_of(spoken: Spoken, sidecar: Sidecar) -> FaceKey | None:
    """None: nobody is named, and there is nobody. Raises RejectedError."""
    if not spoken.faces and sidecar.persona is None and sidecar.face is None and sidecar.box is None:
        return None
    image = spoken.image
    try:
        return face_meant(spoken.faces, image.width, image.height, face=sidecar.face, box=sidecar.box)
    except NotFoundError as error:
        raise RejectedError(SIDECAR_NO_SUCH_FACE, str(error)) from error
    except AmbiguousError as error:
        raise RejectedError(AMBIGUOUS, str(error)) from error


def _persona_id(store: Store, name: str | None, resolved: dict[str, str], at: datetime) -> str:
    """The one persona of this name; nobody has it: a new one, with the same id in every run. Raises RejectedError."""
    if name is None:
        return STRANGER
    if name not in resolved:
        named = store.personas_named(name)
        if len(named) > 1:
            ids = ", ".join(sorted(persona.persona_id for persona in named))
            raise RejectedError(
                AMBIGUOUS_PERSONA, f"{len(named)} personas have the name the sidecar gives ({ids}). Rename all but one."
            )
        resolved[name] = named[0].persona_id if named else _add_persona(store, name, at)
    return resolved[name]


def _add_persona(store: Store, name: str, at: datetime) -> str:
    """Its id may exist under another name, or have an heir: who renames or merges it is meant by its sidecars too.

    Who deletes it does not want it back with the next sidecar. Raises RejectedError.
    """
    persona_id = remaining(persona_id_of_name(name), store.heir_of)
    if persona_id == NOBODY_INHERITS:
        raise RejectedError(
            DELETED_PERSONA,
            "The person the sidecar names was deleted. Undo that in the history, or add a person of this name.",
        )
    if not store.personas_by_id([persona_id]):
        command_id = str(uuid.uuid5(_COMMANDS, f"add persona {persona_id}"))
        add_persona(store=store, name=name, actor=SIDECAR_ACTOR, at=at, command_id=command_id, persona_id=persona_id)
    return persona_id


def _label(
    store: Store, source: str, batch: Sequence[Spoken], statements: list[_Statement], applied: Applied, at: datetime
) -> None:
    changed = [spoken for spoken in batch if spoken.applied and spoken.path in applied.shas]
    image_ids = {statement.key.image_id for statement in statements} | {each.image.image_id for each in changed}
    if not image_ids:
        return
    known = store.labels_of_images(image_ids)
    said: dict[FaceKey, _Statement] = {}
    for statement in statements:
        rival = said.get(statement.key)
        if rival is not None and rival.persona_id != statement.persona_id:
            _overrule(applied, statement)
        elif _is_to_be_said(store, source, statement, known.get(statement.key, ()), applied):
            said[statement.key] = statement
    taken_back = _taken_back(store, changed, statements, known)
    events = _events(source, said, taken_back, known, at)
    if events:
        store.record(LABELS, events)
    applied.labels += len(said)


def _is_to_be_said(store: Store, source: str, statement: _Statement, known: Sequence[Label], applied: Applied) -> bool:
    spoken = statement.spoken
    labels = [label for label in known if label.belongs]
    if any(label.persona_id == statement.persona_id for label in labels):
        return False
    if spoken.applied:
        return True  # a new statement
    against = labels + [label for label in known if not label.belongs and label.persona_id == statement.persona_id]
    if any(label.actor != SIDECAR_ACTOR for label in against):
        applied.kept += 1
        return False
    if labels and _lower_path_spoke(store, source, statement):
        _overrule(applied, statement)
        return False
    return True


def _lower_path_spoke(store: Store, source: str, statement: _Statement) -> bool:
    image_id, here = statement.key.image_id, (source, statement.spoken.path)
    paths = store.paths_of([image_id]).get(image_id, ())
    return any(path.sidecar and (path.source, path.path) < here for path in paths)


def _overrule(applied: Applied, statement: _Statement) -> None:
    del applied.shas[statement.spoken.path]
    message = "A sidecar beside another copy of this picture names the face differently. Correct one of the two."
    applied.rejections.append(Rejection(path=statement.spoken.sidecar_path, reason=SIDECAR_OVERRULED, message=message))


def _taken_back(
    store: Store,
    changed: Sequence[Spoken],
    statements: Sequence[_Statement],
    known: Mapping[FaceKey, Sequence[Label]],
) -> list[Label]:
    """Labels that a sidecar made and, since it was changed, no longer makes."""
    ids = {spoken.image.image_id for spoken in changed}
    alone = {image_id for image_id, paths in store.paths_of(ids).items() if len(paths) == 1} if ids else set()
    named = {statement.key for statement in statements}
    return [
        label
        for key, labels in known.items()
        for label in labels
        if key.image_id in alone and label.belongs and label.actor == SIDECAR_ACTOR and key not in named
    ]


def _events(
    source: str,
    said: Mapping[FaceKey, _Statement],
    taken_back: Sequence[Label],
    known: Mapping[FaceKey, Sequence[Label]],
    at: datetime,
) -> list[NewEvent]:
    """One event a persona and verdict. The command's id follows from what is said and what stood there before."""
    groups: dict[tuple[str, Verdict], list[FaceKey]] = {}
    for key, statement in said.items():
        groups.setdefault((statement.persona_id, Verdict.BELONGS), []).append(key)
    for label in taken_back:
        groups.setdefault((label.persona_id, Verdict.CLEARED), []).append(label.key)
    before = {
        key: max((label.seq for label in known.get(key, ())), default=0) for keys in groups.values() for key in keys
    }
    facts = sorted(f"{p} {v} {key} {before[key]}" for (p, v), keys in groups.items() for key in keys)
    command_id = str(uuid.uuid5(_COMMANDS, "\n".join([source, *facts])))
    events: list[NewEvent] = []
    standing = as_said(known)
    for (persona_id, verdict), keys in sorted(groups.items()):
        events += labelling_events(
            persona_id,
            sorted(keys),
            verdict,
            before=standing,
            actor=SIDECAR_ACTOR,
            at=at,
            command_id=command_id,
            first_index=len(events),
        )
    return events
