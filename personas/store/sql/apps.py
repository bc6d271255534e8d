from django.apps import AppConfig


class SqlStoreConfig(AppConfig):
    """The tables of the SQL adapter of the store port."""

    name = "personas.store.sql"
    label = "sqlstore"
