"""Which folders of the server people may have taken in from the web page."""

from __future__ import annotations

import os
from pathlib import Path

from django.conf import settings

from personas.errors import FaceProjectError


class FolderNotAllowedError(FaceProjectError):
    """A folder that nobody may name from the web page."""


def allowed_folders() -> tuple[Path, ...]:
    """INGEST_FOLDERS, with links followed."""
    return tuple(Path(os.path.realpath(folder)) for folder in settings.INGEST_FOLDERS if folder)


def is_allowed(folder: str) -> bool:
    """Whether it is one of the allowed folders or lies below one, wherever links on its way lead."""
    if not folder.startswith("/") or "\0" in folder:
        return False
    real = Path(os.path.realpath(folder))
    return any(real.is_relative_to(allowed) for allowed in allowed_folders())


def require_allowed(folder: str) -> Path:
    """The folder, links followed. Raises FolderNotAllowedError, which does not tell whether there is such a folder."""
    folder = folder.strip()
    if not folder.startswith("/"):
        raise FolderNotAllowedError("Give the whole path of the folder on the server, beginning with /.")
    if not is_allowed(folder):
        raise FolderNotAllowedError(
            f"{folder} may not be taken in from here. INGEST_FOLDERS names the folders that may; "
            "`manage.py ingest` on the server takes any."
        )
    return Path(os.path.realpath(folder))
