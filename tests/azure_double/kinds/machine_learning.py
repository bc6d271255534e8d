"""Azure Machine Learning: workspaces, datastores, environments, models, online endpoints and their deployments."""

from __future__ import annotations

import copy
import re
import secrets
from collections.abc import Mapping
from typing import Any

from tests.azure_double.endpoint_plane import plane_of
from tests.azure_double.https import Answer
from tests.azure_double.kinds.kind import Call, Follow, Kind, Put, kind, look, route
from tests.azure_double.resources import ArmError, Resource, parent_of
from tests.azure_double.world import World

WORKSPACES = "Microsoft.MachineLearningServices/workspaces"
ENDPOINTS = f"{WORKSPACES}/onlineEndpoints"
DEPLOYMENTS = f"{ENDPOINTS}/deployments"
#: Of the traffic, at most, may be mirrored, and to one deployment.
#: https://learn.microsoft.com/azure/machine-learning/how-to-safely-rollout-online-endpoints
MOST_MIRRORED = 50
_URI = re.compile(
    r"azureml://subscriptions/[^/]+/resourcegroups/[^/]+/workspaces/([^/]+)/datastores/([^/]+)/paths/.+", re.IGNORECASE
)


@kind("Microsoft.MachineLearningServices/workspaces")
class Workspace(Kind):
    """Holds everything else. A deleted one keeps its name for 14 days, unless it is purged in the same request.

    https://learn.microsoft.com/azure/machine-learning/concept-soft-delete
    """

    purged_by = "forceToPurge"

    def check(self, put: Put) -> None:
        """See Kind."""
        if put.id in put.world.deleted:
            raise ArmError(400, "BadRequest", "Soft-deleted workspace exists. Please purge or recover it.")

    def gone(self, world: World, resource: Resource) -> None:
        """See Kind."""
        if not resource.hidden.get("purged"):
            world.deleted[resource.id] = resource


class Asset(Kind):
    """Something of a workspace that is there when it is answered."""

    create = remove = Follow.NOW
    tracked = False


@kind("Microsoft.MachineLearningServices/workspaces/datastores")
class Datastore(Asset):
    """Its key is never told."""

    secrets = frozenset({"secrets"})
    has_state = False


@kind("Microsoft.MachineLearningServices/workspaces/environments")
class Environment(Asset):
    """Its versions are what is used."""


@kind("Microsoft.MachineLearningServices/workspaces/models")
class Model(Asset):
    """Its versions are what is used."""


class Version(Asset):
    """Never changes."""

    fixed: tuple[str, ...] = ()

    def check(self, put: Put) -> None:
        """See Kind."""
        for name in self.fixed if put.existing is not None else ():
            if put.properties.get(name) != put.existing.properties.get(name):
                raise ArmError(400, "UserError", f"The {name} of version {put.name} cannot be changed.")


@kind("Microsoft.MachineLearningServices/workspaces/environments/versions")
class EnvironmentVersion(Version):
    """An image, and where it answers."""

    fixed = ("image", "inferenceConfig")


@kind("Microsoft.MachineLearningServices/workspaces/models/versions")
class ModelVersion(Version):
    """Lies in a datastore of the workspace."""

    fixed = ("modelUri", "modelType")

    def check(self, put: Put) -> None:
        """See Kind."""
        super().check(put)
        workspace = put.id.split("/models/")[0]
        found = _URI.fullmatch(str(put.properties.get("modelUri", "")))
        if found is None or found[1].lower() != workspace.rpartition("/")[2].lower():
            raise ArmError(400, "UserError", "The modelUri is no path of a datastore of this workspace.")
        put.world.referenced(f"{workspace}/datastores/{found[2]}", put.id)


