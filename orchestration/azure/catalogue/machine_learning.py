"""The workspace of Azure Machine Learning, where the description asks for one, and what the dispatcher needs to use it.

What is served there follows the champion, and is the dispatcher's work (orchestration/azure/rollout.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from orchestration.azure.catalogue import services
from orchestration.azure.catalogue.place import Place
from orchestration.azure.comparison import secret
from orchestration.azure.machine_learning_bodies import datastore_body
from orchestration.azure.nodes import Facts, Node, Run
from orchestration.azure.resource import Hook
from orchestration.azure.secret_book import STORAGE_KEY
from orchestration.deployment.description import LONGEST_ENDPOINT, Description
from orchestration.deployment.workloads import SCORER_TOKEN

#: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles#azureml-data-scientist
DATA_SCIENTIST: Final = "f6c7c914-8db3-469d-8ca1-694a8f32e121"
DATASTORE: Final = "faceproject"


def nodes(place: Place, *, own_registry: bool) -> Iterator[Node]:
    """The workspace on the deployment's own storage account, vault and registry; the share as its datastore."""
    said = place.said

    def workspace(facts: Facts) -> dict[str, Any]:
        properties = {
            "friendlyName": said.name,
            "storageAccount": facts.of("storage", "id"),
            "keyVault": facts.of("vault", "id"),
            "publicNetworkAccess": "Enabled",  # the dispatcher asks the endpoint from the deployment's own network
        }
        if own_registry:  # endpoints may pull from the workspace's registry, and from no other
            properties["containerRegistry"] = facts.of("registry", "id")
        return {"location": said.location, "identity": {"type": "SystemAssigned"}, "properties": properties}

    needs = ("storage", "vault", *(["registry"] if own_registry else []))
    yield place.resource(
        "ml",
        "machine learning workspace and endpoint",
        services.WORKSPACES,
        said.name,
        body=workspace,
        needs=needs,
        deleted_with={"forceToPurge": "true"},  # else it keeps its name for 14 days
        going=_without_endpoint(place),
    )

    def datastore(facts: Facts) -> dict[str, Any]:
        file_host = urlsplit(str(facts.of("storage", "properties", "primaryEndpoints", "file"))).hostname or ""
        body = datastore_body(
            account=str(facts.of("storage", "name")),
            share=services.SHARE,
            endpoint=file_host.partition(".file.")[2] or file_host,
            key="",
        )
        del body["properties"]["credentials"]["secrets"]  # sent, never told
        return body

    yield place.resource(
        "ml-share",
        "datastore",
        f"{services.WORKSPACES}/datastores",
        *(said.name, DATASTORE),
        body=datastore,
        sent={"properties": {"credentials": {"secrets": {"secretsType": "AccountKey", "key": secret(STORAGE_KEY)}}}},
        needs=("ml", "share"),
        tagged=False,
    )
    yield services.role(place, "ml-work", "permission to roll out models", "ml", name=DATA_SCIENTIST)


def _without_endpoint(place: Place) -> Hook:
    """The dispatcher made the endpoint; its machines are paid for as long as it is there, so it goes first."""
    kind = f"{services.WORKSPACES}/onlineEndpoints"

    def going(run: Run, found: Mapping[str, Any]) -> None:
        run.report("ml", "deleting", "what is served")
        run.azure.delete(place.id(kind, place.said.name, endpoint_name(place.said)), place.version(kind))

    return going


def endpoint_name(said: Description) -> str:
    """Of the online endpoint, unique in the region."""
    return said.global_name("web", longest=LONGEST_ENDPOINT)


def environment(place: Place, facts: Facts, *, image: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """What the dispatcher is told: variables, and variables of secrets by name."""
    said = place.said
    return {
        "AZUREML_WORKSPACE": place.id(services.WORKSPACES, said.name),
        "AZUREML_ENDPOINT": endpoint_name(said),
        "AZUREML_DATASTORE": DATASTORE,
        "AZUREML_IMAGE": image,
        "AZUREML_INSTANCE": said.machine_learning.instance,
        "AZUREML_INSTANCES": str(said.machine_learning.instances),
        "AZURE_CLOUD": said.cloud,
        "AZURE_CLIENT_ID": str(facts.of("identity", "properties", "clientId")),
    }, {"SCORER_TOKEN": SCORER_TOKEN}
