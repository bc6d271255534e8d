"""The real SDK's clients, led to a double."""

from __future__ import annotations

import re
from typing import Any, Final

from azure.core.credentials import AccessToken
from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.cognitiveservices import CognitiveServicesManagementClient
from azure.mgmt.containerinstance import ContainerInstanceManagementClient
from azure.mgmt.containerregistry import ContainerRegistryManagementClient
from azure.mgmt.containerregistrytasks import ContainerRegistryTasksMgmtClient
from azure.mgmt.cosmosdb import CosmosDBManagementClient
from azure.mgmt.keyvault import KeyVaultManagementClient
from azure.mgmt.loganalytics import LogAnalyticsManagementClient
from azure.mgmt.msi import ManagedServiceIdentityClient
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.postgresqlflexibleservers import PostgreSQLManagementClient
from azure.mgmt.resource.resources import ResourceManagementClient
from azure.mgmt.storage import StorageManagementClient

from tests.azure_double.double import AzureDouble

GROUP: Final = "rg"
LOCATION: Final = "westeurope"
#: Versions whose schemas the double has, where they are not the clients' own.
VERSIONS: Final[dict[type, str]] = {
    NetworkManagementClient: "2025-07-01",
    StorageManagementClient: "2026-04-01",
    KeyVaultManagementClient: "2026-02-01",
    PostgreSQLManagementClient: "2025-08-01",
}


class Token:
    """A credential that has one token."""

    def __init__(self, text: str) -> None:
        self._text = text

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        """Of whatever scope."""
        return AccessToken(self._text, 4102444800)


class Pinned(SansIOHTTPPolicy[Any, Any]):
    """Says another API version: the network client's operations ignore the one that it is made with."""

    def __init__(self, version: str) -> None:
        self._version = version

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Before it is sent."""
        request.http_request.url = re.sub(
            r"api-version=[^&]+", f"api-version={self._version}", request.http_request.url
        )


class Sdk:
    """Clients of one subscription, made when they are asked for."""

    def __init__(self, double: AzureDouble) -> None:
        said = double.environment
        self._subscription = double.subscription
        self.credential = Token(said["AZURE_STATIC_TOKEN"])
        self.transport: dict[str, Any] = {"connection_verify": said["AZURE_CA_BUNDLE"], "retry_backoff_factor": 0}
        self._more = self.transport | {
            "base_url": said["AZURE_ARM_ENDPOINT"],
            "credential_scopes": [said["AZURE_ARM_SCOPE"]],
            "polling_interval": 0.02,
        }

    def client(self, kind: type) -> Any:
        """One of a class."""
        version: dict[str, Any] = {}
        if kind in VERSIONS:
            version = {"api_version": VERSIONS[kind], "per_call_policies": [Pinned(VERSIONS[kind])]}
        return kind(self.credential, self._subscription, **self._more, **version)

    @property
    def resources(self) -> Any:
        """Groups, providers, anything by id."""
        return self.client(ResourceManagementClient)

    @property
    def network(self) -> Any:
        """Networks and what is in them."""
        return self.client(NetworkManagementClient)

    @property
    def storage(self) -> Any:
        """Storage accounts and shares."""
        return self.client(StorageManagementClient)

    @property
    def cosmos(self) -> Any:
        """Cosmos DB."""
        return self.client(CosmosDBManagementClient)

    @property
    def cognitive(self) -> Any:
        """Face accounts."""
        return self.client(CognitiveServicesManagementClient)

    @property
    def registries(self) -> Any:
        """Container registries."""
        return self.client(ContainerRegistryManagementClient)

    @property
    def builds(self) -> Any:
        """Builds in them."""
        return self.client(ContainerRegistryTasksMgmtClient)

    @property
    def postgres(self) -> Any:
        """PostgreSQL servers."""
        return self.client(PostgreSQLManagementClient)

    @property
    def identities(self) -> Any:
        """Managed identities."""
        return self.client(ManagedServiceIdentityClient)

    @property
    def roles(self) -> Any:
        """Role assignments."""
        return self.client(AuthorizationManagementClient)

    @property
    def vaults(self) -> Any:
        """Key vaults."""
        return self.client(KeyVaultManagementClient)

    @property
    def logs(self) -> Any:
        """Log Analytics."""
        return self.client(LogAnalyticsManagementClient)

    @property
    def containers(self) -> Any:
        """Container groups."""
        return self.client(ContainerInstanceManagementClient)

    def group(self, name: str = GROUP) -> str:
        """A new resource group; its id."""
        made: str = self.resources.resource_groups.create_or_update(name, {"location": LOCATION}).id
        return made


def code_of(caught: Any) -> str:
    """The code of an error that `pytest.raises` caught, as Azure said it."""
    error = caught.value.error
    return str(error.code if error else caught.value.reason)