@kind("Microsoft.MachineLearningServices/workspaces/onlineEndpoints")
class OnlineEndpoint(Kind):
    """Routes requests to its deployments."""

    def check(self, put: Put) -> None:
        """See Kind."""
        below = {each.name: each for each in put.world.resources.of_type(DEPLOYMENTS, put.id)}
        for each in below.values():
            if each.busy and each.pending is not None:
                each.pending.step()
                raise ArmError(409, "Conflict", f"The deployment {each.name} is being changed.")
        check_routing(put.properties.get("traffic") or {}, put.properties.get("mirrorTraffic") or {}, set(below))

    def done(self, world: World, resource: Resource) -> None:
        """See Kind."""
        if "keys" not in resource.hidden:
            resource.hidden["keys"] = (secrets.token_hex(16), secrets.token_hex(16))
            resource.hidden["url"] = world.serve(lambda request: plane_of(world).answer(resource, request))
        resource.outputs["scoringUri"] = f"{resource.hidden['url']}/v1/score"
        resource.properties.setdefault("traffic", {})
        resource.properties.setdefault("mirrorTraffic", {})
        plane_of(world).routed(resource.properties["traffic"], resource.properties["mirrorTraffic"])


def check_routing(traffic: Mapping[str, int], mirror: Mapping[str, int], deployments: set[str]) -> None:
    """Raises ArmError."""
    if unknown := sorted({*traffic, *mirror} - deployments):
        raise ArmError(400, "BadArgument", f"There is no deployment {unknown[0]}.")
    if any(not 0 <= share <= 100 for share in (*traffic.values(), *mirror.values())):
        raise ArmError(400, "BadArgument", "A share of the traffic is between 0 and 100 percent.")
    if sum(traffic.values()) not in (0, 100):
        raise ArmError(400, "BadArgument", f"The traffic adds up to {sum(traffic.values())} percent, not to 0 or 100.")
    mirrored = {name: share for name, share in mirror.items() if share}
    if len(mirrored) > 1:
        raise ArmError(400, "BadArgument", "Traffic is mirrored to one deployment at most.")
    for name, share in mirrored.items():
        if share > MOST_MIRRORED:
            raise ArmError(400, "BadArgument", f"{MOST_MIRRORED} percent of the traffic are mirrored at most.")
        if traffic.get(name):
            raise ArmError(400, "BadArgument", f"The deployment {name} has live traffic, and so no mirrored traffic.")


@kind("Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments")
class OnlineDeployment(Kind):
    """Runs an image with a model beside it."""

    def check(self, put: Put) -> None:
        """See Kind."""
        endpoint = put.world.existing(parent_of(put.id), "ParentResourceNotFound")
        if endpoint.busy:
            raise ArmError(409, "Conflict", "The endpoint is being changed.")
        for name in ("model", "environmentId"):
            put.world.referenced(str(put.properties.get(name)), put.id)
        if not put.properties.get("instanceType") or not look(put.body, "sku.capacity"):
            raise ArmError(400, "BadArgument", "A managed deployment needs an instance type and a number of them.")

    def begun(self, world: World, resource: Resource) -> None:
        """See Kind."""
        resource.hidden["model"] = copy.deepcopy(world.resources[resource.properties["model"]].properties)

    def done(self, world: World, resource: Resource) -> None:
        """See Kind."""
        plane = plane_of(world)
        if why := plane.does_not_start.get(plane.version_of(resource)):
            raise ArmError(409, "ResourceNotReady", why)

    def check_delete(self, world: World, resource: Resource) -> None:
        """See Kind."""
        endpoint = world.existing(parent_of(resource.id))
        routing: tuple[Any, Any] = (endpoint.properties.get("traffic"), endpoint.properties.get("mirrorTraffic"))
        if any((each or {}).get(resource.name) for each in routing):
            raise ArmError(409, "Conflict", f"The deployment {resource.name} has traffic.")

    def gone(self, world: World, resource: Resource) -> None:
        """See Kind. No routing names it any more."""
        endpoint = world.resources.get(parent_of(resource.id))
        for name in ("traffic", "mirrorTraffic") if endpoint else ():
            endpoint.properties.get(name, {}).pop(resource.name, None)


@route("POST", "Microsoft.MachineLearningServices/workspaces/{}/onlineEndpoints/{}/listKeys")
def list_keys(call: Call) -> Answer:
    """Both keys."""
    primary, secondary = call.above(1).hidden["keys"]
    return Answer(content={"primaryKey": primary, "secondaryKey": secondary})


@route("POST", "Microsoft.MachineLearningServices/workspaces/{}/onlineEndpoints/{}/token")
def token(call: Call) -> Answer:
    """Of an endpoint that is asked by key there is none."""
    raise ArmError(400, "BadArgument", f"The endpoint {call.above(1).name} is asked by key.")
