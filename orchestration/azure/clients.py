"""The one way to Azure: signs in, knows the cloud's endpoints, and makes every client.

Where tests, proxies or sovereign clouds need something else, the environment says so: AZURE_ARM_ENDPOINT,
AZURE_ARM_SCOPE, AZURE_CA_BUNDLE (PEM), AZURE_STATIC_TOKEN (a bearer token in place of a sign-in), AZURE_POLL_SECONDS.
Every other endpoint is one that a resource returned.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from orchestration.azure.api import version_of_client
from orchestration.azure.errors import (
    NOT_REGISTERED,
    MissingPackageError,
    RefusedError,
    StoppedError,
    UnreachableError,
    passes,
    refused,
)
from orchestration.deployment.errors import DeploymentError

try:
    from azure.core import AzureClouds
    from azure.core.credentials import AccessToken
    from azure.core.exceptions import (
        ClientAuthenticationError,
        HttpResponseError,
        ResourceNotFoundError,
        ServiceRequestError,
        ServiceResponseError,
    )
    from azure.core.polling import LROPoller
    from azure.identity import AzureAuthorityHosts, CredentialUnavailableError, DefaultAzureCredential
    from azure.mgmt.core.tools import get_arm_endpoints
    from azure.mgmt.resource.resources import ResourceManagementClient
except ModuleNotFoundError as error:
    raise MissingPackageError(str(error.name)) from error

#: Seconds between two looks at an operation that goes on.
POLL_SECONDS: Final = 5.0
#: How soon a wait ends when somebody ends the command, in seconds.
LOOK_SECONDS: Final = 1.0
#: How long something that passes by itself is tried again, in seconds.
PATIENCE_SECONDS: Final = 180.0
#: A token that was given is taken to live as long as any command.
STATIC_SECONDS: Final = 24 * 3600
NOBODY: Final = "00000000-0000-0000-0000-000000000000"
#: Ways to sign in whose answer helps, as DefaultAzureCredential lists them.
_WAYS: Final = ("EnvironmentCredential", "ManagedIdentityCredential", "AzureCliCredential")
_Client = TypeVar("_Client")
_Answer = TypeVar("_Answer")


class StaticCredential:
    """A bearer token from AZURE_STATIC_TOKEN."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        """The token, whatever it is asked for."""
        return AccessToken(self._token, int(time.time()) + STATIC_SECONDS)


class Azure:
    """One subscription in one cloud. Safe to use from several threads.

    Once `stopping` is set nothing is asked any more, and no wait goes on: StoppedError is raised in their place.
    """

    def __init__(self, *, cloud: str, subscription: str, environment: Mapping[str, str]) -> None:
        """cloud: "public" or "government". Nothing is asked yet."""
        government = cloud == "government"
        endpoints = get_arm_endpoints(AzureClouds.AZURE_US_GOVERNMENT if government else AzureClouds.AZURE_PUBLIC_CLOUD)
        self.cloud, self.subscription = cloud, subscription
        self.endpoint = (environment.get("AZURE_ARM_ENDPOINT") or endpoints["resource_manager"]).rstrip("/")
        self.scope = environment.get("AZURE_ARM_SCOPE") or endpoints["credential_scopes"][0]
        self.ca_bundle = environment.get("AZURE_CA_BUNDLE") or ""
        self.poll_seconds = _seconds(environment.get("AZURE_POLL_SECONDS"))
        self._named = (environment.get("AZURE_PRINCIPAL_ID"), environment.get("AZURE_TENANT_ID"))
        token = environment.get("AZURE_STATIC_TOKEN") or ""
        authority = AzureAuthorityHosts.AZURE_GOVERNMENT if government else AzureAuthorityHosts.AZURE_PUBLIC_CLOUD
        self.credential: Any = StaticCredential(token) if token else DefaultAzureCredential(authority=authority)
        self.stopping = threading.Event()
        self._clients: dict[type[Any], Any] = {}
        self._lock = threading.Lock()

    # ---- clients -----------------------------------------------------------------------------------------------------
    @property
    def transport(self) -> dict[str, Any]:
        """What every client is made with beside its own: whom it trusts, and how long it waits."""
        trust: dict[str, Any] = {"connection_verify": self.ca_bundle} if self.ca_bundle else {}
        return trust | {
            "connection_timeout": 20,
            "read_timeout": 120,
            "retry_backoff_factor": min(0.8, self.poll_seconds),
        }

    def client(self, kind: type[_Client]) -> _Client:
        """A management client of that class, made once."""
        with self._lock:
            if kind not in self._clients:
                made: Callable[..., Any] = kind
                self._clients[kind] = made(
                    self.credential,
                    self.subscription,
                    base_url=self.endpoint,
                    credential_scopes=[self.scope],
                    polling_interval=self.poll_seconds,
                    api_version=version_of_client(kind),
                    **self.transport,
                )
            client: _Client = self._clients[kind]
            return client

    @property
    def _resources(self) -> Any:
        return self.client(ResourceManagementClient).resources

    # ---- resources by id ---------------------------------------------------------------------------------------------
    def get(self, resource_id: str, api_version: str) -> dict[str, Any] | None:
        """The resource as Azure has it; None where there is none."""
        try:
            found: dict[str, Any] = self._asked(
                lambda: self._resources.get_by_id(resource_id, api_version=api_version).as_dict(),
                f"to show {_last(resource_id)}",
            )
        except RefusedError as error:
            if isinstance(error.__cause__, ResourceNotFoundError) or error.code in NOT_REGISTERED:
                return None
            raise
        return found

    def put(self, resource_id: str, api_version: str, body: Mapping[str, Any]) -> LROPoller[Any]:
        """Create or update; the poller waits. Tried again while what stands in the way passes by itself."""
        return self._asked(
            lambda: self._resources.begin_create_or_update_by_id(resource_id, dict(body), api_version=api_version),
            f"to create or change {_last(resource_id)}",
            patient=True,
        )

    def put_goes_on(self, resource_id: str, api_version: str, token: str) -> LROPoller[Any]:
        """The poller of a PUT that another process sent. Raises RefusedError when the token is of no use any more."""
        what = f"to go on with {_last(resource_id)}"
        try:
            return self._asked(
                lambda: self._resources.begin_create_or_update_by_id(
                    resource_id, {}, api_version=api_version, continuation_token=token
                ),
                what,
            )
        except ValueError as error:  # another version of azure-core wrote it
            raise RefusedError(f"It cannot be told how {what} ({error}).", code="UnknownToken") from error

    def delete(self, resource_id: str, api_version: str, **query: str) -> None:
        """Delete and wait; what is not there is fine. query: what the request says beside the id."""
        what = f"to delete {_last(resource_id)}"
        try:
            poller = self._asked(
                lambda: self._resources.begin_delete_by_id(resource_id, api_version=api_version, params=dict(query)),
                what,
                patient=True,
            )
            self.finished(poller, what)
        except RefusedError as error:
            if not isinstance(error.__cause__, ResourceNotFoundError):
                raise

    def finished(self, poller: LROPoller[_Answer], doing: str) -> _Answer:
        """Wait for an operation. Raises RefusedError when it ends as failed, UnreachableError, StoppedError."""
        while not poller.done():
            if self.stopping.wait(min(self.poll_seconds, LOOK_SECONDS)):
                raise StoppedError(doing.removeprefix("to "))
        return self._asked(poller.result, doing)

    def ask(self, call: Callable[[], _Answer], doing: str, *, patient: bool = False) -> _Answer:
        """Make a call of a typed client, its errors told for people. patient: wait for what passes by itself."""
        return self._asked(call, doing, patient=patient)

    def _asked(self, call: Callable[[], _Answer], doing: str, *, patient: bool = False) -> _Answer:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            if self.stopping.is_set():
                raise StoppedError(doing.removeprefix("to "))
            try:
                return call()
            except (ClientAuthenticationError, CredentialUnavailableError) as error:
                raise RefusedError(
                    f"Azure knows nobody to sign in as. {_tried(error)} Sign in (az login; in Azure Government "
                    "first: az cloud set --name AzureUSGovernment), or set AZURE_CLIENT_ID, AZURE_TENANT_ID and "
                    "AZURE_CLIENT_SECRET.",
                    code="ClientAuthenticationError",
                ) from error
            except HttpResponseError as error:
                problem = refused(error, doing)
                if not (patient and passes(problem.code) and time.monotonic() < deadline):
                    raise problem from error
            except (ServiceRequestError, ServiceResponseError) as error:
                if not (patient and time.monotonic() < deadline):
                    raise UnreachableError(
                        f"{_who(error)} did not answer when asked {doing}: {_first_line(error)} "
                        "Look at the network (or the proxy), then run the same command again: it goes on where it was."
                    ) from error
            self.stopping.wait(self.poll_seconds)

    # ---- who we are --------------------------------------------------------------------------------------------------
    def identity(self) -> tuple[str, str]:
        """Object id and tenant of whoever is signed in: as the token says, or AZURE_PRINCIPAL_ID and AZURE_TENANT_ID.

        A token of AZURE_STATIC_TOKEN may say nothing (a proxy's own): nobody's ids stand for it then. Raises
        RefusedError.
        """
        token = self._asked(lambda: self.credential.get_token(self.scope), "to sign in").token
        try:
            claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
            said = (claims.get("oid"), claims.get("tid"))
        except (IndexError, ValueError, AttributeError):
            said = (None, None)
        who, tenant = (own or named for own, named in zip(said, self._named, strict=True))
        if not (who and tenant) and not isinstance(self.credential, StaticCredential):
            raise RefusedError(
                "The token does not say who is signed in (claims oid and tid). Sign in as a user, a service principal "
                "or a managed identity, or set AZURE_PRINCIPAL_ID and AZURE_TENANT_ID.",
                code="NoIdentity",
            )
        return str(who or NOBODY), str(tenant or NOBODY)


def _seconds(said: str | None) -> float:
    try:
        return float(said) if said else POLL_SECONDS
    except ValueError:
        raise DeploymentError(f"AZURE_POLL_SECONDS={said} is no number of seconds.") from None


def _tried(error: Exception) -> str:
    """What the ways to sign in that people use answered; a way that is not set up has nothing to say."""
    lines = [line.strip().rstrip(".") for line in str(error).splitlines()]
    said = [line for line in lines if line.startswith(_WAYS) and "authentication unavailable" not in line]
    return " ".join(f"{line}." for line in said) or _first_line(error)


def _who(error: ServiceRequestError | ServiceResponseError) -> str:
    """The server that was asked: Azure Resource Manager's, a vault's, …; "Azure" where the error itself says it."""
    asked = urlsplit(str(getattr(getattr(error.inner_exception, "request", None), "url", "")))
    return f"{asked.scheme}://{asked.netloc}" if asked.netloc else "Azure"


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0].rstrip(".") + "."


def _last(resource_id: str) -> str:
    """Kind and name at the end of an id: "containerGroups/web"."""
    return "/".join(resource_id.rstrip("/").split("/")[-2:])
