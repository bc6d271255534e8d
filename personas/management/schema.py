"""The schema of database and state repository: whether it is this version's, and bringing it there (embedded mode)."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

#: PostgreSQL's advisory lock while the schema changes: any number that nothing else takes.
MIGRATION_LOCK = 0x66616365
#: Whether this process has seen the present schema. What is there stays there: migrations only add.
_was_current = False


def create_private() -> None:
    """An SQLite file that is not there yet, for its owner only; SQLite gives the files beside it the same mode."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite" and name != ":memory:":
        with contextlib.suppress(OSError):  # there already, or for the driver to refuse by name
            Path(name).touch(mode=0o600, exist_ok=False)


def bring_up_to_date() -> None:
    """Apply what is pending, if anything; of several processes that come at once, one does it and the others wait.

    Raises django.db.DatabaseError, as when the database cannot be written.
    """
    create_private()
    if not _is_pending():
        return
    with _alone():
        if _is_pending():
            call_command("migrate", interactive=False, verbosity=0)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Of processes that come at once, one is inside: of all that share a PostgreSQL database, or a state folder."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
            try:
                yield
            finally:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])
        return
    folder = os.open(settings.FACEPROJECT_HOME, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def is_current() -> bool:
    """Database and state repository have what this version needs; asked until they have, then remembered.

    Raises django.db.DatabaseError and FaceProjectError, as when one of them does not answer.
    """
    global _was_current
    if not _was_current:
        create_private()
        _was_current = not _is_pending() and not _is_store_pending()
    return _was_current


def is_store_current() -> bool:
    """The state repository has what this version needs: all that a worker needs, which knows no users.

    Raises as `is_current` does.
    """
    if settings.STATE_STORE != "cassandra":
        return is_current()  # the SQL store's tables lie in the users' database
    return _was_current or not _is_store_pending()


def store_schema() -> str:
    """The last migration of the state repository that was applied, for people; "" where there is none.

    Raises django.db.DatabaseError and FaceProjectError, as when it does not answer.
    """
    if settings.STATE_STORE == "cassandra":
        from personas.store.cassandra.adapter import product_session
        from personas.store.cassandra.schema import Schema, migrations

        pending = {migration.number for migration in Schema(product_session()).pending()}
        applied = [f"{each.number:04d}_{each.name}" for each in migrations() if each.number not in pending]
    else:
        known = MigrationRecorder(connection).applied_migrations()
        applied = sorted(name for app, name in known if app == "sqlstore")
    return applied[-1] if applied else ""


def _is_store_pending() -> bool:
    if settings.STATE_STORE != "cassandra":
        return False  # the SQL store's tables come with the database's
    from personas.store.cassandra.adapter import product_session
    from personas.store.cassandra.schema import Schema

    return bool(Schema(product_session()).pending())


def _is_pending() -> bool:
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
