"""Names, ids and API versions of one deployment's resources."""

from __future__ import annotations

from dataclasses import dataclass

from orchestration.azure.api import API
from orchestration.azure.nodes import Body
from orchestration.azure.resource import Resource
from orchestration.deployment.description import Description


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
            title=f"{title} {_shown(names)}",
            id=self.id(kind, *names),
            api_version=self.version(kind),
            body=body,
            needs=("group", *needs),
            **more,  # type: ignore[arg-type]  # the rest of Resource's own fields
        )


def _shown(names: tuple[str, ...]) -> str:
    """The last one that says something."""
    return next(name for name in reversed(names) if name != "default")
