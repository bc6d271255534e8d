"""The state repository. `get_store()` gives the adapter that STATE_STORE names."""

from __future__ import annotations

from functools import cache

from personas.store.base import Store, StoreError

__all__ = ["Store", "StoreError", "get_store", "open_store"]


@cache
def get_store() -> Store:
    """The process-wide store, measured."""
    from django.conf import settings

    from personas.store.measured import measured

    return measured(open_store(settings.STATE_STORE))


def open_store(name: str) -> Store:
    """A store by name, "sql" or "cassandra". Adapters import their drivers only here."""
    from django.conf import settings

    if name not in settings.STORES:
        raise StoreError(f"STORES does not name {name!r}; to use two stores at once set STORES=sql,cassandra.")
    if name == "sql":
        from personas.store.sql.adapter import SqlStore

        return SqlStore(n_buckets=settings.STORE_BUCKETS)
    if name == "cassandra":
        from personas.store.cassandra.adapter import CassandraStore, product_session

        return CassandraStore(product_session(), n_buckets=settings.STORE_BUCKETS)
    raise StoreError(f"{name!r} is not a store; use sql or cassandra.")
