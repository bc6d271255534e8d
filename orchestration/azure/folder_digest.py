"""What a folder of pictures holds, as one digest of names and contents: a copy of it has the same.

Contents are read once: a file whose size and time are those that are remembered is taken to be as it was.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from pathlib import Path

from orchestration.azure.upload_plan import planned


def folder_digest(folder: Path, memory: Path) -> str:
    """Of what an upload sends. memory: a file in which digests are remembered. Raises OSError."""
    known, now = _remembered(memory), dict[str, list[object]]()
    found = hashlib.sha256()
    for file in sorted(planned(folder).files, key=lambda each: each.path):
        now[file.path] = _looked_at(file.place, known.get(file.path, []))
        found.update(f"{file.path}\0{now[file.path][-1]}\0".encode())
    if now != known:
        _remember(memory, now)
    return found.hexdigest()


def _looked_at(path: Path, before: list[object]) -> list[object]:
    """Place, size, time and content. One that cannot be read has none: the upload says so."""
    try:
        status = path.stat()
        signs = [str(path), status.st_size, status.st_mtime_ns]
        return before if before[:-1] == signs else [*signs, _content(path)]
    except OSError:
        return [str(path), ""]


def _content(path: Path) -> str:
    """Of one file."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _remembered(memory: Path) -> dict[str, list[object]]:
    """Place, size, time and content by path; it only saves time, so what cannot be read is none."""
    try:
        found = json.loads(memory.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _remember(memory: Path, now: dict[str, list[object]]) -> None:
    memory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = memory.with_name(f".{memory.name}.{os.getpid()}-{secrets.token_hex(4)}")
    fresh.write_text(json.dumps(now))
    fresh.replace(memory)
