from django.apps import AppConfig


class CassandraStoreConfig(AppConfig):
    """The Cassandra adapter; installed only when it is the store. No models: see `statements` and `migrations/`."""

    name = "personas.store.cassandra"
    label = "personas_store_cassandra"
