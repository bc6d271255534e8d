"""The workspace of Azure Machine Learning, where the description asks for one.

What is served there follows the champion, and is the dispatcher's work (orchestration/azure/machine_learning.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from orchestration.azure.catalogue.place import Place
from orchestration.azure.nodes import Facts, Node

WORKSPACES = "Microsoft.MachineLearningServices/workspaces"


def nodes(place: Place) -> Iterator[Node]:
    """The workspace, on the deployment's own storage account and vault."""
    said = place.said

    def body(facts: Facts) -> dict[str, Any]:
        return {
            "location": said.location,
            "identity": {"type": "SystemAssigned"},
            "properties": {
                "friendlyName": said.name,
                "storageAccount": facts.of("storage", "id"),
                "keyVault": facts.of("vault", "id"),
                "publicNetworkAccess": "Disabled" if said.private else "Enabled",
            },
        }

    yield place.resource(
        "ml", "machine learning workspace", WORKSPACES, said.name, body=body, needs=("storage", "vault")
    )
