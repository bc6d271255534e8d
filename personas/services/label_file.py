"""Labels from a CSV file: `image,persona,belongs[,face]`, a line a face.

`image` is a path below its source, a unique base name, or an image id; `persona` an id or a unique name, and
"Stranger" for nobody we know; `belongs` true or false; `face` the number of the face, and where it is empty the face
that `personas.which_face` finds the picture to be of. What could mean several things is refused with its candidates,
and lines that contradict each other are all refused; the other lines are applied all the same.

Only what changes something becomes an event, all faces of one persona and verdict together. So a file applied twice
changes nothing the second time, and brings back what was taken back in between.
"""

from __future__ import annotations

import csv
import hashlib
import io
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from personas.csv_cells import from_cell
from personas.entities import LABELS, STRANGER, FaceKey, ImagePath, ImageStatus, NewEvent, Verdict
from personas.errors import AmbiguousError, FaceProjectError, NotFoundError, UnableToLabelError
from personas.names import spellings
from personas.projection import PERSONA_ADDED, Said
from personas.services.labelling import DELETED_ALREADY, labelling_events, said_of
from personas.services.personas import clean_name, persona_id_of_name
from personas.store.base import Store
from personas.which_face import face_meant

REQUIRED = ("image", "persona", "belongs")
_BELONGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
#: Namespace of the command ids of label files.
_LABEL_FILES = uuid.UUID("b4d1b6b3-0e0b-5c52-9f0e-6f3a3a7a2f51")
#: Events recorded in one write: a file that names thousands of personas must not hold the store's lock for long.
_EVENTS_AT_ONCE = 200


