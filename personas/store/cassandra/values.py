"""Values as they lie in the tables."""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, TypeVar

from personas.entities import FaceKey
from personas.errors import NotFoundError

T = TypeVar("T")

#: Values in one IN list.
CHUNK = 100
#: Partitions read at once when a list goes through the buckets.
BUCKETS_AT_ONCE = 16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_micros(at: datetime) -> int:
    """Microseconds since 1970; a CQL timestamp would keep milliseconds."""
    return (at - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    return _EPOCH + micros * _MICROSECOND


def to_json(value: Mapping[str, Any] | Sequence[Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def to_blob(value: Mapping[str, Any] | Sequence[Any]) -> bytes:
    """JSON, deflated: ten thousand face keys are half a megabyte in an event, and a kilobyte costs request units."""
    return zlib.compress(to_json(value).encode(), 1)


def from_blob(blob: bytes) -> Any:
    return json.loads(zlib.decompress(blob))


def chunks(items: Collection[T], size: int = CHUNK) -> Iterator[list[T]]:
    """Distinct items in lists that fit an IN list."""
    remaining = iter(dict.fromkeys(items))
    while chunk := list(islice(remaining, size)):
        yield chunk


def parse_key(cursor: str) -> FaceKey:
    """Cursors come back from addresses that people may have edited."""
    try:
        return FaceKey.parse(cursor)
    except ValueError as error:
        raise unknown_cursor(cursor) from error


def unknown_cursor(cursor: str) -> NotFoundError:
    return NotFoundError(f"{cursor[:80]!r} is no place in a list of this store; start at the list's beginning.")
