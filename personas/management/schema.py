"""The database's schema, brought to this version's before a command needs it (embedded mode)."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor


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
    folder = os.open(settings.FACEPROJECT_HOME, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        if _is_pending():
            call_command("migrate", interactive=False, verbosity=0)
    finally:
        os.close(folder)


def _is_pending() -> bool:
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
