"""The content-addressed folder: originals, artefacts, and face crops cut on demand.

`MEDIA_ROOT/originals/ab/abcd…` holds each picture once, named by the SHA-256 of its bytes; `artefacts/` beside it the
files of model versions, `training_tables/` what they were trained on. Files are written beside their place, flushed and
renamed, so a kill leaves a whole file or none, and two processes may write the same one.

Uploads lie beside: `incoming/JOB/abcdef012345/NAME`, a picture in a folder named by the first digits of its SHA-256;
`set_aside/JOB/…` where one failed and may be retried.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from pathlib import Path

from personas.errors import FaceProjectError

#: Below the root: uploads that wait or are taken in, and those that failed.
INCOMING_UPLOADS, FAILED_UPLOADS = "incoming", "set_aside"
#: Digits of a picture's SHA-256 that name its folder in an upload.
UPLOAD_DIGITS = 12


class MediaMissingError(FaceProjectError):
    """A file that the store speaks of is not in the media folder."""


class MediaFolder:
    """One kind of file below a root."""

    def __init__(self, root: Path, kind: str) -> None:
        self.folder = root / kind

    def path(self, sha256: str) -> Path:
        """Where the file of this hash lies, or would lie."""
        if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
            raise ValueError(f"not a SHA-256: {sha256!r}")
        return self.folder / sha256[:2] / sha256

    def exists(self, sha256: str) -> bool:
        return self.path(sha256).is_file()

    def read(self, sha256: str) -> bytes:
        """Raises MediaMissingError."""
        path = self.path(sha256)
        try:
            return path.read_bytes()
        except FileNotFoundError as error:
            raise MediaMissingError(
                f"{path} is missing. Check that MEDIA_ROOT is the folder (or mounted share) this store was filled "
                "with, or restore the file from a backup."
            ) from error

    def put(self, content: bytes, *, sha256: str | None = None) -> str:
        """Store bytes under their hash; returns it. Bytes already there are left alone."""
        sha256 = sha256 or hashlib.sha256(content).hexdigest()
        target = self.path(sha256)
        if not target.is_file():
            write_atomically(target, content)
        return sha256

    def drop(self, sha256: str) -> None:
        """Forget a file that nothing speaks of any more."""
        self.path(sha256).unlink(missing_ok=True)


def write_atomically(target: Path, content: bytes, *, durable: bool = True) -> None:
    """Write beside, flush to disk, rename. Not `durable`: for caches, which may lose a file to a power cut."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        part.replace(target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
