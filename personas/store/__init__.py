"""The state repository. `get_store()` gives the adapter that STATE_STORE names."""

from __future__ import annotations

from functools import cache

from personas.store.base import Store, StoreError

__all__ = ["Store", "StoreError", "get_store"]


@cache
def get_store() -> Store:
    """The process-wide store. Adapters import their drivers only here."""
    from django.conf import settings

    if settings.STATE_STORE == "sql":
        from personas.store.sql.adapter import SqlStore

        return SqlStore(n_buckets=settings.STORE_BUCKETS)
    raise StoreError(f"STATE_STORE={settings.STATE_STORE!r} is not a store this version has; use STATE_STORE=sql.")
