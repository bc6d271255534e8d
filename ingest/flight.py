"""A picture on its way through one run, from the listing to the store."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.messages import Extracted, Seen
from ingest.rejections import RejectedError
from ingest.sources.base import SourcePicture
from personas.entities import ImagePath


@dataclass(slots=True, eq=False)
class Flight:
    """A picture between listing and storing. known: its path as the store has it."""

    picture: SourcePicture
    known: ImagePath | None
    seen: Seen | None = None
    sidecar: bytes | RejectedError | None = None
    extracted: Extracted | None = None

    @property
    def path(self) -> str:
        return self.picture.file.path

    @property
    def image_id(self) -> str:
        """SHA-256 of its content, once that was read or is known from before."""
        if self.seen is not None:
            return self.seen.image_id
        assert self.known is not None
        return self.known.image_id

    @property
    def applied(self) -> str:
        """SHA-256 of the sidecar applied to this content at this path before."""
        return self.known.sidecar if self.known is not None and self.known.image_id == self.image_id else ""