class UnableToReadLabelsError(FaceProjectError):
    """The file as a whole is not a label file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedLine:
    """A line that was not applied."""

    line: int  #: 1-based, as an editor counts; the header is line 1
    reason: str
    candidates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFileResult:
    """What became of a file's lines."""

    n_lines: int
    n_changed: int  #: faces that something new was said of
    n_unchanged: int  #: faces of which the same had been said before
    personas_added: tuple[str, ...]  #: names
    refused: tuple[RefusedLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    number: int
    image: str
    persona: str
    belongs: str
    face: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meant:
    """A line whose picture, face and persona are known."""

    line: int
    key: FaceKey
    persona_id: str
    belongs: bool


@dataclass(slots=True)
class _Plan:
    """What the file says, line by line, before anything is written."""

    said: dict[tuple[FaceKey, str], bool] = field(default_factory=dict)
    new_personas: dict[str, str] = field(default_factory=dict)  #: id -> name
    refused: list[RefusedLine] = field(default_factory=list)

    def add(self, meant: Sequence[_Meant], names: Mapping[str, str]) -> None:
        """Take what all lines say; of a face that two lines contradict each other about, take nothing.

        names: of the personas that would be new, by id.
        """
        by_face: dict[FaceKey, list[_Meant]] = defaultdict(list)
        for each in meant:
            by_face[each.key].append(each)
        for key, lines in by_face.items():
            if reason := _contradiction(lines):
                self.refused += [RefusedLine(line=each.line, reason=reason) for each in lines]
                continue
            for each in lines:
                self.said[key, each.persona_id] = each.belongs
                if each.persona_id in names:
                    self.new_personas[each.persona_id] = names[each.persona_id]
        self.refused.sort(key=lambda refused: refused.line)


def _contradiction(lines: Sequence[_Meant]) -> str:
    """Why the lines about one face cannot all be true; empty when they can."""
    numbers = ", ".join(str(each.line) for each in lines)
    if len({each.persona_id for each in lines if each.belongs}) > 1:
        return f"Lines {numbers} give one face to different people; keep the one that is true."
    if len({(each.persona_id, each.belongs) for each in lines}) > len({each.persona_id for each in lines}):
        return f"Lines {numbers} say opposite things of one face; keep those that are true."
    return ""


def label_from_file(
    *, store: Store, content: bytes, actor: str, at: datetime, create_personas: bool = False
) -> LabelFileResult:
    """Apply the lines of a CSV file that can be applied; say which cannot and why.

    With `create_personas` a name that no persona has becomes a new persona. Raises UnableToReadLabelsError.
    """
    lines = read_lines(content)
    plan = _plan(store, lines, create_personas=create_personas)
    before = said_of(store, {key for key, _ in plan.said})
    changed = _changes(plan, before)
    command_id = _command_id(content, actor, store.head(LABELS))
    events = iter(_events(plan, changed, before, actor=actor, at=at, command_id=command_id))
    while some := list(islice(events, _EVENTS_AT_ONCE)):
        store.record(LABELS, some)
    n_changed = sum(len(keys) for keys in changed.values())
    return LabelFileResult(
        n_lines=len(lines),
        n_changed=n_changed,
        n_unchanged=len(plan.said) - n_changed,
        personas_added=tuple(sorted(plan.new_personas.values())),
        refused=tuple(plan.refused),
    )


def read_lines(content: bytes) -> list[_Line]:
    """Raises UnableToReadLabelsError. A semicolon separates too: spreadsheets of some countries write it."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnableToReadLabelsError("The file is not UTF-8 text; export it as CSV in UTF-8.") from error
    header = text.partition("\n")[0]
    table = csv.DictReader(io.StringIO(text, newline=""), delimiter=";" if ";" in header and "," not in header else ",")
    table.fieldnames = [name.strip().lower() for name in table.fieldnames or ()]
    missing = [name for name in REQUIRED if name not in table.fieldnames]
    if missing:
        raise UnableToReadLabelsError(
            f"The first line must name the columns image,persona,belongs[,face]; missing: {', '.join(missing)}."
        )
    try:
        return [_line(table.line_num, row) for row in table]
    except csv.Error as error:
        raise UnableToReadLabelsError(f"Line {table.line_num} is no CSV: {error}.") from error


def _line(number: int, row: Mapping[str, str | None]) -> _Line:
    image, persona, belongs, face = (from_cell((row.get(name) or "").strip()) for name in (*REQUIRED, "face"))
    return _Line(number=number, image=image, persona=persona, belongs=belongs, face=face)


def _plan(store: Store, lines: Sequence[_Line], *, create_personas: bool) -> _Plan:
    plan = _Plan()
    pictures = _Pictures(store, [line.image for line in lines])
    personas = _Personas(store, [line.persona for line in lines], create=create_personas)
    meant: list[_Meant] = []
    for line in lines:
        try:
            belongs = _BELONGS.get(line.belongs.lower())
            if belongs is None:
                raise UnableToLabelError(f"belongs is {line.belongs!r}; write true or false.")
            persona_id = personas.meant(line.persona)
            if persona_id == STRANGER and not belongs:
                raise UnableToLabelError("A face cannot be rejected as a stranger; name the person.")
            key = pictures.face(line.image, line.face)
            meant.append(_Meant(line=line.number, key=key, persona_id=persona_id, belongs=belongs))
        except FaceProjectError as error:
            candidates = error.candidates if isinstance(error, AmbiguousError) else ()
            plan.refused.append(RefusedLine(line=line.number, reason=str(error), candidates=candidates))
    plan.add(meant, personas.new)
    return plan


class _Pictures:
    """The pictures and faces that the names in a file stand for."""

    def __init__(self, store: Store, names: Sequence[str]) -> None:
        distinct = dict.fromkeys(name for name in names if name)
        by_spelling = store.find_paths_many({spelling for name in distinct for spelling in spellings(name)})
        found = {name: _paths_of(name, by_spelling) for name in distinct}
        ids = {name for name in distinct if not found[name]}
        self._by_id = store.images_by_id(ids | {path.image_id for paths in found.values() for path in paths})
        self._paths = found
        self._faces = store.faces_of(self._by_id)

    def face(self, name: str, number: str) -> FaceKey:
        image = self._by_id.get(self._image_id(name))
        if image is None:
            raise NotFoundError(f"The picture {name} does not exist (any more); ingest it again.")
        if image.status is ImageStatus.DELETED:
            raise NotFoundError(DELETED_ALREADY)
        if number and not number.isdecimal():
            raise UnableToLabelError(f"face is {number!r}; write the number of the face, or leave it empty.")
        faces = self._faces.get(image.image_id, ())
        return face_meant(faces, image.width, image.height, face=int(number) if number else None)

    def _image_id(self, name: str) -> str:
        if not name:
            raise UnableToLabelError("No image is named.")
        if name in self._by_id:
            return name
        image_ids = {path.image_id for path in self._paths[name]}
        if not image_ids:
            raise NotFoundError(f"There is no picture {name}; write its path below its source, and ingest it first.")
        if len(image_ids) > 1:
            candidates = tuple(f"{path.path} in {path.source} ({path.image_id})" for path in self._paths[name])
            raise AmbiguousError(
                f"{len(image_ids)} pictures are called {name}; write the path below the source, or the image id.",
                candidates,
            )
        return image_ids.pop()


def _paths_of(name: str, by_spelling: Mapping[str, tuple[ImagePath, ...]]) -> tuple[ImagePath, ...]:
    """Paths of exactly this name, or else those that only spell its letters differently."""
    if exact := by_spelling.get(name):
        return exact
    return tuple(dict.fromkeys(path for spelling in spellings(name) for path in by_spelling.get(spelling, ())))


class _Personas:
    """The personas that the ids and names in a file stand for."""

    def __init__(self, store: Store, names: Sequence[str], *, create: bool) -> None:
        self._store = store
        self._create = create
        self._known = store.personas_by_id(set(names) - {""})
        self._meant: dict[str, str | FaceProjectError] = {}
        self.new: dict[str, str] = {}  #: id -> name of personas that would have to be added

    def meant(self, text: str) -> str:
        if text not in self._meant:
            try:
                self._meant[text] = self._look_up(text)
            except FaceProjectError as error:
                self._meant[text] = error
        meant = self._meant[text]
        if isinstance(meant, FaceProjectError):
            raise meant
        return meant

    def _look_up(self, text: str) -> str:
        if not text:
            raise UnableToLabelError("No persona is named; write an id, a name, or Stranger for nobody we know.")
        if text.lower() == STRANGER:
            return STRANGER
        if text in self._known:
            return text
        name = clean_name(text)
        named = self._store.personas_named(name)
        if len(named) > 1:
            candidates = tuple(f"{persona.name} ({persona.persona_id})" for persona in named)
            raise AmbiguousError(f"{len(named)} personas are called {name}; write the id of one.", candidates)
        if named:
            return named[0].persona_id
        if not self._create:
            raise NotFoundError(
                f'There is no persona {name}. Add it with `manage.py add_persona "{name}"`, or use --create-personas.'
            )
        persona_id = persona_id_of_name(name)
        if renamed := self._store.personas_by_id([persona_id]).get(persona_id):
            raise AmbiguousError(
                f"{name} is called {renamed.name} now; write that name, or add another {name} first.",
                (f"{renamed.name} ({persona_id})",),
            )
        self.new[persona_id] = name
        return persona_id


def _changes(plan: _Plan, before: Said) -> dict[tuple[str, bool], list[FaceKey]]:
    """Faces by persona and verdict, of which the store does not say so yet."""
    changed: dict[tuple[str, bool], list[FaceKey]] = defaultdict(list)
    for (key, persona_id), belongs in plan.said.items():
        if before.get(key, {}).get(persona_id) is not belongs:
            changed[persona_id, belongs].append(key)
    return changed


def _events(
    plan: _Plan,
    changed: Mapping[tuple[str, bool], Sequence[FaceKey]],
    before: Said,
    *,
    actor: str,
    at: datetime,
    command_id: str,
) -> Iterator[NewEvent]:
    index = 0
    for persona_id, name in sorted(plan.new_personas.items()):
        payload = {"persona_id": persona_id, "name": name}
        yield NewEvent(kind=PERSONA_ADDED, actor=actor, at=at, command_id=command_id, index=index, payload=payload)
        index += 1
    for (persona_id, belongs), keys in sorted(changed.items()):
        verdict = Verdict.BELONGS if belongs else Verdict.REJECTED
        events = labelling_events(
            persona_id,
            sorted(keys),
            verdict,
            before=before,
            actor=actor,
            at=at,
            command_id=command_id,
            first_index=index,
        )
        yield from events
        index += len(events)


def _command_id(content: bytes, actor: str, label_seq: int) -> str:
    """The same for the same file on the same state: two runs at once are one command, a later one is another."""
    digest = hashlib.sha256(content).hexdigest()
    return str(uuid.uuid5(_LABEL_FILES, f"{digest} {actor} {label_seq}"))
