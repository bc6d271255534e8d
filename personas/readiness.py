"""Whether a process can do its work now: checks by name, each ok or a sentence that says what is missing.

The sentences are the product's own and hold nothing a driver said (addresses, user names): the web process answers
`/readyz` to anybody. What exactly failed stands in the log, once each time it changes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from django.db import DatabaseError, connection

from personas.errors import FaceProjectError, TransientError
from personas.management.schema import is_current, is_store_current
from personas.recogniser import current_recogniser
from personas.store import get_store
from personas.store.base import StoreError

logger = logging.getLogger(__name__)

OK: Final = "ok"
UNFORESEEN: Final = "It failed in a way nobody foresaw; the log says how."
STORE_AWAY: Final = "The state repository cannot be read."
#: What a store that does not answer raises, whatever is asked of it.
STORE_ERRORS: Final = (DatabaseError, StoreError, TransientError)
Check = Callable[[], None]
#: What each check said last, so that the log says only what is new.
_last: dict[str, str] = {}


class NotReadyError(FaceProjectError):
    """Something that a process needs is not there now."""


@contextmanager
def _saying(sentence: str) -> Iterator[None]:
    """What fails inside fails with this sentence, unless it has one already."""
    try:
        yield
    except NotReadyError:
        raise
    except (DatabaseError, FaceProjectError, OSError) as error:
        raise NotReadyError(sentence) from error


def check_database() -> None:
    """Users and sessions. Raises NotReadyError."""
    with _saying("The users' database does not answer."), connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def check_schema() -> None:
    """Database and state repository have this version's tables. Raises NotReadyError."""
    _require_current(is_current)


def check_store_schema() -> None:
    """The state repository has this version's tables: workers may have no way to the users' database.

    Raises NotReadyError.
    """
    _require_current(is_store_current)


def _require_current(asked: Callable[[], bool]) -> None:
    with _saying("The schema cannot be read."):
        current = asked()
    if not current:
        raise NotReadyError("The schema of this version is not there yet: `manage.py role init` brings it.")


def check_store() -> None:
    """The state repository answers. Raises NotReadyError."""
    with _saying(STORE_AWAY):
        get_store().champion()


def check_champion() -> None:
    """The champion, where there is one, can be loaded. Raises NotReadyError."""
    with _saying("The champion's artefact cannot be loaded: `manage.py rollback` goes back to the one before."):
        try:
            current_recogniser()
        except STORE_ERRORS as error:  # going back would not help
            raise NotReadyError(STORE_AWAY) from error


#: What pages need. Never the broker: the web writes to the store and lets the dispatcher find it.
WEB_CHECKS: Final[Mapping[str, Check]] = {
    "database": check_database,
    "schema": check_schema,
    "store": check_store,
    "models": check_champion,
}
#: What every process that works on the store needs.
STORE_CHECKS: Final[Mapping[str, Check]] = {"schema": check_store_schema, "store": check_store}


def readiness(checks: Mapping[str, Check]) -> dict[str, str]:
    """Each check's name with `ok`, or with the sentence that says what is missing; every check is asked."""
    found: dict[str, str] = {}
    for name, check in checks.items():
        try:
            check()
            found[name] = OK
        except Exception as error:  # noqa: BLE001 - whatever it is, the process is not ready
            found[name] = str(error) if isinstance(error, FaceProjectError) else UNFORESEEN
            if _last.get(name) != found[name]:
                logger.warning("not ready: %s", error, extra={"check": name, "cause": repr(error.__cause__ or error)})
        if found[name] == OK and _last.get(name, OK) != OK:
            logger.info("ready again", extra={"check": name})
        _last[name] = found[name]
    return found


def all_ok(found: Mapping[str, str]) -> bool:
    return all(said == OK for said in found.values())
