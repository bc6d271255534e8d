"""All that the double knows: what exists, what goes on, who is at the other end of its services."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.azure_double.faults import Faults
from tests.azure_double.files import FilesDouble
from tests.azure_double.https import Authority, HttpsServer, Service
from tests.azure_double.image import PUBLIC_IMAGES
from tests.azure_double.resources import ArmError, Json, Pending, Resource, ResourceTable
from tests.azure_double.runtime_port import Runtime

SUBSCRIPTION: Final = "11111111-2222-3333-4444-555555555555"
TENANT: Final = "99999999-8888-7777-6666-555555555555"
PRINCIPAL: Final = "aaaaaaaa-0000-4000-8000-00000000c0de"  #: object id of whoever deploys
LOCATIONS: Final = ("eastus", "westeurope", "northeurope", "usgovvirginia", "usgovarizona")
#: Names that resources get: public cloud, US Government.
SUFFIXES: Final = {
    "registry": ("azurecr.io", "azurecr.us"),
    "cosmos": ("documents.azure.com", "documents.azure.us"),
    "cassandra": ("cassandra.cosmos.azure.com", "cassandra.cosmos.azure.us"),
    "face": ("cognitiveservices.azure.com", "cognitiveservices.azure.us"),
    "storage": ("core.windows.net", "core.usgovcloudapi.net"),
    "postgres": ("postgres.database.azure.com", "postgres.database.usgovcloudapi.net"),
    "vault": ("vault.azure.net", "vault.usgovcloudapi.net"),
    "containers": ("azurecontainer.io", "azurecontainer.us"),
}
_PUBLIC: Final = re.compile(
    r"[\w.-]+\.(?:azurecr\.io|azure\.com|windows\.net|azure\.net|azurecontainer\.io|microsoftonline\.com)\b"
)
_GOVERNMENT: Final = re.compile(
    r"[\w.-]+\.(?:azurecr\.us|azure\.us|usgovcloudapi\.net|azurecontainer\.us|microsoftonline\.us)\b"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A service of this machine that stands for one of Azure's: where it listens, and who may come in."""

    host: str
    port: int
    username: str = ""
    password: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """What listens behind the resources; None: they have names as Azure gives them, and nobody is there."""

    files_url: str | None = None
    files: FilesDouble | None = None  #: hears of accounts' keys and of shares
    face_url: str | None = None
    cassandra: Login | None = None
    postgres: Login | None = None


class World:
    """State of the double. Everything is done under `lock`."""

    def __init__(
        self, folder: Path, authority: Authority, servers: ExitStack, *, government: bool, ends: Ends, polls: int
    ) -> None:
        self.folder, self.authority, self.government, self.ends, self.polls = folder, authority, government, ends, polls
        self.subscription, self.tenant, self.principal = SUBSCRIPTION, TENANT, PRINCIPAL
        self.url = ""  #: of the control plane
        self.runtime: Runtime | None = None
        self.resources = ResourceTable()
        self.deleted = ResourceTable()  #: soft-deleted ones, by the id they had
        self.operations: dict[str, Pending] = {}
        self.creations: Counter[str] = Counter()
        self.violations: list[str] = []
        self.registered: dict[str, str] = {}  #: providers in lower case, and their state
        self.taken: set[tuple[str, str]] = set()  #: kinds and names that somebody else has, in lower case
        self.permissions: list[Json] = [{"actions": ["*"], "notActions": []}]  #: of whoever deploys, at any scope
        self.quotas: dict[str, int] = {}  #: by the name that usages have
        self.faults = Faults()
        self.bearer = ""  #: the token that is let in
        self.tasks_allowed = True  #: registries build; those of subscriptions with free credit do not
        self.build_failure = ""  #: why builds fail
        self.recovered: dict[str, Any] = {}  #: secrets of vaults that are being recovered, by id in lower case
        self.images: set[str] = set()  #: references that registries hold
        self.public_images = set(PUBLIC_IMAGES)  #: those that registries of others hold
        self.importing: dict[str, Pending] = {}  #: the last import of each reference
        self.imports: Counter[str] = Counter()  #: how often each reference was copied
        self.uploads: dict[str, bytes] = {}  #: by relative path
        self.build_logs: dict[str, str] = {}  #: by path
        self.build_url = ""  #: where contexts are put, once somebody asked
        self.lock = threading.RLock()
        self._servers = servers
        self._serial = 0

    def name(self, service: str, first: str) -> str:
        """The host name of a resource in this cloud."""
        return f"{first}.{SUFFIXES[service][self.government]}"

    def serve(self, service: Service) -> str:
        """A data plane of its own for a service; its URL. It ends with the double."""
        return self._servers.enter_context(HttpsServer(service, self.authority)).url

    def at_end(self, call: Callable[[], object]) -> None:
        """Done when the double ends."""
        self._servers.callback(call)

    def serial(self) -> int:
        """1, 2, 3, …"""
        self._serial += 1
        return self._serial

    def existing(self, resource_id: str, code: str = "ResourceNotFound") -> Resource:
        """The resource. Raises ArmError 404."""
        found = self.resources.get(resource_id)
        if found is None:
            raise ArmError(404, code, f"The Resource '{resource_id}' was not found.")
        return found

    def referenced(self, resource_id: str, by: str) -> Resource:
        """What a body names by id. Raises ArmError 400."""
        found = self.resources.get(resource_id)
        if found is None:
            raise ArmError(
                400, "InvalidResourceReference", f"Resource {resource_id} referenced by resource {by} was not found."
            )
        return found

    def require_quota(self, name: str, used: float, more: float, code: str) -> None:
        """Raises ArmError when it would be too much."""
        limit = self.quotas.get(name)
        if limit is not None and used + more > limit:
            raise ArmError(
                409,
                code,
                f"Resource quota '{name}' exceeded. Limit: '{limit}', Usage: '{used:g}', Requested: '{more:g}'.",
            )

    def watch_hosts(self, kind: str, body: Any) -> None:
        """Names of the other cloud in a body are violations."""
        other = _PUBLIC if self.government else _GOVERNMENT
        for text in _texts(body):
            if found := other.search(text):
                self.violations.append(f"{kind}: {found.group()} is a name of the other cloud")


def _texts(part: Any) -> list[str]:
    if isinstance(part, str):
        return [part]
    if isinstance(part, Mapping):
        return [text for each in part.values() for text in _texts(each)]
    return [text for each in part for text in _texts(each)] if isinstance(part, list) else []


def token(audience: str, principal: str = PRINCIPAL) -> str:
    """A bearer token as Microsoft Entra issues them, unsigned: it says who is signed in."""
    claims: Json = {"oid": principal, "tid": TENANT, "aud": audience, "exp": 4102444800}
    parts = (json.dumps({"alg": "none", "typ": "JWT"}), json.dumps(claims), "double")
    return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)
