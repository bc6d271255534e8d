"""What a request to Azure Files asks for, and how its answers and errors look."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any, Self
from xml.sax.saxutils import escape

from tests.azure_double.https import Answer, Request

#: (method, restype, comp) -> operation, where a directory or share is meant …
_DIRECTORIES = {
    ("PUT", "share", ""): "create share",
    ("GET", "share", ""): "get share",
    ("HEAD", "share", ""): "get share",
    ("DELETE", "share", ""): "delete share",
    ("PUT", "directory", ""): "create directory",
    ("GET", "directory", ""): "get directory",
    ("HEAD", "directory", ""): "get directory",
    ("DELETE", "directory", ""): "delete directory",
    ("GET", "directory", "list"): "list",
    ("GET", "", "list"): "list shares",
}
#: … and (method, comp) where a file is.
_FILES = {
    ("PUT", ""): "create file",
    ("PUT", "range"): "put range",
    ("PUT", "properties"): "set properties",
    ("PUT", "metadata"): "set metadata",
    ("GET", ""): "get file",
    ("HEAD", ""): "get properties",
    ("DELETE", ""): "delete file",
}
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
#: Refused in names of files and directories.
_FORBIDDEN = frozenset('"\\:|<>*?')
#: Codes that say all: (status, message). https://learn.microsoft.com/rest/api/storageservices/file-service-error-codes
_REFUSALS = {
    "ServerBusy": (503, "The server is busy."),
    "InternalError": (500, "The server encountered an internal error. Please retry the request."),
    "AuthenticationFailed": (403, "Server failed to authenticate the request."),
    "AuthorizationFailure": (403, "This request is not authorized to perform this operation."),
    "ResourceNotFound": (404, "The specified resource does not exist."),
    "ParentNotFound": (404, "The specified parent path does not exist."),
    "ShareNotFound": (404, "The specified share does not exist."),
    "SharingViolation": (409, "The specified resource may be in use by an SMB client."),
}


class RefusedError(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(code)
        self.status, self.code, self.message, self.headers = status, code, message, headers or {}

    @classmethod
    def of(cls, code: str) -> Self:
        """One of the codes that say all."""
        status, message = _REFUSALS[code]
        return cls(status, code, message, {"Retry-After": "1"} if status == 503 else {})

    def answer(self) -> Answer:
        """As Azure words it."""
        answer = xml(f"<Error><Code>{self.code}</Code><Message>{escape(self.message)}</Message></Error>")
        return Answer(
            status=self.status,
            headers={**answer.headers, **self.headers, "x-ms-error-code": self.code},
            body=answer.body,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """A request by what it asks for. path: below the share, "" is its root."""

    what: str
    share: str
    path: str
    request: Request

    @classmethod
    def of(cls, request: Request) -> Self:
        """What it asks for; "unknown", where the double knows no such operation."""
        share, _, path = request.path.strip("/").partition("/")
        restype, comp = request.query.get("restype", ""), request.query.get("comp", "")
        if restype or not share:
            what = _DIRECTORIES.get((request.method, restype, comp), "unknown")
        else:
            what = _FILES.get((request.method, comp), "unknown")
        return cls(what=what, share=share, path=path, request=request)

    @property
    def parts(self) -> list[str]:
        """Of the path. Raises RefusedError for names that Azure Files does not take."""
        parts = self.path.split("/") if self.path else []
        if any(not part or part in (".", "..") or _FORBIDDEN.intersection(part) for part in parts):
            raise RefusedError(400, "InvalidResourceName", "The specified resource name contains invalid characters.")
        return parts

    @property
    def metadata(self) -> dict[str, str]:
        """Of the request's headers."""
        headers = self.request.headers.items()
        return {name.removeprefix("x-ms-meta-"): value for name, value in headers if name.startswith("x-ms-meta-")}

    def header(self, name: str) -> str:
        """Or ""."""
        return self.request.headers.get(name, "")

    def range(self, *, required: bool = False) -> tuple[Any, Any]:
        """First and last byte, or None twice."""
        found = _RANGE.fullmatch(self.header("x-ms-range") or self.header("range"))
        if found is None:
            if required:
                raise RefusedError(400, "MissingRequiredHeader", "x-ms-range is missing.")
            return None, None
        return int(found[1]), int(found[2]) if found[2] else 2**62

    @staticmethod
    def quoted(text: str) -> str:
        """For XML."""
        return escape(text)

    @staticmethod
    def time(seconds: float) -> str:
        """ISO 8601 with seven digits, as SMB times are given."""
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S.%f}0Z"

    @staticmethod
    def date(seconds: float) -> str:
        """RFC 9110."""
        return formatdate(seconds, usegmt=True)


def xml(content: str) -> Answer:
    """An answer of XML."""
    body = f'<?xml version="1.0" encoding="utf-8"?>{content}'.encode()
    return Answer(headers={"content-type": "application/xml"}, body=body)
