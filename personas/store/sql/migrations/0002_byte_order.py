"""Lists are sorted by the bytes of their keys, as SQLite and Cassandra do, whatever language a PostgreSQL server speaks."""

from __future__ import annotations

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

SORTED_COLUMNS = (
    ("store_image_path", "source"),
    ("store_image_path", "path"),
    ("store_persona", "persona_id"),
    ("store_label", "persona_id"),
    ("store_job", "job_id"),
    ("store_ranked_page", "last_key"),
)


def sort_by_bytes(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor != "postgresql":
        return
    for table, column in SORTED_COLUMNS:
        schema_editor.execute(f'ALTER TABLE "{table}" ALTER COLUMN "{column}" TYPE varchar COLLATE "C"')


class Migration(migrations.Migration):
    dependencies = [("sqlstore", "0001_initial")]
    operations = [migrations.RunPython(sort_by_bytes, migrations.RunPython.noop)]
