"""What goes wrong on purpose: `faults.add("PUT", "*/containerGroups/web", kind=Fault.THROTTLED, times=2)`."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final

from tests.azure_double.https import Answer, DroppedError
from tests.azure_double.resources import ArmError


class Fault(StrEnum):
    """Kinds of faults. All but the last three come in place of the effect of the request."""

    CONFLICT = "conflict"  #: 409
    THROTTLED = "throttled"  #: 429 with Retry-After
    SERVER_ERROR = "server_error"  #: 500, 503, …: `status`
    FORBIDDEN = "forbidden"  #: 403 AuthorizationFailed
    PRINCIPAL_NOT_FOUND = "principal_not_found"  #: 400, as for an identity that is a minute old
    QUOTA = "quota"  #: 409 QuotaExceeded
    REFUSED = "refused"  #: `status`, `code`, `message` as given
    NAME_TAKEN = "name_taken"  #: a check says that somebody has the name
    DROPPED_BEFORE = "dropped_before"  #: the connection ends, nothing was done
    DROPPED_AFTER = "dropped_after"  #: the connection ends, and it was done
    FAILS_LATER = "fails_later"  #: accepted, and the operation ends as Failed with `code` and `message`


#: Those whose request is carried out.
_AFTER: Final = (Fault.DROPPED_AFTER, Fault.FAILS_LATER)
_DEFAULTS: Final = {
    Fault.CONFLICT: (409, "Conflict", "Another write to the resource is going on."),
    Fault.THROTTLED: (429, "TooManyRequests", "Too many requests; try again later."),
    Fault.SERVER_ERROR: (500, "InternalServerError", "Encountered an internal error."),
    Fault.FORBIDDEN: (
        403,
        "AuthorizationFailed",
        "The client does not have authorization to perform the action over the scope, or the scope is invalid.",
    ),
    Fault.PRINCIPAL_NOT_FOUND: (400, "PrincipalNotFound", "Principal does not exist in the directory."),
    Fault.QUOTA: (409, "QuotaExceeded", "Operation could not be completed as it results in exceeding approved quota."),
    Fault.REFUSED: (400, "BadRequest", "The request is refused."),
    Fault.FAILS_LATER: (200, "InternalServerError", "The operation failed."),
}


@dataclass(slots=True, kw_only=True)
class Scripted:
    """One that waits for its request. `met` counts how often it struck."""

    method: str
    path: str
    kind: Fault
    times: int
    after: int
    status: int
    code: str
    message: str
    retry_after: int
    met: int = 0

    def strikes(self, method: str, path: str) -> bool:
        """Whether it does now; counts."""
        if self.times <= self.met or self.method not in ("*", method):
            return False
        if not fnmatchcase(path.lower(), self.path.lower()):
            return False
        self.after -= 1
        if self.after >= 0:
            return False
        self.met += 1
        return True


class Faults:
    """All that are scripted. Safe in threads."""

    def __init__(self) -> None:
        self.scripted: list[Scripted] = []
        self._lock = threading.Lock()

    def add(
        self,
        method: str,
        path_pattern: str,
        *,
        kind: Fault | str,
        times: int = 1,
        after: int = 0,
        status: int | None = None,
        code: str | None = None,
        message: str | None = None,
        retry_after: int = 0,
    ) -> Scripted:
        """The next `times` requests like this meet it, `after` so many that do not. `*` in the pattern is any text."""
        usual = _DEFAULTS.get(Fault(kind), (0, "", ""))
        added = Scripted(
            method=method,
            path=path_pattern,
            kind=Fault(kind),
            times=times,
            after=after,
            status=status or usual[0],
            code=code or usual[1],
            message=message or usual[2],
            retry_after=retry_after,
        )
        with self._lock:
            self.scripted.append(added)
        return added

    def find(self, method: str, path: str) -> Scripted | None:
        """The one that this request meets."""
        with self._lock:
            return next((each for each in self.scripted if each.strikes(method, path)), None)


def before(fault: Scripted | None, method: str) -> Answer | None:
    """What a fault does in place of the request; None: the request is carried out. Raises ArmError, DroppedError."""
    if fault is None or fault.kind in _AFTER:
        return None
    if fault.kind is Fault.DROPPED_BEFORE:
        raise DroppedError
    if fault.kind is Fault.NAME_TAKEN:
        if method == "HEAD":
            return Answer(status=200)
        return Answer(
            content={
                "nameAvailable": False,
                "isSubdomainAvailable": False,
                "reason": "AlreadyExists",
                "message": "The name is already taken.",
            }
        )
    headers = {"Retry-After": str(fault.retry_after)} if fault.kind is Fault.THROTTLED else {}
    raise ArmError(fault.status, fault.code, fault.message, headers)
