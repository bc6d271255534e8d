"""What of a folder is to be uploaded: plain files, under names that a share takes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ingest.sources.listing import UNFINISHED_SUFFIX

#: Refused in names. https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-shares--directories--files--and-metadata
FORBIDDEN: Final = frozenset('"\\:|<>*?')


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFile:
    """path: below the folder, "/" between parts. size: bytes, as listed."""

    path: str
    place: Path
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Files by path, the folders they lie in, and why what cannot be uploaded cannot, by path."""

    files: tuple[LocalFile, ...]
    folders: tuple[str, ...]
    folders_lower: frozenset[str]
    left_out: Mapping[str, str]


def planned(folder: Path) -> Plan:
    """Look through a folder, but for other programs' files: names that begin with a dot or end in `.part`.

    Two names that differ in case only are one in a share: the second is left out, and told.
    """
    files: list[LocalFile] = []
    left_out: dict[str, str] = {}
    seen: dict[str, str] = {}
    for path, entry in _walk(folder, left_out):
        message = _why_not(path, entry, seen)
        if message:
            left_out[_shown(path)] = message
        else:
            seen[path.lower()] = path
            files.append(LocalFile(path=path, place=Path(entry.path), size=entry.stat().st_size))
    folders = {above for file in files for above in _above(file.path)}
    return Plan(
        files=tuple(files),
        folders=tuple(sorted(folders)),
        folders_lower=frozenset(each.lower() for each in folders),
        left_out=left_out,
    )


def _walk(folder: Path, left_out: dict[str, str]) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Everything but folders, by path; links are not followed."""
    waiting = [("", str(folder))]
    while waiting:
        path, place = waiting.pop()
        try:
            with os.scandir(place) as scanned:
                listed = sorted(scanned, key=lambda each: each.name)
        except OSError as error:
            left_out[_shown(path)] = f"The folder cannot be read ({error.strerror})."
            continue
        for entry in listed:
            below = f"{path}/{entry.name}".strip("/")
            if entry.name.startswith(".") or entry.name.lower().endswith(UNFINISHED_SUFFIX):
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting.append((below, entry.path))
            else:
                yield below, entry


def _why_not(path: str, entry: os.DirEntry[str], seen: dict[str, str]) -> str:
    if entry.is_symlink():
        return "It is a link. Put the file itself there."
    if not entry.is_file(follow_symlinks=False):
        return "It is a device, a pipe or a socket. Remove it."
    if path.lower() in seen:
        return f"A share takes it for {seen[path.lower()]}: the names differ in upper and lower case only. Rename one."
    if _shown(path) != path or FORBIDDEN.intersection(path) or any(part.endswith(".") for part in path.split("/")):
        return 'A share does not take this name. Rename it: valid Unicode, none of " \\ : | < > * ?, no dot at its end.'
    return ""


def _above(path: str) -> Iterator[str]:
    """ "a/b/c.jpg" -> "a", "a/b"."""
    parts = path.split("/")[:-1]
    for number in range(len(parts)):
        yield "/".join(parts[: number + 1])


def _shown(path: str) -> str:
    """Valid Unicode whatever the name's bytes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
