"""Which folders of the server, and which shares, people may have taken in from the web page."""

from __future__ import annotations

import os
from pathlib import Path

from django.conf import settings

from ingest.azure_share import SCHEME, ShareAddress
from personas.errors import FaceProjectError


class FolderNotAllowedError(FaceProjectError):
    """A folder that nobody may name from the web page."""


def allowed_folders() -> tuple[Path, ...]:
    """The folders among INGEST_FOLDERS, with links followed."""
    return tuple(
        Path(os.path.realpath(folder)) for folder in settings.INGEST_FOLDERS if folder and not folder.startswith(SCHEME)
    )


def allowed_shares() -> tuple[ShareAddress, ...]:
    """The shares among INGEST_FOLDERS, and their folders. Raises AzureFilesError, which a system check says first."""
    return tuple(ShareAddress.parse(each) for each in settings.INGEST_FOLDERS if each.startswith(SCHEME))


def is_allowed(folder: str) -> bool:
    """Whether it is one of the allowed folders or lies below one, wherever links on its way lead; shares likewise.

    Who may name any folder may name any share.
    """
    if folder.startswith(SCHEME):
        return Path("/") in allowed_folders() or any(map(ShareAddress.parse(folder).is_below, allowed_shares()))
    if not folder.startswith("/") or "\0" in folder:
        return False
    real = Path(os.path.realpath(folder))
    return any(real.is_relative_to(allowed) for allowed in allowed_folders())


def require_allowed(folder: str) -> Path | str:
    """The folder, links followed, or the share's address.

    Raises FolderNotAllowedError, which does not tell whether there is such a folder, and AzureFilesError.
    """
    folder = folder.strip()
    if not folder.startswith(("/", SCHEME)):
        raise FolderNotAllowedError(
            "Give the whole path of the folder on the server, beginning with /, or azurefiles://account/share/path."
        )
    if not is_allowed(folder):
        raise FolderNotAllowedError(
            f"{folder} may not be taken in from here. INGEST_FOLDERS names the folders that may; "
            "`manage.py ingest` on the server takes any."
        )
    return folder if folder.startswith(SCHEME) else Path(os.path.realpath(folder))
