"""One file into a share: in one request where it can be, and complete only when its content MD5 is set."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ingest.azure_share import bare

if TYPE_CHECKING:
    from azure.storage.fileshare import ShareFileClient

#: The service takes so much in one request. https://learn.microsoft.com/rest/api/storageservices/put-range
MOST_A_REQUEST: Final = 4 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A local file: its bytes, where it fits into one request."""

    place: Path
    size: int
    whole: bytes | None


def read(place: Path) -> tuple[Content, bytes]:
    """The file and its MD5. Raises OSError."""
    with place.open("rb") as opened:
        first = opened.read(MOST_A_REQUEST + 1)
        hashed = hashlib.md5(first, usedforsecurity=False)
        if len(first) <= MOST_A_REQUEST:
            return Content(place=place, size=len(first), whole=first), hashed.digest()
        size = len(first)
        while part := opened.read(MOST_A_REQUEST):
            hashed.update(part)
            size += len(part)
    return Content(place=place, size=size, whole=None), hashed.digest()


def send(client: ShareFileClient, content: Content, md5: bytes, *, at_once: bool) -> str:
    """Returns the ETag of the completed file. at_once: in one request, if it is small. Raises OSError, AzureError."""
    from azure.storage.fileshare import ContentSettings

    complete = ContentSettings(content_type="application/octet-stream", content_md5=bytearray(md5))
    if content.whole is not None and (at_once or not content.whole):
        # The MD5 twice: as the file's property, and for the service to refuse a body that arrives otherwise.
        whole: dict[str, Any] = {"data": content.whole, "content_md5": bytearray(md5)} if content.whole else {}
        return bare(client.create_file(content.size, content_settings=complete, **whole)["etag"])
    client.create_file(content.size)
    with content.place.open("rb") as opened:
        hashed = hashlib.md5(usedforsecurity=False)
        offset = 0
        while part := opened.read(MOST_A_REQUEST):
            hashed.update(part)
            client.upload_range(part, offset=offset, length=len(part))
            offset += len(part)
    if (offset, hashed.digest()) != (content.size, md5):
        raise OSError("it changed while it was read")
    return bare(client.set_http_headers(content_settings=complete)["etag"])


def takes_content(probe: ShareFileClient) -> bool:
    """Whether the account stores what comes with the request that creates a file, by trying it.

    Not all ever did, and one that passes over the content would leave files of zeros that say they are complete. Raises
    AzureError.
    """
    from azure.core.exceptions import HttpResponseError

    content = secrets.token_bytes(16)
    try:
        probe.create_file(len(content), data=content)
    except HttpResponseError as error:
        if error.status_code != 400:
            raise
        return False
    found: bytes = probe.download_file().readall()
    return found == content
