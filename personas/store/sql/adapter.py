"""The store port on Django's ORM: SQLite (the embedded default) or PostgreSQL."""

from __future__ import annotations

import os
from typing import Any

from django.db import connections

from personas.store.base import StoreLayout
from personas.store.sql.erasing import SqlErasing
from personas.store.sql.labels import SqlLabels
from personas.store.sql.models_ import SqlModels
from personas.store.sql.work import SqlWork

#: Connections a fork left in this process. They belong to the parent: using or closing one here would corrupt its
#: state (https://www.sqlite.org/howtocorrupt.html#_carrying_an_open_database_file_across_a_fork_), so they are kept.
_inherited: list[Any] = []


def _leave_connections_to_parent() -> None:
    for connection in connections.all(initialized_only=True):
        if connection.connection is not None:
            _inherited.append(connection.connection)
            connection.connection = None  # the next query opens one of this process's own
            connection.in_atomic_block = False


os.register_at_fork(after_in_child=_leave_connections_to_parent)


class SqlStore(SqlErasing, SqlLabels, SqlModels, SqlWork):
    """See `personas.store.base.Store`. May be shared by threads and used after a fork."""

    def layout(self) -> StoreLayout:
        return StoreLayout(n_buckets=self._n_buckets)

    def close(self) -> None:
        """A connection inside somebody's transaction stays open: that somebody will need it."""
        for connection in connections.all(initialized_only=True):
            if not connection.in_atomic_block:
                connection.close()
