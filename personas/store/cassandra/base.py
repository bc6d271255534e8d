"""What the parts of the Cassandra adapter share: the session, the buckets, and lists that go through them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, TypeVar

from personas.buckets import bucket_of
from personas.entities import Slice
from personas.store.cassandra import statements as cql
from personas.store.cassandra.session import CqlRow, StoreSession
from personas.store.cassandra.statements import Statement
from personas.store.cassandra.values import BUCKETS_AT_ONCE, chunks

E = TypeVar("E")

#: Partition of tables that have one.
SPACE = "all"


def as_slice(
    rows: Sequence[CqlRow], limit: int, entity: Callable[[CqlRow], E], cursor: Callable[[CqlRow], str]
) -> Slice[E]:
    """A page of rows read with limit + 1."""
    page = rows[:limit]
    more = len(rows) > limit
    return Slice(items=tuple(map(entity, page)), next_cursor=cursor(page[-1]) if more and page else None)


class CassandraBase:
    """`n_buckets` counts only when the store is created; afterwards the store's own number does."""

    def __init__(self, session: StoreSession, *, n_buckets: int) -> None:
        self._session = session
        self._wanted_buckets = n_buckets
        self._known_buckets: int | None = None

    @property
    def _n_buckets(self) -> int:
        if self._known_buckets is None:
            row = self._session.row(cql.LAYOUT, space=SPACE)
            if row is None:
                self._session.compare_and_set(cql.SET_LAYOUT, space=SPACE, n_buckets=self._wanted_buckets)
                row = self._session.row(cql.LAYOUT, serial=True, space=SPACE)
            self._known_buckets = int(row.n_buckets) if row is not None else self._wanted_buckets
        return self._known_buckets

    def _bucket(self, image_id: str) -> int:
        return bucket_of(image_id, self._n_buckets)

    def _of_images(self, statement: Statement, image_ids: Collection[str]) -> Iterator[CqlRow]:
        """Rows of these pictures: a read a bucket, not a read a picture."""
        by_bucket: dict[int, list[str]] = defaultdict(list)
        for image_id in image_ids:
            if len(image_id) >= 4:
                by_bucket[self._bucket(image_id)].append(image_id)
        params = [{"bucket": bucket, "image_ids": chunk} for bucket, ids in by_bucket.items() for chunk in chunks(ids)]
        for rows in self._session.rows_many(statement, params):
            yield from rows

    def _in_order(
        self, statement: Statement, *, limit: int, first_bucket: int, first: dict[str, Any], then: dict[str, Any]
    ) -> list[CqlRow]:
        """limit + 1 rows at most, through the buckets in order: from `first` in the first, from `then` in the rest."""
        found: list[CqlRow] = []
        bucket, window = first_bucket, 1
        while bucket < self._n_buckets and len(found) <= limit:
            buckets = range(bucket, min(bucket + window, self._n_buckets))
            params = [
                {**(first if b == first_bucket else then), "bucket": b, "rows": limit + 1 - len(found)} for b in buckets
            ]
            for rows in self._session.rows_many(statement, params):
                found.extend(rows)
            bucket, window = buckets.stop, min(window * 4, BUCKETS_AT_ONCE)  # empty buckets are passed quickly
        return found[: limit + 1]

    def _all_buckets(self, statement: Statement) -> Iterator[CqlRow]:
        """Every row of a bucketed table, some buckets at a time."""
        for start in range(0, self._n_buckets, BUCKETS_AT_ONCE):
            buckets = range(start, min(start + BUCKETS_AT_ONCE, self._n_buckets))
            for rows in self._session.rows_many(statement, [{"bucket": bucket} for bucket in buckets]):
                yield from rows
