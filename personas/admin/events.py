"""The log of events, newest first."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from personas import models
from personas.entities import INGEST, LABELS, Slice
from personas.errors import NotFoundError
from personas.store import Store
from personas.store_admin import PAGE, Details, Filter, Row, StoreAdmin
from personas.views.http import whole_number


@admin.register(models.Event)
class EventAdmin(StoreAdmin):
    writes = False
    columns = ("Number", "What", "By", "At", "Holds")
    searches = "Number to begin at"

    def _stream(self, request: HttpRequest) -> str:
        return INGEST if request.GET.get("stream") == INGEST else LABELS

    def filters(self, store: Store, request: HttpRequest) -> Sequence[Filter]:
        choices = [(LABELS, LABELS), (INGEST, INGEST)]
        return (Filter(name="stream", title="Stream", choices=choices, chosen=self._stream(request)),)

    def rows(self, store: Store, request: HttpRequest, cursor: str | None) -> Slice[Row]:
        """Newest first: the log is read in blocks from its head down."""
        stream = self._stream(request)
        head = store.head(stream)
        wanted = whole_number(cursor or request.GET.get("q", "").strip())
        last = head if wanted is None else min(wanted, head)
        first = max(0, last - PAGE)
        events = [event for event in store.events(stream, after=first, limit=PAGE) if event.seq <= last]
        rows = [
            Row(
                pk=f"{stream}:{event.seq}",
                cells=(event.seq, event.kind, event.actor, event.at, _shortened(event.payload)),
            )
            for event in reversed(events)
        ]
        return Slice(items=tuple(rows), next_cursor=str(first) if first else None)

    def details(self, store: Store, pk: str) -> Details:
        stream, _, text = pk.partition(":")
        number = whole_number(text)
        found = store.events(stream, after=number - 1, limit=1) if number else ()
        if stream not in (LABELS, INGEST) or not found or found[0].seq != number:
            raise NotFoundError("There is no such event.")
        event = found[0]
        return Details(
            title=f"Event {pk}",
            facts=(
                ("What", event.kind),
                ("By", event.actor),
                ("At", event.at),
                ("Command", event.command_id),
                ("Holds", _shortened(event.payload, 4000)),
            ),
        )


def _shortened(payload: Any, length: int = 120) -> str:
    text = json.dumps(dict(payload), ensure_ascii=False)
    return text if len(text) <= length else f"{text[:length]}…"
