"""Azure Machine Learning through Azure Resource Manager: models, an environment, an online endpoint, its deployments.

Everything is read and written by id with bodies of Microsoft.MachineLearningServices, so one client speaks to all of
it. Nothing here waits: what takes time is seen by its provisioning state when it is looked at again.
https://learn.microsoft.com/azure/templates/microsoft.machinelearningservices/workspaces/onlineendpoints
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from azure.core.exceptions import ResourceNotFoundError
from azure.core.rest import HttpRequest
from azure.mgmt.resource.resources import ResourceManagementClient

from orchestration.azure.clients import Azure
from orchestration.azure.errors import RefusedError
from orchestration.azure.machine_learning_bodies import (
    API_VERSION,
    ARTEFACT_TAG,
    BLUE,
    COLOURS,
    GREEN,
    MODEL,
    VERSION_TAG,
    Json,
    Release,
    Target,
    deployment_body,
    endpoint_body,
    environment_body,
    model_body,
    routed,
)
from orchestration.azure.resource import BAD, GOOD, state_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One colour of the endpoint, as Azure says."""

    colour: str
    version: int  #: 0: not one of ours
    artefact: str
    state: str  #: "succeeded", "failed", … in lower case
    share: int  #: percent of the traffic
    mirrored: int  #: percent of the traffic that is copied to it

    @property
    def busy(self) -> bool:
        """On its way to a state that lasts."""
        return self.state not in GOOD | BAD

    @property
    def used(self) -> bool:
        """Requests come to it."""
        return bool(self.share or self.mirrored)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The endpoint at one moment."""

    endpoint: Json
    lanes: Mapping[str, Lane]  #: those that exist, by colour

    @property
    def state(self) -> str:
        """Of the endpoint itself, in lower case."""
        return state_of(self.endpoint)

    @property
    def busy(self) -> bool:
        """Something of it is on its way, so that a change would be refused."""
        return self.state not in GOOD | BAD or any(lane.busy for lane in self.lanes.values())

    @property
    def scoring_uri(self) -> str:
        """Where it answers."""
        return str(self.endpoint["properties"]["scoringUri"])

    def lane_of(self, release: Release) -> Lane | None:
        """The one that was made for this very version."""
        same = (each for each in self.lanes.values() if each.version == release.version)
        return next((each for each in same if each.artefact == release.artefact), None)

    def beside(self, colour: str) -> Lane | None:
        """The other one."""
        return self.lanes.get(GREEN if colour == BLUE else BLUE)


class MachineLearning:
    """One endpoint of one workspace."""

    def __init__(self, azure: Azure, target: Target) -> None:
        self._azure, self.target = azure, target
        self._location = ""

    # ---- look --------------------------------------------------------------------------------------------------------
    def look(self) -> Seen | None:
        """None: there is no endpoint yet. Raises RefusedError (somebody else's deployments are there too)."""
        endpoint = self._get(self.target.endpoint_id)
        if endpoint is None:
            return None
        properties = endpoint.get("properties") or {}
        traffic, mirror = properties.get("traffic") or {}, properties.get("mirrorTraffic") or {}
        if others := sorted({*traffic, *mirror} - {*COLOURS}):
            raise RefusedError(
                f"The endpoint {self.target.endpoint} has deployments that are not this product's ({others[0]}). Set "
                "AZUREML_ENDPOINT to the name of another; it is made by itself.",
                code="NotOurs",
            )
        lanes = {}
        for colour in COLOURS:
            if found := self._get(self.target.deployment_id(colour)):
                lanes[colour] = _lane(colour, found, traffic, mirror)
        return Seen(endpoint=endpoint, lanes=lanes)

    def key(self) -> str:
        """The key that the endpoint wants to be asked with."""
        path = f"{{endpoint}}{self.target.endpoint_id}/listKeys?api-version={API_VERSION}"

        def ask() -> Json:
            answer = self._client.send_request(HttpRequest("POST", path))
            answer.raise_for_status()
            found: Json = answer.json()
            return found

        return str(self._azure.ask(ask, "to tell the endpoint's key")["primaryKey"])

    # ---- change ------------------------------------------------------------------------------------------------------
    def create_endpoint(self) -> None:
        """Begin to make it; its deployments pull the image and read the model as its own identity."""
        self._put(self.target.endpoint_id, endpoint_body(self._where()))

    def set_traffic(self, seen: Seen, traffic: Mapping[str, int], mirror: Mapping[str, int] | None = None) -> None:
        """Begin to route as these percentages say. Everything else of the endpoint stays."""
        existing = {colour: traffic.get(colour, 0) for colour in COLOURS if colour in seen.lanes}
        self._put(self.target.endpoint_id, routed(seen.endpoint, existing, mirror or {}))

    def require_datastore(self) -> None:
        """Raises RefusedError where provisioning has not made it."""
        if self._get(f"{self.target.workspace}/datastores/{self.target.datastore}") is None:
            raise RefusedError(
                f"The workspace has no datastore {self.target.datastore}. `manage.py provision --apply` makes it; or "
                "make one of kind AzureFile on the share that MEDIA_ROOT is on, and set AZUREML_DATASTORE to its name.",
                code="NoDatastore",
            )

    def register(self, release: Release, export: Callable[[], None]) -> None:
        """Register the version unless it is. export: writes its folder on the share. Raises RefusedError."""
        found = self._get(self.target.model_id(release.version))
        if found is None:
            self.require_datastore()
            export()
            container = f"{self.target.workspace}/models/{MODEL}"
            if self._get(container) is None:
                self._put(container, {"properties": {"description": "Versions of faceproject's classifier"}})
            self._put(self.target.model_id(release.version), model_body(release, self.target.uri(release.folder)))
        elif (found["properties"].get("properties") or {}).get("artefact") != release.artefact:
            raise RefusedError(
                f"The workspace has a model {MODEL} {release.version} that another installation registered. Use a "
                "workspace of this installation's own.",
                code="NotOurs",
            )

    def require_environment(self) -> None:
        """Make the environment of the image unless it is there."""
        if self._get(self.target.environment_id) is None:
            container = self.target.environment_id.partition("/versions/")[0]
            if self._get(container) is None:
                self._put(container, {"properties": {"description": "The scorer of faceproject"}})
            self._put(self.target.environment_id, environment_body(self.target.image))

    def create_deployment(self, colour: str, release: Release) -> None:
        """Begin to start the scorer with that version; it gets no traffic."""
        self._put(self.target.deployment_id(colour), deployment_body(self.target, release, self._where()))

    def delete_deployment(self, colour: str) -> None:
        """Begin to take it away."""
        call = self._client.resources.begin_delete_by_id
        self._azure.ask(
            lambda: call(self.target.deployment_id(colour), api_version=API_VERSION, polling=False),
            f"to delete deployments/{colour}",
        )

    # ---- how ---------------------------------------------------------------------------------------------------------
    @property
    def _client(self) -> Any:
        return self._azure.client(ResourceManagementClient)

    def _where(self) -> str:
        if not self._location:
            workspace = self._get(self.target.workspace)
            if workspace is None:
                raise RefusedError(
                    "There is no workspace of that id, or it may not be seen. Look at AZUREML_WORKSPACE, and at the "
                    "roles of whoever the dispatcher signs in as.",
                    code="NoWorkspace",
                )
            self._location = str(workspace["location"])
        return self._location

    def _get(self, resource_id: str) -> Json | None:
        try:
            return self._azure.get(resource_id, API_VERSION)
        except RefusedError as error:
            if isinstance(error.__cause__, ResourceNotFoundError):
                return None
            raise

    def _put(self, resource_id: str, body: Json) -> None:
        call = self._client.resources.begin_create_or_update_by_id
        what = "/".join(resource_id.split("/")[-2:])
        self._azure.ask(
            lambda: call(resource_id, body, api_version=API_VERSION, polling=False), f"to create or change {what}"
        )


def _lane(colour: str, found: Json, traffic: Mapping[str, int], mirror: Mapping[str, int]) -> Lane:
    tags = found.get("tags") or {}
    number = str(tags.get(VERSION_TAG, ""))
    return Lane(
        colour=colour,
        version=int(number) if number.isdecimal() else 0,
        artefact=str(tags.get(ARTEFACT_TAG, "")),
        state=state_of(found),
        share=int(traffic.get(colour, 0)),
        mirrored=int(mirror.get(colour, 0)),
    )
