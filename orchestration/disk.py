"""Room on the disks that the product writes to."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.conf import settings

#: A place is low when it has less than both: a share alone says nothing of a large disk, bytes alone of a small one.
LOW_SHARE: Final = 0.10
LOW_BYTES: Final = 5 * 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A folder, and the disk it lies on. Bytes."""

    title: str
    setting: str
    path: str
    total: int
    free: int

    @property
    def used(self) -> int:
        return self.total - self.free

    @property
    def low(self) -> bool:
        return self.free < LOW_BYTES and self.free < LOW_SHARE * self.total


def places() -> tuple[Place, ...]:
    """Where this process writes; a folder that is not there yet counts as the one above it."""
    named = (
        ("Originals and versions", "MEDIA_ROOT", settings.MEDIA_ROOT),
        ("Crops and models, rebuildable", "CACHE_ROOT", settings.CACHE_ROOT),
        ("State folder", "FACEPROJECT_HOME", settings.FACEPROJECT_HOME),
    )
    return tuple(_place(title, setting, Path(path)) for title, setting, path in named)


def _place(title: str, setting: str, path: Path) -> Place:
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    usage = shutil.disk_usage(there)
    return Place(title=title, setting=setting, path=str(path), total=usage.total, free=usage.free)
