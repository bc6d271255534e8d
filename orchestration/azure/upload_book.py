"""Which state of which file uploads have completed, by ETag, with its MD5.

Its pages are files of the share and are never rewritten.
"""

from __future__ import annotations

import re
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

from ingest.azure_share import entries

if TYPE_CHECKING:
    from azure.storage.fileshare import ShareClient

#: The directory, beside what is uploaded. Sources pass over names that begin with a dot,
#: and so does the book itself.
BOOK: Final = ".uploaded"
#: Lines of a page. What a killed upload had not written yet is asked for file by file by the next one.
PAGE_LINES: Final = 1000
#: The dot at its end tells a whole line from one that was cut short.
_LINE: Final = re.compile(r"(?P<etag>\S+) (?P<md5>[0-9a-f]{32}) (?P<path>\S+)\.")


class UploadBook:
    """Which content a file has while its ETag is the one written here, so pages need no order.

    An ETag is of one file's states only: it is made of the time, and two files may have the same.
    """

    def __init__(self, share: ShareClient, directory: str) -> None:
        self._share, self._directory = share, directory
        self._known: dict[tuple[str, str], bytes] = {}  #: by path in lower case and ETag
        self._lines: list[str] = []
        self._lock = threading.Lock()

    def read(self, threads: ThreadPoolExecutor) -> None:
        """All pages, side by side. A line that is cut short is passed over. Raises AzureError."""
        names = [each.name for each in entries(self._share, self._directory) if not each.name.startswith(".")]
        for page in threads.map(self._page, names):
            for line in page.decode(errors="replace").splitlines():
                found = _LINE.fullmatch(line)
                if found:
                    self._known[unquote(found["path"]), found["etag"]] = bytes.fromhex(found["md5"])

    def md5_of(self, path: str, etag: str) -> bytes | None:
        """Of the content this file had when it had this ETag, or None."""
        return self._known.get((path.lower(), etag))

    def write(self, path: str, etag: str, md5: bytes) -> None:
        """Remember a completed file. Raises AzureError when a page is full and cannot be put down."""
        with self._lock:
            if (path.lower(), etag) in self._known:
                return
            self._known[path.lower(), etag] = md5
            self._lines.append(f"{etag} {md5.hex()} {quote(path.lower())}.\n")
            full = self._lines if len(self._lines) >= PAGE_LINES else []
            if full:
                self._lines = []
        self._put(full)

    def close(self) -> None:
        """Put down what is left. Raises AzureError."""
        with self._lock:
            rest, self._lines = self._lines, []
        self._put(rest)

    def _page(self, name: str) -> bytes:
        content: bytes = self._share.get_file_client(f"{self._directory}/{name}").download_file().readall()
        return content

    def _put(self, lines: list[str]) -> None:
        if lines:
            content = "".join(lines).encode()
            page = self._share.get_file_client(f"{self._directory}/{secrets.token_hex(8)}")
            page.create_file(len(content), data=content)
