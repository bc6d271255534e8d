"""API versions: one a provider, for PUTs by id and for the vendor's own clients alike."""

from __future__ import annotations

from typing import Final

#: The versions whose published schemas every body is checked against (tests/azure).
API: Final = {
    "Microsoft.Resources": "2025-04-01",
    "Microsoft.Network": "2025-07-01",
    "Microsoft.Network/privateDnsZones": "2024-06-01",
    "Microsoft.ContainerRegistry": "2025-11-01",
    "Microsoft.ContainerRegistry/tasks": "2025-03-01-preview",
    "Microsoft.DocumentDB": "2026-03-15",
    "Microsoft.CognitiveServices": "2025-09-01",
    "Microsoft.Storage": "2026-04-01",
    "Microsoft.DBforPostgreSQL": "2025-08-01",
    "Microsoft.ManagedIdentity": "2024-11-30",
    "Microsoft.Authorization": "2022-04-01",
    "Microsoft.KeyVault": "2026-02-01",
    "Microsoft.OperationalInsights": "2025-07-01",
    "Microsoft.ContainerInstance": "2023-05-01",
    "Microsoft.MachineLearningServices": "2025-12-01",
}
#: Whose client a package is.
PROVIDERS: Final = {
    "azure.mgmt.resource": "Microsoft.Resources",
    "azure.mgmt.containerregistry": "Microsoft.ContainerRegistry",
    "azure.mgmt.containerregistrytasks": "Microsoft.ContainerRegistry/tasks",
    "azure.mgmt.cosmosdb": "Microsoft.DocumentDB",
    "azure.mgmt.cognitiveservices": "Microsoft.CognitiveServices",
    "azure.mgmt.storage": "Microsoft.Storage",
    "azure.mgmt.postgresqlflexibleservers": "Microsoft.DBforPostgreSQL",
    "azure.mgmt.keyvault": "Microsoft.KeyVault",
    "azure.mgmt.loganalytics": "Microsoft.OperationalInsights",
    "azure.mgmt.containerinstance": "Microsoft.ContainerInstance",
}


def version_of_client(kind: type[object]) -> str:
    """What a class of the vendor's clients is to speak."""
    return API[PROVIDERS[".".join(kind.__module__.split(".")[:3])]]
