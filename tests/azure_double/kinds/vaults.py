"""Key vaults. A deleted one keeps its name, and its secrets, until it is purged."""

from __future__ import annotations

import re

from tests.azure_double.https import Answer
from tests.azure_double.kinds.identities import may
from tests.azure_double.kinds.kind import KINDS, Call, Follow, Kind, Put, kind, look, name_check, route
from tests.azure_double.resources import ArmError, Json, Pending, Resource
from tests.azure_double.vault_plane import Secrets
from tests.azure_double.world import World

VAULTS = "Microsoft.KeyVault/vaults"
#: https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftkeyvault
LONGEST = 24
_NAME = re.compile(r"[a-zA-Z](-?[a-zA-Z0-9])+")
#: Roles that let secrets be read and written: Key Vault Administrator, Key Vault Secrets Officer.
#: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
USERS = ("00482a5a-887f-4fb3-b363-3b7fe8e74483", "b86a8fe4-44ce-4948-aee5-eccb2c155cd7")


@kind("Microsoft.KeyVault/vaults")
class Vault(Kind):
    """Its secrets have a server of their own."""

    create = Follow.BODY
    remove = Follow.NOW
    unique = (409, "VaultAlreadyExists")
    busy = (409, "ConflictError", "A conflict occurred that prevented the operation from completing.")

    def check(self, put: Put) -> None:
        """See Kind."""
        if len(put.name) > LONGEST or not _NAME.fullmatch(put.name):
            raise ArmError(400, "VaultNameNotValid", f"The vault name '{put.name}' is invalid.")
        gone = put.world.deleted.named(VAULTS, put.name)
        mode = put.properties.pop("createMode", "default")
        if put.existing is None and gone is not None:
            if mode != "recover":
                raise ArmError(
                    409,
                    "ConflictError",
                    f"A vault with the same name already exists in deleted state. You need to either recover or purge "
                    f"existing key vault '{put.name}'.",
                )
            put.world.deleted.pop(gone.id)
            put.world.recovered[put.id.lower()] = gone.hidden["secrets"]
        if not put.properties.get("tenantId") or not put.properties.get("sku"):
            raise ArmError(400, "BadRequest", "A vault needs tenantId and sku.")
        put.properties.setdefault("enableSoftDelete", True)

    def begun(self, world: World, resource: Resource) -> None:
        """See Kind."""
        if "secrets" not in resource.hidden:
            kept = world.recovered.pop(resource.id.lower(), None)
            resource.hidden["secrets"] = kept or Secrets(world, resource.name, lambda: may_use(world, resource.id))
        resource.outputs["vaultUri"] = f"{resource.hidden['secrets'].url}/"

    def gone(self, world: World, resource: Resource) -> None:
        """See Kind."""
        resource.pending = None
        world.deleted[resource.id] = resource


def may_use(world: World, vault_id: str) -> bool:
    """Whether whoever deploys may use the secrets: owners of a subscription may not, unless they are let in."""
    vault = world.resources.get(vault_id)
    if vault is None:
        return False
    if vault.properties.get("enableRbacAuthorization"):
        return any(may(world, world.principal, role, vault.id) for role in USERS)
    policies = vault.properties.get("accessPolicies") or ()
    return any(each.get("objectId") == world.principal and look(each, "permissions.secrets") for each in policies)


route("POST", "Microsoft.KeyVault/checkNameAvailability")(name_check(VAULTS))


@route("GET", "Microsoft.KeyVault/deletedVaults")
def list_deleted(call: Call) -> Answer:
    """All of the subscription."""
    return Answer(content={"value": [_shown(call.world, each) for each in call.world.deleted.of_type(VAULTS)]})


@route("GET", "Microsoft.KeyVault/locations/{}/deletedVaults/{}")
def deleted(call: Call) -> Answer:
    """One."""
    return Answer(content=_shown(call.world, _find(call)))


@route("POST", "Microsoft.KeyVault/locations/{}/deletedVaults/{}/purge")
def purge(call: Call) -> Answer:
    """For good."""
    found = _find(call)
    if found.properties.get("enablePurgeProtection"):
        raise ArmError(403, "MethodNotAllowed", "The vault is protected from purging.")

    def finish() -> None:
        call.world.deleted.pop(found.id, None)

    return call.begin(None, Pending(steps=call.world.polls, finish=finish, delete=True), Follow.LOCATION, 202)


def _find(call: Call) -> Resource:
    found = call.world.deleted.named(VAULTS, call.names[2])
    if found is None or found.location != call.names[1].lower():
        raise ArmError(404, "DeletedVaultNotFound", f"The specified deleted vault '{call.names[2]}' does not exist.")
    return found


def _shown(world: World, vault: Resource) -> Json:
    where = f"/subscriptions/{world.subscription}/providers/Microsoft.KeyVault/locations/{vault.location}"
    tags = KINDS[VAULTS.lower()].shown(world, vault).get("tags", {})
    return {
        "id": f"{where}/deletedVaults/{vault.name}",
        "name": vault.name,
        "type": "Microsoft.KeyVault/deletedVaults",
        "properties": {"vaultId": vault.id, "location": vault.location, "tags": tags},
    }
