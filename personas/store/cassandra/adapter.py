"""The store port on Apache Cassandra 4 and 5, or Azure Cosmos DB for Apache Cassandra."""

from __future__ import annotations

from typing import Any

from personas.store.base import StoreLayout
from personas.store.cassandra.erasing import CassandraErasing
from personas.store.cassandra.labels import CassandraLabels
from personas.store.cassandra.options import place_of
from personas.store.cassandra.session import StoreSession
from personas.store.cassandra.versions import CassandraVersions
from personas.store.cassandra.work import CassandraWork


def session_options() -> dict[str, Any]:
    """What the settings say of the session."""
    from django.conf import settings

    alias = settings.DATABASES["cassandra"]
    return {
        "keyspace": alias["NAME"],
        "side_keyspace": settings.CASSANDRA_SIDE_KEYSPACE,
        "where": place_of(alias),
        "server_clock": settings.CASSANDRA_FLAVOUR == "cosmos",
    }


def product_session() -> StoreSession:
    return StoreSession(**session_options())


class CassandraStore(CassandraErasing, CassandraLabels, CassandraVersions, CassandraWork):
    """See `personas.store.base.Store`. May be shared by threads and used after a fork."""

    def layout(self) -> StoreLayout:
        return StoreLayout(n_buckets=self._n_buckets)

    def close(self) -> None:
        """The driver keeps its connections and shares them between threads, so there is nothing to give back."""
