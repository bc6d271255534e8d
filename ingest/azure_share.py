"""How a share of Azure Files is reached: its address, its credentials, its connections, and what its refusals mean.

The package of Azure is imported when the first share is opened; without Azure nobody needs it.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from personas.errors import FaceProjectError, NotFoundError, TransientError

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError
    from azure.storage.fileshare import ShareClient

SCHEME: Final = "azurefiles://"
#: Entries in a page of a listing: as many as the service gives.
PAGE: Final = 5000
#: Tries after the first; the waits between them add up to about half a minute.
RETRIES: Final = 6
LONGEST_WAIT_SECONDS: Final = 30.0
_PUBLIC: Final = "https://{account}.file.core.windows.net"
_GOVERNMENT: Final = ".usgovcloudapi.net"


class AzureFilesError(FaceProjectError):
    """A share that cannot be used as things are: a package, a setting or a permission is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareAddress:
    """`azurefiles://account/share/path`. path: "" is the root of the share."""

    account: str
    share: str
    path: str = ""

    @classmethod
    def parse(cls, address: str) -> ShareAddress:
        """Raises AzureFilesError."""
        account, _, rest = address.removeprefix(SCHEME).partition("/")
        share, _, path = rest.partition("/")
        parts = [part for part in path.split("/") if part]
        if not (address.startswith(SCHEME) and account and share) or {".", ".."}.intersection(parts):
            raise AzureFilesError(f"{address} names no share. Write azurefiles://account/share/path.")
        return cls(account=account.lower(), share=share.lower(), path="/".join(parts))

    def is_below(self, other: ShareAddress) -> bool:
        """Whether it is the same place, or lies in it."""
        inside = other.path == "" or f"{self.path}/".startswith(f"{other.path}/")
        return (self.account, self.share) == (other.account, other.share) and inside

    def __str__(self) -> str:
        return SCHEME + "/".join(part for part in (self.account, self.share, self.path) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareAccess:
    """What it takes to open shares of an account. It holds a key: it goes to processes by pipes, never into a file.

    endpoint: of the account's files (""= the public cloud's). key, token: one of them; neither: whoever is signed in
    (`az login`), or the managed identity. authority_bundle: a PEM file to trust in place of the system's.
    """

    account: str
    endpoint: str = ""
    key: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    authority_bundle: str = ""

    @property
    def url(self) -> str:
        return (self.endpoint or _PUBLIC.format(account=self.account)).rstrip("/")


def open_share(access: ShareAccess, share: str, *, connections: int) -> ShareClient:
    """A client that threads may share. connections: kept open, so many threads need not wait for one another.

    Raises AzureFilesError.
    """
    if not _is_installed("azure.storage.fileshare"):
        raise AzureFilesError("Azure Files needs more packages: pip install -r requirements-azure.txt")
    import requests
    from azure.core.pipeline.transport import RequestsTransport
    from azure.storage.fileshare import ShareClient
    from requests.adapters import HTTPAdapter

    _require_account(access)
    session = requests.Session()
    session.mount("https://", HTTPAdapter(pool_connections=1, pool_maxsize=connections))
    verify = access.authority_bundle or True
    return ShareClient(
        access.url,
        share,
        credential=_credential(access),
        transport=RequestsTransport(session=session, session_owner=False, connection_verify=verify),
        connection_verify=verify,
        retry_policy=_retries(),
        token_intent=None if access.key else "backup",
    )


def _is_installed(package: str) -> bool:
    """Also where nothing of Azure is: then what it would lie in is missing."""
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def _require_account(access: ShareAccess) -> None:
    parts = urlsplit(access.url)
    account, of_files, _ = (parts.hostname or "").partition(".file.")
    if parts.scheme != "https" or not parts.hostname:
        raise AzureFilesError(f"AZURE_STORAGE_ENDPOINT is {access.url}; it has to begin with https://.")
    if of_files and account != access.account:
        raise AzureFilesError(
            f"AZURE_STORAGE_ENDPOINT is that of the account {account}, but {access.account} is named. "
            "Name that account, or set the endpoint of the other one."
        )


def _credential(access: ShareAccess) -> Any:
    from azure.core.credentials import AccessToken, AzureNamedKeyCredential

    if access.key:
        return AzureNamedKeyCredential(access.account, access.key)
    if access.token:

        class Given:
            def get_token(self, *scopes: str, **options: Any) -> AccessToken:
                return AccessToken(access.token, int(time.time()) + 24 * 3600)

        return Given()
    if not _is_installed("azure.identity"):
        raise AzureFilesError(
            "There is no key for Azure Files. Set AZURE_STORAGE_KEY (or AZURE_STORAGE_KEY_FILE); to sign in instead, "
            "pip install -r requirements-azure.txt"
        )
    from azure.identity import AzureAuthorityHosts, DefaultAzureCredential

    government = (urlsplit(access.url).hostname or "").endswith(_GOVERNMENT)
    clouds = AzureAuthorityHosts
    return DefaultAzureCredential(
        authority=clouds.AZURE_GOVERNMENT if government else clouds.AZURE_PUBLIC_CLOUD,
        exclude_interactive_browser_credential=True,
    )


def _retries() -> Any:
    """As the package does it, but soon at first, and no earlier than the service asks for (Retry-After)."""
    from azure.storage.fileshare import ExponentialRetry

    class Retries(ExponentialRetry):  # type: ignore[misc,unused-ignore]
        def get_backoff_time(self, settings: dict[str, Any]) -> float:
            own = float(super().get_backoff_time(settings)) / 2
            response = getattr(settings["history"][-1], "http_response", None) if settings["history"] else None
            asked = response.headers.get("Retry-After", "") if response is not None else ""
            return min(LONGEST_WAIT_SECONDS, max(own, float(asked) if asked.isdigit() else 0.0))

    times: dict[str, Any] = {f"retry_{what}": RETRIES for what in ("total", "connect", "read", "status")}
    return Retries(initial_backoff=0, increment_base=2, random_jitter_range=1, **times)


# ---- what is there ---------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file or a directory in a listing. size: bytes. etag: changes with the content, without its quotes."""

    name: str
    is_directory: bool
    size: int = 0
    etag: str = ""


def entries(share: ShareClient, path: str) -> Iterator[Entry]:
    """What a directory holds, by pages of thousands, in no order to rely on. Raises AzureError."""
    directory = share.get_directory_client(path)
    listed: Iterable[Any] = directory.list_directories_and_files(include=["Etag"], results_per_page=PAGE)
    for each in listed:
        size = 0 if each.is_directory else int(each.size)
        yield Entry(name=each.name, is_directory=each.is_directory, size=size, etag=bare(each.etag))


def bare(etag: str | None) -> str:
    """An ETag without its quotes: headers have them, listings may not."""
    return (etag or "").strip('"')


# ---- what is refused -------------------------------------------------------------------------------------------------
def azure_errors() -> type[AzureError] | tuple[()]:
    """What the package raises, for `except`; nothing where it is not installed."""
    if not _is_installed("azure.core.exceptions"):
        return ()
    from azure.core.exceptions import AzureError

    return AzureError


def explained(error: AzureError, doing: str) -> FaceProjectError:
    """What the package raised, told as what happened and what to do; never what it was sent.

    doing: such as "reading azurefiles://account/share". TransientError: worth another try. NotFoundError: not there.
    """
    status, code = getattr(error, "status_code", None), str(getattr(error, "error_code", None) or "")
    code = code.rpartition(".")[2] or type(error).__name__
    if status in (401, 403):
        return AzureFilesError(
            f"Azure refused {doing} ({code}). Check AZURE_STORAGE_KEY, or give who is signed in the role Storage File "
            "Data Privileged Contributor; the account's firewall answers so too."
        )
    if _is_unsigned(error):
        return AzureFilesError(
            f"Nobody is signed in for {doing}. Set AZURE_STORAGE_KEY (or AZURE_STORAGE_KEY_FILE), run `az login`, or "
            "give the container a managed identity."
        )
    if status == 404:
        return NotFoundError(f"Azure has nothing to answer to {doing} ({code}). Check the names of share and path.")
    if status is None or status >= 500 or status in (408, 429):
        return TransientError(f"Azure does not answer to {doing} now ({code}). Try again in a moment.")
    return AzureFilesError(f"Azure refused {doing} ({code}).")


def _is_unsigned(error: AzureError) -> bool:
    from azure.core.exceptions import ClientAuthenticationError

    return isinstance(error, ClientAuthenticationError)
