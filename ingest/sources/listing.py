"""What lies in one folder of a source, sorted into pictures with their sidecars, in the order of whole paths."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from ingest.rejections import SIDECAR_OF_SEVERAL, SIDECAR_WITHOUT_PICTURE, Rejection
from ingest.sources.base import SourceFile, SourcePicture

PICTURE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".dib", ".heic", ".heif", ".hif"}
)
SIDECAR_SUFFIX = ".json"
UNFINISHED_SUFFIX = ".part"
NOTES_SUFFIX = ".md"


@dataclass(slots=True)
class Listing:
    """One folder while it is sorted out."""

    folders: list[bytes] = field(default_factory=list)
    pictures: dict[bytes, list[tuple[SourceFile, bool]]] = field(default_factory=dict)  #: by stem; (file, sniff)
    sidecars: dict[bytes, list[SourceFile]] = field(default_factory=dict)  #: by stem
    rejections: list[Rejection] = field(default_factory=list)

    def add(self, file: SourceFile, name: bytes, *, is_sidecar: bool) -> None:
        stem = stem_of(name)
        if is_sidecar:
            self.sidecars.setdefault(stem, []).append(file)
        else:
            self.pictures.setdefault(stem, []).append((file, suffix_of(name) not in PICTURE_SUFFIXES))

    def unpaired_sidecars(self) -> Iterator[Rejection]:
        for stem, sidecars in self.sidecars.items():
            pictures = self._meant(stem)
            for sidecar in sidecars:
                if not pictures:
                    message = f"{sidecar.path} has no picture beside it. Put the picture there, or remove the sidecar."
                    yield Rejection(path=sidecar.path, reason=SIDECAR_WITHOUT_PICTURE, message=message)
                elif len(pictures) > 1 or len(sidecars) > 1:
                    files = ", ".join(sorted(file.path for file in (*pictures, *sidecars) if file is not sidecar))
                    message = f"{sidecar.path} is not the only one of its name beside {files}. Rename, so they pair."
                    yield Rejection(path=sidecar.path, reason=SIDECAR_OF_SEVERAL, message=message)

    def in_order(self) -> Iterator[tuple[bytes, SourcePicture | bytes]]:
        for folder in self.folders:
            yield shown(folder).encode() + b"/", folder
        for stem, files in self.pictures.items():
            sidecars, meant = self.sidecars.get(stem, []), self._meant(stem)
            for file, sniff in files:
                paired = len(sidecars) == 1 and meant == [file]
                picture = SourcePicture(file=file, sidecar=sidecars[0] if paired else None, sniff=sniff)
                yield file.path.encode(), picture

    def _meant(self, stem: bytes) -> list[SourceFile]:
        """Pictures a sidecar of this stem may speak of: those whose name says so; failing that, the others."""
        files = self.pictures.get(stem, [])
        return [file for file, sniff in files if not sniff] or [file for file, _ in files]


def shown(location: bytes) -> str:
    """A path as text: valid Unicode whatever the bytes."""
    return location.decode("utf-8", "backslashreplace")


def stem_of(name: bytes) -> bytes:
    return os.path.splitext(name)[0]  # noqa: PTH122  names are bytes, pathlib has none


def all_before(beginning: bytes, after: bytes) -> bool:
    """Whether every path that begins so comes before `after`. beginning: as the disk has it."""
    shown_beginning = shown(beginning).encode()
    return shown_beginning < after[: len(shown_beginning)]


def suffix_of(name: bytes) -> str:
    return shown(os.path.splitext(name)[1]).lower()  # noqa: PTH122  names are bytes, pathlib has none
