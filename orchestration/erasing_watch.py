"""Whether deleted pictures are to be erased, told without reading all their marks at each look.

Marks change by events of the log of labels and fall due by time, so they are read when an event that marks was recorded
or one falls due. Labels, of which there are many, cost a look at the new events alone. A restart reads the marks once;
nothing else is lost by it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from personas.entities import LABELS
from personas.projection import IMAGES_DELETED, IMAGES_ERASED, IMAGES_ERASING, IMAGES_RESTORED
from personas.selectors.erasing import erasing_is_due_at
from personas.store.base import Store

#: Events that make marks or take them away.
MARKING: Final = frozenset({IMAGES_DELETED, IMAGES_RESTORED, IMAGES_ERASING, IMAGES_ERASED})
#: More new events than this are not looked through: the marks are read instead.
EVENTS_AT_ONCE = 50
#: For so long after such an event marks are read at each look: it may be projected after it was recorded.
PROJECTED_SECONDS = 60.0
#: Marks are read after this long whatever happened.
LONGEST_SECONDS = 3600.0


@dataclass(slots=True)
class ErasingWatch:
    """Remembers of one store how far its log was looked through, and when the first picture falls due."""

    store: Store
    kept: timedelta  #: how long a deleted picture can be restored
    monotonic: Callable[[], float] = time.monotonic
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    through: int = -1  #: the event up to which the log was looked through
    _due_at: datetime | None = None
    _read_at: float = float("-inf")
    _news_at: float = float("-inf")

    def is_due(self) -> bool:
        """Whether there is something to erase, or to finish."""
        said = self.store.head(LABELS)
        if self._has_news(said):
            self._news_at = self.monotonic()
        now = self.clock()
        if self._may_have_changed(now):
            self._due_at = erasing_is_due_at(self.store, now=now, kept=self.kept)
            self._read_at = self.monotonic()
        self.through = said
        return self._due_at is not None and self._due_at <= now

    def _has_news(self, said: int) -> bool:
        if self.through < 0 or said - self.through > EVENTS_AT_ONCE:
            return True
        if said <= self.through:
            return False
        events = self.store.events(LABELS, after=self.through, limit=said - self.through)
        return any(event.kind in MARKING for event in events)

    def _may_have_changed(self, now: datetime) -> bool:
        began = self.monotonic()
        is_recent = began < self._news_at + PROJECTED_SECONDS
        return (
            is_recent or began >= self._read_at + LONGEST_SECONDS or (self._due_at is not None and self._due_at <= now)
        )
