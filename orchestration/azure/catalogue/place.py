"""Names, ids and API versions of one deployment's resources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from orchestration.azure.nodes import Body
from orchestration.azure.resource import Resource
from orchestration.deployment.description import Description

#: The versions whose published schemas every body is checked against (tests/azure).
API: Final = {
    "Microsoft.Resources": "2025-04-01",
    "Microsoft.Network": "2025-07-01",
    "Microsoft.Network/privateDnsZones": "2024-06-01",
    "Microsoft.ContainerRegistry": "2025-11-01",
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


@dataclass(frozen=True, slots=True)
class Place:
    """Where the resources of a description are."""

    said: Description

    @property
    def group_id(self) -> str:
        """Of the resource group."""
        return f"/subscriptions/{self.said.subscription}/resourceGroups/{self.said.group}"

    def id(self, kind: str, *names: str) -> str:
        """Of a resource: id("Microsoft.Storage/storageAccounts/fileServices", "fp1", "default")."""
        provider, *kinds = kind.split("/")
        pairs = "/".join(f"{each}/{name}" for each, name in zip(kinds, names, strict=True))
        return f"{self.group_id}/providers/{provider}/{pairs}"

    @staticmethod
    def version(kind: str) -> str:
        """The API version that a kind is asked for with."""
        provider, top, *_ = kind.split("/")
        return API.get(f"{provider}/{top}") or API[provider]

    def resource(
        self, key: str, title: str, kind: str, *names: str, body: Body, needs: tuple[str, ...] = (), **more: object
    ) -> Resource:
        """A node for a resource of that kind and those names; everything needs the resource group."""
        return Resource(
            key=key,
            title=f"{title} {names[-1]}",
            id=self.id(kind, *names),
            api_version=self.version(kind),
            body=body,
            needs=("group", *needs),
            **more,  # type: ignore[arg-type]  # the rest of Resource's own fields
        )
