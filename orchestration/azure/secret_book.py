"""The secrets of a deployment: made once and kept in its Key Vault, or asked of the service whose key they are.

Values live in this process's memory while a command runs, and go out in request bodies as secure values alone.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from orchestration.azure.clients import Azure
from orchestration.azure.errors import RefusedError
from orchestration.deployment import workloads as names

if TYPE_CHECKING:
    from azure.keyvault.secrets import SecretClient

    from orchestration.azure.nodes import Facts

#: Of the digest by which a change of a secret is noticed.
SPEC_KEY: Final = "spec-key"
STORAGE_KEY: Final = "storage-key"
REGISTRY_PASSWORD: Final = "registry-password"  # noqa: S105 - the name of one
LOG_KEY: Final = "log-key"
#: Made here, kept in the vault: name to how many random bytes.
GENERATED: Final[Mapping[str, int]] = {
    names.SECRET_KEY: 48,
    names.ADMIN_PASSWORD: 18,
    names.POSTGRES_PASSWORD: 24,
    names.REDIS_PASSWORD: 24,
    names.SCORER_TOKEN: 32,
    SPEC_KEY: 32,
}
POSTGRES_USER: Final = "faceproject"
POSTGRES_DATABASE: Final = "faceproject"


class SecretBook:
    """Values by name. Raises nodes.MissingFactError for what cannot be known before a resource is there."""

    def __init__(self, azure: Azure, facts: Facts) -> None:
        self._azure, self._facts = azure, facts
        self._known: dict[str, str] = {}
        self._lock = threading.RLock()
        self._sources: dict[str, Callable[[], str]] = {
            names.CASSANDRA_PASSWORD: self._cassandra_password,
            names.FACE_KEY: self._face_key,
            STORAGE_KEY: self._storage_key,
            REGISTRY_PASSWORD: self._registry_password,
            LOG_KEY: self._log_key,
        }

    def value(self, name: str) -> str:
        """The value of a secret."""
        match name:  # these follow from others, and change with them
            case names.REDIS_URL:
                host = self._facts.of("group:redis", "properties", "ipAddress", "ip")
                return f"redis://:{quote(self.value(names.REDIS_PASSWORD))}@{host}:{names.REDIS_PORT}/0"
            case names.DATABASE_URL:
                host = self._facts.of("postgresql", "properties", "fullyQualifiedDomainName")
                password = quote(self.value(names.POSTGRES_PASSWORD))
                return f"postgres://{POSTGRES_USER}:{password}@{host}/{POSTGRES_DATABASE}?sslmode=require"
        with self._lock:
            if name not in self._known:
                self._known[name] = self._sources[name]() if name in self._sources else self._kept(name)
            return self._known[name]

    # ---- in the vault ------------------------------------------------------------------------------------------------
    def missing(self) -> tuple[str, ...]:
        """Which of the generated are not in the vault yet. Raises RefusedError."""
        there = {each.name for each in self._azure.ask(lambda: list(self._vault().list_properties_of_secrets()), _READ)}
        return tuple(name for name in GENERATED if name not in there)

    def make(self, name: str) -> None:
        """Make a secret and keep it. Raises RefusedError."""
        value = secrets.token_urlsafe(GENERATED[name])
        self._azure.ask(lambda: self._vault().set_secret(name, value), f"to keep the secret {name}", patient=True)
        with self._lock:
            self._known[name] = value

    def _kept(self, name: str) -> str:
        from orchestration.azure.nodes import MissingFactError

        try:
            return str(self._azure.ask(lambda: self._vault().get_secret(name), _READ).value)
        except RefusedError as error:
            if error.code in {"SecretNotFound", "ResourceNotFoundError"}:
                raise MissingFactError(f"The secret {name} is not in the vault yet.") from error
            if error.code == "Forbidden":  # somebody else deployed; an apply lets whoever runs it in
                raise MissingFactError("The vault does not let you read its secrets yet.") from error
            raise

    def _vault(self) -> SecretClient:
        from azure.keyvault.secrets import SecretClient

        return SecretClient(
            self._facts.of("vault", "properties", "vaultUri"),
            self._azure.credential,
            verify_challenge_resource=False,  # the address is the one that the resource returned
            **self._azure.transport,
        )

    # ---- keys of services --------------------------------------------------------------------------------------------
    def _place(self, key: str) -> tuple[str, str]:
        """Resource group and name of a resource, from its id."""
        parts = str(self._facts.of(key, "id")).split("/")
        return parts[4], parts[-1]

    def _cassandra_password(self) -> str:
        from azure.mgmt.cosmosdb import CosmosDBManagementClient

        client = self._azure.client(CosmosDBManagementClient)
        keys = self._azure.ask(lambda: client.database_accounts.list_keys(*self._place("cassandra")), _KEYS)
        return str(keys.primary_master_key)

    def _face_key(self) -> str:
        from azure.mgmt.cognitiveservices import CognitiveServicesManagementClient

        client = self._azure.client(CognitiveServicesManagementClient)
        return str(self._azure.ask(lambda: client.accounts.list_keys(*self._place("face")), _KEYS).key1)

    def _storage_key(self) -> str:
        from azure.mgmt.storage import StorageManagementClient

        client = self._azure.client(StorageManagementClient)
        found = self._azure.ask(lambda: client.storage_accounts.list_keys(*self._place("storage")), _KEYS)
        return str(found.as_dict()["keys"][0]["value"])

    def _registry_password(self) -> str:
        from azure.mgmt.containerregistry import ContainerRegistryManagementClient

        client = self._azure.client(ContainerRegistryManagementClient)
        found = self._azure.ask(lambda: client.registries.list_credentials(*self._place("registry")), _KEYS)
        return str(found.as_dict()["passwords"][0]["value"])

    def _log_key(self) -> str:
        from azure.mgmt.loganalytics import LogAnalyticsManagementClient

        client = self._azure.client(LogAnalyticsManagementClient)
        return str(
            self._azure.ask(lambda: client.shared_keys.get_shared_keys(*self._place("logs")), _KEYS).primary_shared_key
        )


_READ: Final = "to read the deployment's Key Vault"
_KEYS: Final = "to show a service's key"
