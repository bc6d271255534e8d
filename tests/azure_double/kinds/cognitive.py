"""Cognitive Services accounts; the Face service is one kind. A deleted one keeps its name until it is purged."""

from __future__ import annotations

import secrets

from tests.azure_double.https import Answer
from tests.azure_double.kinds.kind import KINDS, Call, Follow, Kind, Put, Usage, kind, look, refuse_change, route
from tests.azure_double.resources import ArmError, Pending, Resource, group_of
from tests.azure_double.world import World

ACCOUNTS = "Microsoft.CognitiveServices/accounts"


@kind("Microsoft.CognitiveServices/accounts")
class CognitiveAccount(Kind):
    """Deleted softly."""

    busy = (409, "AccountProvisioningStateInvalid", "The account is in a state in which it cannot be changed.")

    def check(self, put: Put) -> None:
        """See Kind."""
        if put.body.get("kind") is None or look(put.body, "sku.name") is None:
            raise ArmError(400, "InvalidRequestContent", "An account needs its kind and its SKU.")
        refuse_change(put, "kind", 400, "AccountKindCannotBeChanged", "The kind of an account cannot be changed.")
        domain = put.properties.get("customSubDomainName")
        if put.existing is not None and put.existing.properties.get("customSubDomainName") not in (None, domain):
            raise ArmError(400, "CustomSubDomainNameCannotBeChanged", "The subdomain of an account cannot be changed.")
        if put.existing is None:
            self._check_new(put, domain)

    def _check_new(self, put: Put, domain: str | None) -> None:
        if put.id in put.world.deleted:
            if not put.properties.get("restore"):
                raise ArmError(
                    409,
                    "FlagMustBeSetForRestore",
                    f"An existing resource with ID '{put.id}' has been soft-deleted. To restore the resource, you must "
                    "specify 'restore' to be 'true' in the property. If you don't want to restore existing resource, "
                    "please purge it first.",
                )
            put.world.deleted.pop(put.id)
        if domain and not _domain_is_free(put.world, domain):
            raise ArmError(
                409, "CustomDomainInUse", f"The subdomain name '{domain}' is already used. Please pick another name."
            )
        if look(put.body, "sku.name") == "F0":
            used = [each for each in _of_kind(put.world, put.body["kind"]) if look(each.body, "sku.name") == "F0"]
            limit = put.world.quotas.get("FreeAccounts", 1)
            if len(used) >= limit:
                raise ArmError(
                    400,
                    "CanNotCreateMultipleFreeAccounts",
                    f"Operation failed. Only one free account is allowed for account type '{put.body['kind']}'.",
                )

    def begun(self, world: World, resource: Resource) -> None:
        """See Kind."""
        resource.properties.pop("restore", None)

    def done(self, world: World, resource: Resource) -> None:
        """See Kind."""
        domain = resource.properties.get("customSubDomainName") or resource.name
        face = world.ends.face_url if resource.body["kind"] == "Face" else None
        resource.outputs["endpoint"] = f"{face or 'https://' + world.name('face', domain)}/"
        resource.hidden.setdefault("keys", (secrets.token_hex(16), secrets.token_hex(16)))

    def gone(self, world: World, resource: Resource) -> None:
        """See Kind."""
        resource.pending = None
        world.deleted[resource.id] = resource


def _of_kind(world: World, name: str) -> list[Resource]:
    return [each for each in world.resources.of_type(ACCOUNTS) if each.body.get("kind") == name]


def _domain_is_free(world: World, domain: str) -> bool:
    holders = (*world.resources.of_type(ACCOUNTS), *world.deleted.of_type(ACCOUNTS))
    used = {str(each.properties.get("customSubDomainName")).lower() for each in holders}
    return domain.lower() not in used and (ACCOUNTS.lower(), domain.lower()) not in world.taken


@route("POST", f"{ACCOUNTS}/{{}}/listKeys")
def list_keys(call: Call) -> Answer:
    """Both."""
    keys = call.above(1).hidden.get("keys", ("", ""))
    return Answer(content={"key1": keys[0], "key2": keys[1]})


@route("POST", "Microsoft.CognitiveServices/checkDomainAvailability")
def check_domain(call: Call) -> Answer:
    """Of a subdomain."""
    domain = call.body["subdomainName"]
    free = _domain_is_free(call.world, domain)
    why = {} if free else {"reason": f"Sub domain name '{domain}' is already used. Please pick a different name."}
    return Answer(content={"isSubdomainAvailable": free, "type": call.body.get("type"), "subdomainName": domain, **why})


@route("GET", "Microsoft.CognitiveServices/locations/{}/usages")
def usages(call: Call) -> Answer:
    """Accounts of the location."""
    used = [each for each in call.world.resources.of_type(ACCOUNTS) if each.location == call.names[1]]
    limit = call.world.quotas.get("AccountCount", 100)
    return Answer(content={"value": [Usage(name="AccountCount", used=len(used), limit=limit).content]})


@route("GET", "Microsoft.CognitiveServices/deletedAccounts")
def list_deleted(call: Call) -> Answer:
    """All of the subscription."""
    return Answer(content={"value": [_shown(call.world, each) for each in call.world.deleted.of_type(ACCOUNTS)]})


@route("GET", "Microsoft.CognitiveServices/locations/{}/resourceGroups/{}/deletedAccounts/{}")
def deleted(call: Call) -> Answer:
    """One."""
    return Answer(content=_shown(call.world, _find(call)))


@route("DELETE", "Microsoft.CognitiveServices/locations/{}/resourceGroups/{}/deletedAccounts/{}")
def purge(call: Call) -> Answer:
    """For good."""
    found = _find(call)

    def finish() -> None:
        call.world.deleted.pop(found.id, None)

    return call.begin(None, Pending(steps=call.world.polls, finish=finish, delete=True), Follow.LOCATION, 202)


def _find(call: Call) -> Resource:
    _, location, group, name = call.names
    for each in call.world.deleted.of_type(ACCOUNTS):
        its_group = (group_of(each.id) or "").rpartition("/")[2]
        if (each.location, its_group.lower(), each.name.lower()) == (location, group.lower(), name.lower()):
            return each
    raise ArmError(404, "ResourceNotFound", f"No deleted account {name} of {group} in {location}.")


def _shown(world: World, account: Resource) -> dict[str, object]:
    group = (group_of(account.id) or "").rpartition("/")[2]
    where = f"/subscriptions/{world.subscription}/providers/Microsoft.CognitiveServices/locations/{account.location}"
    shown = KINDS[ACCOUNTS.lower()].shown(world, account)
    return shown | {"id": f"{where}/resourceGroups/{group}/deletedAccounts/{account.name}"}
