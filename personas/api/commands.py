"""What people did: the history, and taking things back."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

from django.http import HttpResponse
from django.utils import timezone
from ninja import Router
from ninja.decorators import decorate_view
from pydantic import Field

from personas.api.answers import Answer, Person
from personas.api.asking import CommandId, Page, Part, page_of
from personas.api.interface import ApiRequest
from personas.entities import Verdict
from personas.permissions import can_curate, can_label, demand, require
from personas.problems import ProblemError
from personas.selectors.history import Entry, entry_of, history, is_curated
from personas.services.undo import UnableToUndoError
from personas.services.undo import undo_command as take_back
from personas.store import get_store

router = Router(tags=["commands"])

#: What the document says of a command that cannot be taken back.
CONFLICT: Final[dict[str, Any]] = {"responses": {409: {"$ref": "#/components/responses/409"}}}


class Command(Answer):
    """What somebody did in one go."""

    command_id: str
    kind: str = Field(description="Of its first event: `faces_labelled`, `persona_merged`, `command_undone`, …")
    actor: str
    at: datetime
    seq: int = Field(description="Of its first event, in the stream `labels`.")
    persona: Person | None = Field(description="Whom it is about, as they are called now, or were when they went.")
    verdict: Verdict | None = Field(description="What was said of faces and the persona.")
    other: str | None = Field(description="What a persona was renamed to, or whom it was merged into.")
    n_faces: int
    n_images: int
    n_kept: int = Field(description="Of an undo: what it left as somebody had changed it since.")
    undoes: str | None = Field(description="Of an undo: the kind of what it took back.")
    stands: bool = Field(description="false: it is taken back.")
    undo: str = Field(description="The command to undo in order to take this one back, or to do it again.")
    curated: bool = Field(description="Whether taking it back needs the curator role.")

    @classmethod
    def of(cls, entry: Entry) -> Command:
        return cls(
            command_id=entry.command_id,
            kind=entry.kind,
            actor=entry.actor,
            at=entry.at,
            seq=entry.seq,
            persona=Person(id=entry.persona_id, name=entry.name) if entry.persona_id else None,
            verdict=entry.verdict,
            other=entry.other or None,
            n_faces=entry.n_faces,
            n_images=entry.n_images,
            n_kept=entry.n_kept,
            undoes=entry.undoes or None,
            stands=entry.stands,
            undo=entry.toggle,
            curated=entry.curated,
        )


class Undone(Answer):
    """What an undo did, in faces, or in personas and pictures where the command touched no face."""

    command_id: str = Field(description="Of the undo; it can be undone too.")
    n_restored: int
    n_kept: int = Field(description="Left as somebody changed them since.")
    n_erased: int = Field(description="Pictures that do not come back, because they were erased for good.")


@router.get("", response=Page[Command])
def list_commands(request: ApiRequest, response: HttpResponse, part: Part) -> Page[Command]:
    """What people did, newest first. A page may be short, or empty, and yet not the last."""
    found = history(get_store(), cursor=part.cursor, limit=part.limit)
    return page_of(Page[Command], found, Command.of, request=request, response=response)


@router.get("/{command_id}", response=Command)
def read_command(request: ApiRequest, command_id: CommandId) -> Command:
    """One command, and whether it stands. Its events are in `GET /events/labels`."""
    return Command.of(entry_of(get_store(), str(command_id)))


@router.post("/{command_id}/undo", response=Undone, openapi_extra=CONFLICT)
@decorate_view(require(can_label))
def undo_command(request: ApiRequest, command_id: CommandId) -> Undone:
    """Take a command back, as far as nobody changed since what it did. Needs the labeller role; some, the curator's.

    Undoing the undo does it again. While a command is taken back, taking it back once more changes nothing.
    """
    store = get_store()
    if is_curated(store, str(command_id)):
        demand(request.user, can_curate)
    try:
        undone = take_back(
            store=store, command_id=str(command_id), actor=request.user.get_username(), at=timezone.now()
        )
    except UnableToUndoError as error:
        raise ProblemError(HTTPStatus.CONFLICT, "not_undone", str(error)) from error
    return Undone(**{name: getattr(undone, name) for name in Undone.model_fields})
