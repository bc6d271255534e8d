"""What an ingest run did with its source, and how far it has come meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from ingest.rejections import Rejection
from personas.entities import Image, ImageStatus


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


@dataclass(slots=True)
class Tally:
    """Counts while a run goes on."""

    taken: int = 0
    refused: int = 0  #: pictures only, not sidecars
    new: int = 0
    known: int = 0
    faces: int = 0
    no_face: int = 0
    labels: int = 0
    truths: int = 0
    kept: int = 0
    extracted: int = 0
    categories: Counter[str] = field(default_factory=Counter)
    contents: set[bytes] = field(default_factory=set)  #: first half of each image_id, to count a content once
    rejections: list[Rejection] = field(default_factory=list)

    def add_image(self, image: Image) -> None:
        content = bytes.fromhex(image.image_id[:32])
        if content not in self.contents:
            self.contents.add(content)
            self.faces += image.n_faces
            self.no_face += image.status is ImageStatus.NO_FACE

    def progress(self, total: int | None) -> Progress:
        done = self.taken + self.refused
        return Progress(done=done, total=total, new=self.new, rejected=len(self.rejections))

    def summary(self, source: str, seconds: float) -> IngestSummary:
        rejected = tuple(sorted(self.rejections, key=lambda each: (each.path, each.reason)))
        return IngestSummary(
            source=source,
            pictures=self.taken,
            new=self.new,
            known=self.taken - self.new,
            faces=self.faces,
            no_face=self.no_face,
            labels=self.labels,
            truths=self.truths,
            labels_kept=self.kept,
            categories=dict(sorted(self.categories.items())),
            rejected=rejected,
            reasons=dict(sorted(Counter(each.reason for each in rejected).items())),
            seconds=round(seconds, 3),
            pictures_per_second=round(self.extracted / seconds, 1) if seconds else 0.0,
        )
