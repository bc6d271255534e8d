"""Groups of faces that nobody claims, as one run of grouping left them: a file named by its content.

The trainer-worker writes it, pages read it. What people say afterwards is overlaid on read, so the file never changes.
No Django, no I/O.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from personas.entities import FaceKey
from personas.errors import FaceProjectError
from personas.face_arrays import FaceKeys

FORMAT_VERSION = 1  # 1: ids (n,) str, bounds (n + 1,) int64, faces (m, 36) uint8


class GroupsCorruptError(FaceProjectError):
    """The bytes of such a file are not what was written."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FaceGroups:
    """Groups by size, the largest first; each with its most central face first."""

    ids: tuple[str, ...]  #: (n,), kept from run to run while most of a group stays together
    bounds: npt.NDArray[np.int64]  #: (n + 1,), where each group begins among `faces`, and where the last ends
    faces: FaceKeys
    _sorted: npt.NDArray[np.bytes_] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_sorted", np.sort(self.faces.texts()))

    @classmethod
    def of(cls, ids: Sequence[str], groups: Sequence[FaceKeys]) -> FaceGroups:
        bounds = np.cumsum([0, *(len(group) for group in groups)], dtype=np.int64)
        packed = [FaceKeys.of([]).packed, *(group.packed for group in groups)]
        return cls(ids=tuple(ids), bounds=bounds, faces=FaceKeys(np.concatenate(packed)))

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, place: int) -> FaceKeys:
        return self.faces[int(self.bounds[place]) : int(self.bounds[place + 1])]

    def place_of(self, group_id: str) -> int | None:
        """Where the group stands; None: there is none of this id."""
        return self.ids.index(group_id) if group_id in self.ids else None

    def hold(self, keys: Sequence[FaceKey]) -> npt.NDArray[np.bool_]:
        """Which of these faces are in a group, (n_keys,)."""
        texts = FaceKeys.of(keys).texts()
        if not len(self._sorted):
            return np.zeros(len(texts), np.bool_)
        place = np.minimum(np.searchsorted(self._sorted, texts), len(self._sorted) - 1)
        return np.asarray(self._sorted[place] == texts)

    def to_bytes(self) -> bytes:
        """An .npz without pickle; the same groups give the same bytes."""
        packed = io.BytesIO()
        np.savez(
            packed,
            allow_pickle=False,
            format=np.array(FORMAT_VERSION),
            ids=np.array(self.ids, np.str_),
            bounds=self.bounds,
            faces=self.faces.packed,
        )
        return packed.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> FaceGroups:
        """Raises GroupsCorruptError."""
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as members:
                if int(members["format"]) != FORMAT_VERSION:
                    raise GroupsCorruptError(
                        "The groups of unknown faces were written by another version of the product. Group them again: "
                        "the button is on the page of unknown people."
                    )
                return cls(
                    ids=tuple(members["ids"].tolist()), bounds=members["bounds"], faces=FaceKeys(members["faces"])
                )
        except (zipfile.BadZipFile, KeyError, ValueError, EOFError, OSError) as error:
            raise GroupsCorruptError(
                "The file of groups of unknown faces is damaged. Group them again: the button is on the page of "
                "unknown people."
            ) from error
