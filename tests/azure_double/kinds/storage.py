"""Storage accounts and their file shares."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime

from tests.azure_double.https import Answer
from tests.azure_double.kinds.kind import Call, Follow, Kind, Put, Usage, kind, name_check, route
from tests.azure_double.resources import ArmError, Json, Resource
from tests.azure_double.world import World

ACCOUNTS = "Microsoft.Storage/storageAccounts"


@kind("Microsoft.Storage/storageAccounts")
class StorageAccount(Kind):
    """Made while the client polls a Location; changed and deleted at once."""

    create = Follow.LOCATION
    update = Follow.NOW
    remove = Follow.NOW
    unique = (409, "StorageAccountAlreadyTaken")
    busy = (409, "StorageAccountOperationInProgress", "An operation is currently performing on this storage account.")

    def check(self, put: Put) -> None:
        """See Kind."""
        if not (3 <= len(put.name) <= 24 and put.name.isalnum() and put.name == put.name.lower()):
            raise ArmError(
                400,
                "AccountNameInvalid",
                f"{put.name} is not a valid storage account name. Storage account name must be between 3 and 24 "
                "characters in length and use numbers and lower-case letters only.",
            )

    def done(self, world: World, resource: Resource) -> None:
        """See Kind."""
        resource.hidden.setdefault("keys", [_key(world, resource.name, each) for each in ("1", "2")])
        for key in resource.hidden["keys"] if world.ends.files else ():
            world.ends.files.let_in(resource.name, key)
        files = Resource(
            id=f"{resource.id}/fileServices/default", type=FileService.type, name="default", body={}, state="Succeeded"
        )
        world.resources.setdefault(files.id, files)
        resource.outputs["primaryEndpoints"] = {
            "file": f"{world.ends.files_url or 'https://' + host(world, resource)}/",
            "blob": f"https://{world.name('storage', resource.name + '.blob')}/",
        }
        resource.outputs["primaryLocation"] = resource.location
        resource.outputs["statusOfPrimary"] = "available"

    def show(self, world: World, resource: Resource) -> Json:
        """See Kind."""
        return {"allowBlobPublicAccess": False, "networkAcls": _OPEN} | super().show(world, resource)


_OPEN = {"bypass": "AzureServices", "virtualNetworkRules": [], "ipRules": [], "defaultAction": "Allow"}


def host(world: World, account: Resource) -> str:
    """The name of its files."""
    return world.name("storage", f"{account.name}.file")


def _key(world: World, name: str, which: str) -> str:
    seed = hashlib.sha512(f"{world.folder}{name}{which}".encode()).digest()
    return base64.b64encode(seed).decode()


@route("POST", f"{ACCOUNTS}/{{}}/listKeys")
def list_keys(call: Call) -> Answer:
    """Both."""
    keys = call.above(1).hidden.get("keys", ())
    shown = [{"keyName": f"key{number}", "value": value, "permissions": "FULL"} for number, value in enumerate(keys, 1)]
    return Answer(content={"keys": shown})


route("POST", "Microsoft.Storage/checkNameAvailability")(name_check(ACCOUNTS))


@route("GET", "Microsoft.Storage/locations/{}/usages")
def usages(call: Call) -> Answer:
    """Accounts of the location."""
    used = [each for each in call.world.resources.of_type(ACCOUNTS) if each.location == call.names[1]]
    limit = call.world.quotas.get("StorageAccounts", 250)
    return Answer(content={"value": [Usage(name="StorageAccounts", used=len(used), limit=limit).content]})


@kind("Microsoft.Storage/storageAccounts/fileServices")
class FileService(Kind):
    """There is one, "default", from the account's beginning."""

    create = Follow.NOW
    tracked = False
    has_state = False


@kind("Microsoft.Storage/storageAccounts/fileServices/shares")
class Share(Kind):
    """One that is new is empty. `shareQuota` is in GiB."""

    create = Follow.NOW
    remove = Follow.NOW
    tracked = False
    has_state = False

    def done(self, world: World, resource: Resource) -> None:
        """See Kind."""
        if world.ends.files:
            world.ends.files.create_share(resource.name)
        resource.outputs["lastModifiedTime"] = datetime.now(UTC).isoformat()

    def gone(self, world: World, resource: Resource) -> None:
        """See Kind."""
        if world.ends.files:
            world.ends.files.delete_share(resource.name)

    def check(self, put: Put) -> None:
        """See Kind."""
        put.properties.setdefault("shareQuota", 5120)
        put.properties.setdefault("accessTier", "TransactionOptimized")
