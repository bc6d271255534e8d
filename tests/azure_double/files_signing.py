"""Who may ask the double of Azure Files: a signature by the account's key, recomputed, or a bearer token.

https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from tests.azure_double.files_requests import RefusedError
from tests.azure_double.https import Request

_SIGNED = (
    *("content-encoding", "content-language", "content-length", "content-md5", "content-type", "date"),
    *("if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range"),
)


def require_signature(request: Request, *, keys: Mapping[str, Collection[str]], token: str | None) -> None:
    """keys: of each account. Raises RefusedError."""
    said = request.headers.get("authorization", "")
    if token is not None and said == f"Bearer {token}":
        if request.headers.get("x-ms-file-request-intent") != "backup":
            raise RefusedError(400, "MissingRequiredHeader", "x-ms-file-request-intent is missing.")
        return
    if said.startswith("Bearer "):
        raise RefusedError(401, "InvalidAuthenticationInfo", "Server failed to authenticate the request.")
    account, _, signed = said.removeprefix("SharedKey ").partition(":")
    if not any(signed == signature(request, account=account, key=key) for key in keys.get(account, ())):
        raise RefusedError.of("AuthenticationFailed")


def signature(request: Request, *, account: str, key: str) -> str:
    """Of a request, in base64. Raises nothing: any key signs."""
    headers = {name: value for name, value in request.headers.items() if (name, value) != ("content-length", "0")}
    lines = [request.method, *(headers.get(name, "") for name in _SIGNED)]
    lines += [f"{name}:{value}" for name, value in sorted(headers.items()) if name.startswith("x-ms-")]
    lines.append(f"/{account}{urlsplit(request.target).path}")
    lines += [f"{name.lower()}:{value}" for name, value in sorted(request.query.items())]
    signed = hmac.new(base64.b64decode(key), "\n".join(lines).encode(), hashlib.sha256)
    return base64.b64encode(signed.digest()).decode()
