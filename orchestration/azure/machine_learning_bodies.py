"""What Azure Machine Learning is sent: names and ids of a deployment of the scorer, and the bodies of its resources.

Bodies are those of Microsoft.MachineLearningServices at API_VERSION. Nothing in them names a person.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from orchestration.deployment.errors import DeploymentError
from orchestration.deployment.workloads import WEB_PORT

API_VERSION: Final = "2025-12-01"
#: What everything of ours is called in the workspace.
MODEL: Final = "faceproject"
ENVIRONMENT: Final = "faceproject-scorer"
#: The two deployments of an endpoint: one serves, the other is the next, or the one before.
BLUE, GREEN = COLOURS = ("blue", "green")
#: Tags of a deployment: the version it serves, and which artefact that is.
VERSION_TAG, ARTEFACT_TAG = "faceproject-version", "faceproject-artefact"
_WORKSPACE: Final = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<group>[^/]+)"
    r"/providers/Microsoft\.MachineLearningServices/workspaces/(?P<name>[^/]+)",
    re.IGNORECASE,
)
_ENDPOINT_NAME: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]")
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where versions are rolled out to. Raises DeploymentError when it cannot be meant."""

    workspace: str  #: id
    endpoint: str  #: name, unique in the region
    datastore: str  #: name of a datastore of kind AzureFile, on the share that MEDIA_ROOT is on
    path: str  #: of MEDIA_ROOT, on the share
    image: str  #: of the product
    instance: str  #: size of a machine
    instances: int
    scorer_token: str = field(repr=False)  #: as the container gets it: the token, or a reference to a vault's secret

    def __post_init__(self) -> None:
        if not _WORKSPACE.fullmatch(self.workspace):
            raise DeploymentError(
                f"AZUREML_WORKSPACE={self.workspace} is no id of a workspace. `az ml workspace show --query id` prints "
                "it: /subscriptions/…/resourceGroups/…/providers/Microsoft.MachineLearningServices/workspaces/NAME"
            )
        if not _ENDPOINT_NAME.fullmatch(self.endpoint):
            raise DeploymentError(
                f"AZUREML_ENDPOINT={self.endpoint} is no name of an endpoint: 3 to 32 letters, digits and hyphens, a "
                "letter first."
            )
        if not self.image:
            raise DeploymentError("AZUREML_IMAGE must name the product's image, as Azure ML pulls it.")

    @property
    def subscription(self) -> str:
        """Of the workspace."""
        return self._part("subscription")

    @property
    def endpoint_id(self) -> str:
        """Of the online endpoint."""
        return f"{self.workspace}/onlineEndpoints/{self.endpoint}"

    @property
    def environment_id(self) -> str:
        """A version of the environment for each image: environments never change."""
        digits = sha256(self.image.encode()).hexdigest()[:12]
        return f"{self.workspace}/environments/{ENVIRONMENT}/versions/{digits}"

    def deployment_id(self, colour: str) -> str:
        """Of a deployment of the endpoint."""
        return f"{self.endpoint_id}/deployments/{colour}"

    def model_id(self, version: int) -> str:
        """Of a registered version."""
        return f"{self.workspace}/models/{MODEL}/versions/{version}"

    def uri(self, folder: str) -> str:
        """A folder below MEDIA_ROOT, as Azure ML names it."""
        where = f"azureml://subscriptions/{self.subscription}/resourcegroups/{self._part('group')}"
        place = "/".join(part for part in (self.path.strip("/"), folder.strip("/")) if part)
        return f"{where}/workspaces/{self._part('name')}/datastores/{self.datastore}/paths/{place}/"

    def _part(self, name: str) -> str:
        found = _WORKSPACE.fullmatch(self.workspace)
        return found[name] if found else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A version to be served. Nothing in it names a person."""

    version: int
    embedder: str
    data_hash: str
    artefact: str
    metrics: Mapping[str, float]
    folder: str  #: below MEDIA_ROOT, where its export lies


def datastore_body(*, account: str, share: str, endpoint: str, key: str) -> Json:
    """Of the datastore that MEDIA_ROOT is on; provisioning sends it. endpoint: the cloud's, "core.windows.net"."""
    return {
        "properties": {
            "datastoreType": "AzureFile",
            "accountName": account,
            "fileShareName": share,
            "endpoint": endpoint,
            "protocol": "https",
            "credentials": {
                "credentialsType": "AccountKey",
                "secrets": {"secretsType": "AccountKey", "key": key},
            },
        }
    }


