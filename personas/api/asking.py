"""What requests have in common: pages of lists, ids, and commands that may be sent twice."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja.params.functions import Header, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from personas.api.answers import Answer
from personas.entities import Slice
from personas.problems import ProblemError
from personas.services.labelling import new_command_id
from personas.views.http import MAX_CURSOR

T = TypeVar("T")
E = TypeVar("E")

MAX_LIMIT = 200
IMAGE_ID = r"^[0-9a-f]{64}$"
FACE = r"^[0-9a-f]{64}:[0-9]{1,6}$"
PERSONA_ID = r"^[A-Za-z0-9_-]{1,64}$"
#: Version numbers and face numbers are counted in 31 bits.
MAX_NUMBER = 2**31 - 1

ImageId = Annotated[str, Path(pattern=IMAGE_ID)]
PersonaId = Annotated[str, Path(pattern=PERSONA_ID)]
JobId = Annotated[str, Path(pattern=PERSONA_ID)]
GroupId = Annotated[str, Path(pattern=PERSONA_ID)]
CommandId = Annotated[UUID, Path(description="`command_id` of an answer, or of an event.")]
FaceNo = Annotated[int, Path(ge=0, le=MAX_NUMBER)]
FaceText = Annotated[str, Field(pattern=FACE, description="`image_id:face_no`")]
CommandKey = Annotated[
    UUID | None,
    Header(
        alias="Idempotency-Key",
        description="A UUID of your own that names this command: sent again with the same one, it is done once. "
        "Without it the command gets an id of its own, and sending it again does it again.",
    ),
]


class Sent(BaseModel):
    """A body. What is not known in it is refused: a misspelt name must not be passed over."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Paging(BaseModel):
    """Which part of a list."""

    cursor: str | None = Field(
        None,
        max_length=MAX_CURSOR,
        pattern=r"^[\x21-\x7e]+$",
        description="`next_cursor` of the page before; none for the first.",
    )
    limit: int = Field(60, ge=1, le=MAX_LIMIT, description="Items at most.")


Part = Annotated[Paging, Query()]


class Page(Answer, Generic[T]):
    """A part of a list. A page may be short, or empty, and yet not the last."""

    items: list[T]
    next_cursor: str | None = Field(description="What to ask the next page with; null: this is the last.")

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        return f"{params[0].__name__}Page"


def page_of(
    page: type[Page[T]], found: Slice[E], make: Callable[[E], T], *, request: HttpRequest, response: HttpResponse
) -> Page[T]:
    """A page of answers, and a link to the one behind it (RFC 8288)."""
    if found.next_cursor is not None:
        link_next(request, response, found.next_cursor)
    return page(items=[make(item) for item in found.items], next_cursor=found.next_cursor)


def link_next(request: HttpRequest, response: HttpResponse, cursor: str) -> None:
    query = urlencode({**request.GET.dict(), "cursor": cursor})
    response["Link"] = f'<{request.path}?{query}>; rel="next"'


def key_used() -> ProblemError:
    """What somebody is told whose key named another command before."""
    return ProblemError(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "key_used",
        "This Idempotency-Key was used for something else before, and nothing was changed. Send a new one.",
    )


def command_of(key: UUID | None) -> str:
    """The id of the command that a request is."""
    return str(key) if key else new_command_id()
