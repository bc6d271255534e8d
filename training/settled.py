"""What people had settled when a version was published: the faces it leaves out, and whom it must not name them.

Kept as a file named by its content, because labels move on while a version is published: every worker that scores a
part of it, and an attempt that goes on after a kill, leaves out the same faces.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from personas.entities import Label
from personas.errors import FaceProjectError
from personas.face_arrays import FaceKeys


class SettledCorruptError(FaceProjectError):
    """The bytes of such a file are not what was written."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Settled:
    """Faces people named, and whom faces were said not to be; both by key."""

    named: FaceKeys
    rejected_faces: FaceKeys  #: (n,)
    rejected_personas: tuple[str, ...]  #: (n,), who the face is not

    @classmethod
    def of(cls, labels: Iterable[Label], *, said_through: int) -> Settled:
        """By label events up to `said_through`. A face that has a name needs no rejections."""
        said = sorted(
            (label for label in labels if label.seq <= said_through), key=lambda label: (label.key, label.persona_id)
        )
        named = {label.key for label in said if label.belongs}
        rejected = [label for label in said if not label.belongs]
        return cls(
            named=FaceKeys.of(sorted(named)),
            rejected_faces=FaceKeys.of([label.key for label in rejected]),
            rejected_personas=tuple(label.persona_id for label in rejected),
        )

    def to_bytes(self) -> bytes:
        """An .npz without pickle; the same faces give the same bytes."""
        packed = io.BytesIO()
        np.savez(
            packed,
            allow_pickle=False,
            named=self.named.packed,
            rejected_faces=self.rejected_faces.packed,
            rejected_personas=np.array(self.rejected_personas, np.str_),
        )
        return packed.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Settled:
        """Raises SettledCorruptError."""
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as members:
                return cls(
                    named=FaceKeys(members["named"]),
                    rejected_faces=FaceKeys(members["rejected_faces"]),
                    rejected_personas=tuple(members["rejected_personas"].tolist()),
                )
        except (zipfile.BadZipFile, KeyError, ValueError, EOFError, OSError) as error:
            raise SettledCorruptError(
                "The file of faces that people had named is damaged. Publish the version again: `manage.py train`, or "
                "`manage.py promote VERSION`."
            ) from error
