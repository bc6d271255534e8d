"""What an ingest run did with its source, and how far it has come meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from ingest.rejections import Rejection


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """done, total: pictures (total None: still counting)."""

    done: int
    total: int | None
    new: int
    rejected: int


ProgressCallback = Callable[[Progress], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestSummary:
    """Totals of one source after one run.

    pictures: files that are pictures (= new + known). new: contents stored by this run. known: files whose content the
    store had, or that repeat another file. faces, no_face: over the distinct contents of this source. labels, truths:
    made by this run from sidecars; labels_kept: sidecars that a person has overruled meanwhile. categories: pictures a
    category of their sidecars. pictures_per_second: extracted ones. rejected: by path.
    """

    source: str
    pictures: int
    new: int
    known: int
    faces: int
    no_face: int
    labels: int
    truths: int
    labels_kept: int
    categories: dict[str, int] = field(default_factory=dict)
    rejected: tuple[Rejection, ...] = ()
    reasons: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    pictures_per_second: float = 0.0

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "rejected": [asdict(each) for each in self.rejected]}
