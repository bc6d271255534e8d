"""ETags and MD5s of what uploads have completed, in pages that are files of the share and are never rewritten."""

from __future__ import annotations

import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from ingest.azure_share import entries

if TYPE_CHECKING:
    from azure.storage.fileshare import ShareClient

#: The directory, beside what is uploaded. Sources pass over names that begin with a dot,
#: and so does the book itself.
BOOK: Final = ".uploaded"
#: Lines of a page. What a killed upload had not written yet is asked for file by file by the next one.
PAGE_LINES: Final = 1000


class UploadBook:
    """Which ETag has which content. An ETag is the service's own for one state of one file: pages need no order."""

    def __init__(self, share: ShareClient, directory: str) -> None:
        self._share, self._directory = share, directory
        self._known: dict[str, bytes] = {}
        self._lines: list[str] = []
        self._lock = threading.Lock()

    def read(self, threads: ThreadPoolExecutor) -> None:
        """All pages, side by side. A line that is cut short is passed over. Raises AzureError."""
        names = [each.name for each in entries(self._share, self._directory) if not each.name.startswith(".")]
        for page in threads.map(self._page, names):
            for line in page.decode(errors="replace").splitlines():
                etag, _, md5 = line.partition(" ")
                if len(md5) == 32 and not set(md5) - set("0123456789abcdef"):
                    self._known[etag] = bytes.fromhex(md5)

    def md5_of(self, etag: str) -> bytes | None:
        """Of the content this ETag stood for, or None."""
        return self._known.get(etag)

    def write(self, etag: str, md5: bytes) -> None:
        """Remember a completed file. Raises AzureError when a page is full and cannot be put down."""
        with self._lock:
            if etag in self._known:
                return
            self._known[etag] = md5
            self._lines.append(f"{etag} {md5.hex()}\n")
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
