"""What the person who measures chooses, and where things lie."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.report import SkippedError, usable_cores

REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """scratch: an empty folder of this benchmark's own. quick: fewer pictures and rounds, for a first look."""

    scratch: Path
    quick: bool = False
    seeds: int = 5
    processes: int = 0

    @property
    def n_processes(self) -> int:
        return self.processes or usable_cores()

    def data(self, name: str) -> Path:
        """A folder of the measuring data. Raises SkippedError that names what is missing."""
        root = Path(os.environ.get("FACEPROJECT_DATA", REPOSITORY.parent / "shared" / "data")).resolve()
        folder = root / name
        if not folder.is_dir():
            raise SkippedError(f"{folder} is missing; set FACEPROJECT_DATA to the folder that holds {name}/.")
        return folder


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedPicture:
    """A picture with what its sidecar says."""

    path: Path
    persona: str | None
    labeled: bool
    category: str


def seed_pictures(folder: Path) -> list[SeedPicture]:
    """Pictures of a folder in the seed format, by name."""
    pictures = []
    for sidecar in sorted(folder.glob("*.json")):
        said: dict[str, Any] = json.loads(sidecar.read_text())
        pictures.append(
            SeedPicture(
                path=sidecar.with_suffix(".jpg"),
                persona=said["persona"],
                labeled=said["labeled"],
                category=said["category"],
            )
        )
    return pictures
