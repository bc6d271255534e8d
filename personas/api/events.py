"""The log: what happened since."""

from __future__ import annotations

import enum
from typing import Annotated

from django.http import HttpResponse
from ninja import Router
from ninja.params.functions import Path, Query
from pydantic import Field

from personas.api.answers import Answer, Event
from personas.api.asking import MAX_LIMIT, link_next
from personas.api.interface import ApiRequest
from personas.entities import INGEST, LABELS
from personas.store import get_store

router = Router(tags=["events"])


class Stream(enum.StrEnum):
    LABELS = LABELS  #: what people said of faces and personas
    INGEST = INGEST  #: pictures that came


class Events(Answer):
    """Events in the order they happened."""

    items: list[Event]
    next_cursor: str | None = Field(description="What to ask for more with; null: that was all for now.")
    last_seq: int = Field(description="Send it as `cursor` later, to learn what came since.")


StreamName = Annotated[Stream, Path(description="`labels`: what people said. `ingest`: pictures that came.")]
Since = Annotated[int, Query(ge=0, le=10**15, description="Only events behind this sequence number.")]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]


@router.get("/{stream}", response=Events)
def list_events(
    request: ApiRequest, response: HttpResponse, stream: StreamName, cursor: Since = 0, limit: Limit = 60
) -> Events:
    """Events of a stream since a cursor, the oldest first; one command may have made several."""
    store = get_store()
    found = store.events(stream.value, after=cursor, limit=limit + 1)
    items, more = found[:limit], len(found) > limit
    # A cursor of a log that was longer (another store, a backup) would pass over all that comes until then.
    last_seq = items[-1].seq if items else min(cursor, store.head(stream.value))
    if more:
        link_next(request, response, str(last_seq))
    return Events(
        items=[Event.of(event) for event in items], next_cursor=str(last_seq) if more else None, last_seq=last_seq
    )
