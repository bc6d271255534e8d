"""User-assigned identities, and who may do what."""

from __future__ import annotations

import uuid

from tests.azure_double.https import Answer
from tests.azure_double.kinds.kind import KINDS, Call, Follow, Kind, Put, kind, route
from tests.azure_double.resources import ArmError, Json, Resource
from tests.azure_double.world import World

IDENTITIES = "Microsoft.ManagedIdentity/userAssignedIdentities"
ASSIGNMENTS = "Microsoft.Authorization/roleAssignments"


@kind("Microsoft.ManagedIdentity/userAssignedIdentities")
class Identity(Kind):
    """Made at once."""

    create = Follow.NOW
    remove = Follow.NOW
    has_state = False

    def done(self, world: World, resource: Resource) -> None:
        """See Kind."""
        for part in ("principalId", "clientId"):
            resource.outputs.setdefault(part, str(uuid.uuid4()))
        resource.outputs["tenantId"] = world.tenant

    def gone(self, world: World, resource: Resource) -> None:
        """See Kind. Its assignments stay, as those of nobody."""


@kind("Microsoft.Authorization/roleAssignments")
class RoleAssignment(Kind):
    """At any scope. The same role for the same principal at the same scope is there once."""

    create = Follow.NOW
    remove = Follow.NOW
    tracked = False
    has_state = False

    def check(self, put: Put) -> None:
        """See Kind."""
        if put.existing is not None and _said(put.existing.properties) != _said(put.properties):
            raise ArmError(
                409,
                "RoleAssignmentUpdateNotPermitted",
                "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
            )
        known = {each.outputs.get("principalId") for each in put.world.resources.of_type(IDENTITIES)}
        principal = put.properties.get("principalId")
        if principal not in known | {put.world.principal}:
            raise ArmError(400, "PrincipalNotFound", f"Principal {principal} does not exist in the directory.")
        scope = _scope(put.id)
        for each in put.world.resources.of_type(ASSIGNMENTS):
            same = _scope(each.id) == scope and _said(each.properties) == _said(put.properties)
            if same and each.id.lower() != put.id.lower():
                raise ArmError(
                    409,
                    "RoleAssignmentExists",
                    f"The role assignment already exists. The ID of the existing role assignment is {each.name}.",
                )

    def show(self, world: World, resource: Resource) -> Json:
        """See Kind."""
        return super().show(world, resource) | {"scope": resource.id.rpartition("/providers/")[0]}


def _said(properties: Json) -> tuple[str, str]:
    return str(properties.get("roleDefinitionId")).rpartition("/")[2].lower(), str(properties.get("principalId"))


def _scope(assignment_id: str) -> str:
    return assignment_id.lower().rpartition("/providers/")[0]


def may(world: World, principal: str, role: str, scope: str) -> bool:
    """Whether a principal has a role (its GUID) at a scope or above it."""
    return any(
        _said(each.properties) == (role.lower(), principal) and scope.lower().startswith(_scope(each.id))
        for each in world.resources.of_type(ASSIGNMENTS)
    )


@route("GET", ASSIGNMENTS)
def list_assignments(call: Call) -> Answer:
    """At a scope, above it and below it; `$filter=principalId eq '…'` and `atScope()` are known."""
    scope, wanted = _scope(call.request.path), call.request.query.get("$filter", "")
    principal = wanted.partition("eq '")[2].rstrip("'")
    found = [
        KINDS[ASSIGNMENTS.lower()].shown(call.world, each)
        for each in call.world.resources.of_type(ASSIGNMENTS)
        if scope.startswith(_scope(each.id)) or (wanted != "atScope()" and _scope(each.id).startswith(scope))
        if principal in ("", each.properties.get("principalId"))
    ]
    return Answer(content={"value": found})


@route("GET", "Microsoft.Authorization/permissions")
def permissions(call: Call) -> Answer:
    """Of whoever deploys."""
    return Answer(content={"value": call.world.permissions})