def model_body(release: Release, uri: str) -> Json:
    """Values of properties are texts."""
    said = {
        "version": str(release.version),
        "embedder": release.embedder,
        "data_hash": release.data_hash,
        "artefact": release.artefact,
    }
    metrics = {f"metric.{name}": f"{value:g}" for name, value in sorted(release.metrics.items())}
    return {"properties": {"modelUri": uri, "modelType": "custom_model", "properties": said | metrics}}


def environment_body(image: str) -> Json:
    """Where the scorer answers: orchestration/scorer/urls.py."""
    return {
        "properties": {
            "image": image,
            "osType": "Linux",
            "inferenceConfig": {
                "livenessRoute": {"path": "/healthz", "port": WEB_PORT},
                "readinessRoute": {"path": "/readyz", "port": WEB_PORT},
                "scoringRoute": {"path": "/v1/score", "port": WEB_PORT},
            },
        }
    }


def endpoint_body(location: str) -> Json:
    """An endpoint that is asked by key."""
    return {
        "location": location,
        "identity": {"type": "SystemAssigned"},
        "properties": {"authMode": "Key", "publicNetworkAccess": "Enabled", "description": "The scorer of faceproject"},
    }


def deployment_body(target: Target, release: Release, location: str) -> Json:
    """The scorer serves the model beside it (AZUREML_MODEL_DIR), with no store."""
    return {
        "location": location,
        "tags": {VERSION_TAG: str(release.version), ARTEFACT_TAG: release.artefact},
        "sku": {"name": "Default", "capacity": target.instances},
        "properties": {
            "endpointComputeType": "Managed",
            "model": target.model_id(release.version),
            "environmentId": target.environment_id,
            "instanceType": target.instance,
            "scaleSettings": {"scaleType": "Default"},
            "environmentVariables": {
                "SCORER_TOKEN": target.scorer_token,
                "FACE_DETECTOR": "embedded",
                "LOG_FORMAT": "json",
            },
            "livenessProbe": _probe(initial="PT30S", failures=6),
            "readinessProbe": _probe(initial="PT10S", failures=30),
            "requestSettings": {"maxConcurrentRequestsPerInstance": 8, "requestTimeout": "PT30S"},
        },
    }


def _probe(*, initial: str, failures: int) -> Json:
    return {
        "initialDelay": initial,
        "period": "PT10S",
        "timeout": "PT5S",
        "successThreshold": 1,
        "failureThreshold": failures,
    }


def routed(endpoint: Mapping[str, Any], traffic: Mapping[str, int], mirror: Mapping[str, int]) -> Json:
    """The endpoint as it was found, with another routing: a PUT without them would take its other properties away."""
    kept = ("authMode", "publicNetworkAccess", "description", "compute")
    properties = {name: endpoint["properties"][name] for name in kept if endpoint["properties"].get(name)}
    body: Json = {
        "location": endpoint["location"],
        "properties": properties | {"traffic": dict(traffic), "mirrorTraffic": dict(mirror)},
    }
    if endpoint.get("tags"):
        body["tags"] = dict(endpoint["tags"])
    if identity := endpoint.get("identity"):
        body["identity"] = {"type": identity["type"]}
        if assigned := identity.get("userAssignedIdentities"):
            body["identity"]["userAssignedIdentities"] = {each: {} for each in assigned}
    return body
