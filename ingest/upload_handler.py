"""What is done with files while a browser sends them, before anything is kept."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.files.uploadhandler import FileUploadHandler, MemoryFileUploadHandler, SkipFile
from django.http import HttpRequest

from ingest.uploads import receiving_folder


class LimitingUploadHandler(FileUploadHandler):
    """Stops storing a file at MAX_IMAGE_BYTES; the others of the same form are received. First in FILE_UPLOAD_HANDLERS.

    How much a form may hold in all is `personas.middleware.BodySizeMiddleware`'s to say, before a byte is read.
    """

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        receiving_folder().mkdir(parents=True, exist_ok=True)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        if start + len(raw_data) > settings.MAX_IMAGE_BYTES:
            if self.request is not None:
                self.request.META.setdefault(_TOO_LARGE, []).append(self.file_name or "")
            raise SkipFile
        return raw_data

    def file_complete(self, file_size: int) -> None:
        """The handlers behind this one make the file."""


class InMemoryUploadHandler(MemoryFileUploadHandler):
    """Holds the files of a form in memory, whatever their size, so that nothing of them touches a disk.

    How much that can be is for `personas.middleware.BodySizeMiddleware` to say, before a byte is read.
    """

    def handle_raw_input(self, *args: Any, **kwargs: Any) -> None:
        self.activated = True


_TOO_LARGE = "faceproject.too_large"


def too_large(request: HttpRequest) -> list[str]:
    """Names of files that were left out of a form for their size; read `request.FILES` first."""
    names: list[str] = request.META.get(_TOO_LARGE, [])
    return names
