"""What goes wrong in the double of Azure Files, by a script."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from tests.azure_double.files_requests import Called


@dataclass(slots=True, kw_only=True)
class _Fault:
    kind: str
    what: str
    path: re.Pattern[str]
    after: int
    times: int


@dataclass(slots=True)
class FileFaults:
    """Faults that wait for their request."""

    waiting: list[_Fault] = field(default_factory=list)

    def add(self, kind: str, *, what: str = "", path: str = "", after: int = 0, times: int = 1) -> None:
        """kind: an error code such as "ServerBusy", "drop" (no answer, no effect) or "drop_after" (effect, no answer).

        what: the operation ("": any), path: a regular expression found in its path; after: requests like this that
        still go well; times: how often it happens.
        """
        self.waiting.append(_Fault(kind=kind, what=what, path=re.compile(path), after=after, times=times))

    def due(self, called: Called) -> str | None:
        """The kind that this request meets. Call it once a request, one at a time."""
        for fault in self.waiting:
            if fault.times and fault.what in ("", called.what) and fault.path.search(called.path):
                if fault.after:
                    fault.after -= 1
                    continue
                fault.times -= 1
                return fault.kind
        return None
