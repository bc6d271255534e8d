"""The database's schema, brought to this version's before a command needs it (embedded mode)."""

from __future__ import annotations

import fcntl
import os

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor


def bring_up_to_date() -> None:
    """Apply what is pending, if anything; of several processes that come at once, one does it and the others wait.

    Raises django.db.DatabaseError, as when the database cannot be written.
    """
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
