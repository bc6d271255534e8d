"""The init role: makes an installation ready for the other roles, once, and safely if repeated or run twice at once.

Schema of the database, with ADMIN_PASSWORD a first administrator, schema of the state repository, and with INIT_SOURCE
a first folder of pictures and the first fit. Each step can be repeated; SIGTERM ends it between two steps.
"""

from __future__ import annotations

import io
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import Final

from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.utils import timezone

from orchestration.services import ingest_folder
from personas.bootstrap import ensure_first_administrator, is_bootstrap
from personas.errors import FaceProjectError, NotFoundError, TransientError
from personas.lease import LeaseBusyError, held_lease
from personas.management.schema import bring_up_to_date
from personas.store import get_store

logger = logging.getLogger(__name__)

LEASE: Final = "init"
#: How long databases that have not come up yet are waited for, in seconds, and between two tries.
WAIT_SECONDS, RETRY_SECONDS = 120.0, 1.0
#: Exit codes: as a shell has it for a process that SIGTERM ended.
DONE, ENDED = 0, 143

Step = tuple[str, Callable[[], None]]


def initialise(ending: threading.Event) -> int:
    """Bring this installation to where the other roles can work; returns DONE, or ENDED when told to end before.

    Raises FaceProjectError (what is wrong, and what to do).
    """
    preparing = (
        ("database", _migrate_database),
        ("administrator", _add_administrator),
        ("state repository", _migrate_store),
    )
    if not _take(_patiently(preparing, ending), ending):
        return ENDED
    if settings.INIT_SOURCE:
        filling = (("pictures", _ingest), ("first version", _fit))
        with ExitStack() as stack:
            if not (_entered(stack, ending) and _take(filling, ending)):
                return ENDED
    logger.info("the installation is ready")
    return DONE


def _take(steps: Iterable[Step], ending: threading.Event) -> bool:
    """One step after another; False when told to end before the last was done."""
    for name, step in steps:
        if ending.is_set():
            logger.warning("ended before the step was begun; run init again", extra={"step": name})
            return False
        logger.info("init step", extra={"step": name})
        step()
    return True


def _patiently(steps: Iterable[Step], ending: threading.Event) -> Iterator[Step]:
    """Steps that are tried again while the servers they need come up, or another process is at the same."""
    deadline = time.monotonic() + WAIT_SECONDS

    def patient(step: Callable[[], None]) -> None:
        while True:
            try:
                return step()
            except TransientError as error:
                if time.monotonic() >= deadline or ending.is_set():
                    raise
                logger.info("init waits: %s", error)
                ending.wait(RETRY_SECONDS)

    for name, step in steps:
        yield name, lambda step=step: patient(step)  # type: ignore[misc]  # bound now, not when it is called


def _migrate_database() -> None:
    try:
        bring_up_to_date()
    except OperationalError as error:
        connection.close()
        raise TransientError(f"The database cannot be used ({error}). Is DATABASE_URL right, and is it up?") from error


def _add_administrator() -> None:
    """Only the first, so that nobody is needed at a console; USERS=bootstrap has the web set its own."""
    if settings.ADMIN_PASSWORD and not is_bootstrap() and ensure_first_administrator(settings.ADMIN_PASSWORD):
        logger.info("the first administrator is made: admin, with ADMIN_PASSWORD")


def _migrate_store() -> None:
    if settings.STATE_STORE != "cassandra":
        return  # the SQL store's tables came with the database's
    try:
        call_command("migrate_store", stdout=io.StringIO())
    except CommandError as error:
        if isinstance(error.__cause__, FaceProjectError):
            raise error.__cause__ from error
        raise


def _entered(stack: ExitStack, ending: threading.Event) -> bool:
    """One init at a time takes in the folder; another one waits, and then finds everything there."""
    while not ending.is_set():
        try:
            stack.enter_context(held_lease(get_store(), LEASE, clock=timezone.now))
        except LeaseBusyError:
            ending.wait(RETRY_SECONDS)
        else:
            return True
    return False


def _ingest() -> None:
    summary = ingest_folder(source=settings.INIT_SOURCE, workers=None, actor="init", progress=False)
    counts = {name: summary[name] for name in ("pictures", "new", "known", "faces", "labels")}
    logger.info("pictures taken in", extra={**counts, "rejected": len(summary["rejected"])})


def _fit() -> None:
    """Only the first version: later ones are the trainer's."""
    from training.services import train  # scikit-learn takes a second

    if get_store().champion() is not None:
        return
    try:
        outcome = train(actor="init")
    except (NotFoundError, LeaseBusyError) as error:  # nothing to learn from, or the trainer is at it
        logger.warning("no first version by init: %s", error)
        return
    logger.info("first attempt ended", extra={"version": outcome.version, "promoted": outcome.promoted})
