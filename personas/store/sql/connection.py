"""What the parts of the SQL adapter share: its database alias, transactions, the gapless log, and driver errors."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from django.db import DatabaseError, InterfaceError, OperationalError, connections, transaction
from django.db.models import QuerySet

from personas.entities import Event, FaceKey, NewEvent, Slice
from personas.errors import NotFoundError, TransientError
from personas.store.base import StoreError
from personas.store.sql.models import EventRow, HeadRow, Row

R = TypeVar("R", bound=Row)
T = TypeVar("T")
E = TypeVar("E")

#: Values in one IN list; SQLite takes 999 variables in a statement.
CHUNK = 500
#: How SQLite and PostgreSQL say that a table or column is missing.
_OTHER_SCHEMA = re.compile(r"no such (table|column)|has no column|(relation|column) .* does not exist")


@contextmanager
def translating() -> Iterator[None]:
    """Driver errors as the port's: what may work when tried again is transient. Usable as a decorator."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        for connection in connections.all(initialized_only=True):
            if not connection.in_atomic_block:
                connection.close_if_unusable_or_obsolete()  # a server that went away must not fail the next call too
        if _may_pass(error):
            raise TransientError(f"The database is busy or away ({error}); try again in a moment.") from error
        raise StoreError(_refusal(error)) from error
    except DatabaseError as error:
        raise StoreError(_refusal(error)) from error


def _refusal(error: Exception) -> str:
    """What the driver said, and what to do about a schema that is not this version's."""
    hint = " Has `manage.py migrate` been run?" if _OTHER_SCHEMA.search(str(error)) else ""
    return f"The database refused: {error}.{hint}"


def _may_pass(error: Exception) -> bool:
    """On SQLite an OperationalError may also be a missing table or a full disk; its code tells."""
    code = getattr(error.__cause__, "sqlite_errorname", None)
    return code is None or code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def chunks(items: Collection[T], size: int = CHUNK) -> Iterator[list[T]]:
    """Distinct items in lists that fit an IN list."""
    remaining = iter(dict.fromkeys(items))
    while chunk := list(islice(remaining, size)):
        yield chunk


def to_json(value: Mapping[str, Any] | Sequence[Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def as_slice(rows: Sequence[R], limit: int, entity: Callable[[R], E], cursor: Callable[[R], str]) -> Slice[E]:
    """A page of rows read with limit + 1."""
    page = rows[:limit]
    more = len(rows) > limit
    return Slice(items=tuple(map(entity, page)), next_cursor=cursor(page[-1]) if more and page else None)


def parse_key(cursor: str) -> FaceKey:
    """Cursors come back from addresses that people may have edited."""
    try:
        return FaceKey.parse(cursor)
    except ValueError as error:
        raise unknown_cursor(cursor) from error


def unknown_cursor(cursor: str) -> NotFoundError:
    return NotFoundError(f"{cursor[:80]!r} is no place in a list of this store; start at the list's beginning.")


def after_face(rows: QuerySet[R], key: FaceKey) -> QuerySet[R]:
    """Rows strictly behind a face in key order; a range the index answers, less its beginning."""
    return rows.filter(image_id__gte=key.image_id).exclude(image_id=key.image_id, face_no__lte=key.face_no)


def to_event(row: EventRow) -> Event:
    return Event(
        stream=row.stream,
        seq=row.seq,
        event_id=row.event_id,
        command_id=row.command_id,
        kind=row.kind,
        actor=row.actor,
        at=row.at,
        payload=json.loads(row.payload),
    )


class SqlConnection:
    """One database of settings.DATABASES. Django opens connections a thread, so an adapter may be shared by threads."""

    def __init__(self, *, n_buckets: int, using: str = "default") -> None:
        self._n_buckets = n_buckets
        self._using = using

    def _rows(self, table: type[R]) -> QuerySet[R]:
        return table._default_manager.using(self._using)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Begins with the write lock on SQLite (settings: IMMEDIATE); nests inside a caller's transaction."""
        with transaction.atomic(using=self._using):
            yield

    def _execute_many(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """One prepared statement over many rows, several times as fast as model instances."""
        if rows:
            with connections[self._using].cursor() as cursor:
                cursor.executemany(statement, rows)

    def _adapted(self, at: datetime) -> Any:
        """A time as this database's driver takes it."""
        return connections[self._using].ops.adapt_datetimefield_value(at)

    @translating()
    def head(self, stream: str) -> int:
        return self._rows(HeadRow).filter(name=stream).values_list("value", flat=True).first() or 0

    def _lock_head(self, name: str) -> int:
        """Last number given in a sequence; nobody else gives one until this transaction ends."""
        heads = self._rows(HeadRow)
        value = heads.select_for_update().filter(name=name).values_list("value", flat=True).first()
        if value is None:
            heads.bulk_create([HeadRow(name=name, value=0)], ignore_conflicts=True)
            value = heads.select_for_update().values_list("value", flat=True).get(name=name)
        return value

    def _set_head(self, name: str, value: int) -> None:
        self._rows(HeadRow).filter(name=name).update(value=value)

    def _append(self, stream: str, last: int, events: Sequence[NewEvent]) -> list[Event]:
        """Give events the numbers that follow `last` and store them. The stream's head is locked by the caller."""
        rows = [
            EventRow(
                stream=stream,
                seq=seq,
                event_id=event.event_id,
                command_id=event.command_id,
                kind=event.kind,
                actor=event.actor,
                at=event.at,
                payload=to_json(dict(event.payload)),
            )
            for seq, event in enumerate(events, start=last + 1)
        ]
        self._rows(EventRow).bulk_create(rows)
        self._set_head(stream, last + len(rows))
        return [to_event(row) for row in rows]
