"""Resource groups, and the registration of providers."""

from __future__ import annotations

from tests.azure_double.https import Answer
from tests.azure_double.kinds.kind import KINDS, Call, Follow, Kind, kind, route
from tests.azure_double.resources import Resource
from tests.azure_double.world import LOCATIONS, World


@kind("Microsoft.Resources/resourceGroups")
class ResourceGroup(Kind):
    """All in it goes with it."""

    create = Follow.NOW
    remove = Follow.LOCATION
    busy = (409, "ResourceGroupBeingDeleted", "The resource group is in deprovisioning state and cannot be changed.")

    def gone(self, world: World, resource: Resource) -> None:
        """What was in it was taken away before."""


@route("GET", "/subscriptions/{}/resourceGroups")
def list_groups(call: Call) -> Answer:
    """All of the subscription."""
    of = KINDS["microsoft.resources/resourcegroups"]
    found = call.world.resources.of_type(of.type)
    return Answer(content={"value": [of.shown(call.world, each) for each in found]})


@route("GET", "/subscriptions/{}/resourceGroups/{}/resources")
@route("GET", "/subscriptions/{}/resources")
def list_resources(call: Call) -> Answer:
    """Those that are somewhere, and may be tagged. Of filters it knows `resourceType eq '…'`."""
    wanted = call.request.query.get("$filter", "").partition("resourceType eq '")[2].rstrip("'").lower()
    under = call.request.path.rstrip("/").rpartition("/resources")[0]
    found = [
        {key: part for key, part in KINDS[each.type.lower()].shown(call.world, each).items() if key != "properties"}
        for each in call.world.resources.under(under)
        if each.type.lower() in KINDS and KINDS[each.type.lower()].tracked
        if each.type != "Microsoft.Resources/resourceGroups" and wanted in ("", each.type.lower())
    ]
    return Answer(content={"value": found})


@route("GET", "/subscriptions/{}/providers/{}")
def provider(call: Call) -> Answer:
    """One provider; Registering becomes Registered when it is looked at."""
    name = call.names[1].lower()
    state = call.world.registered.get(name, "NotRegistered")
    answer = Answer(content=_shown(call.world, call.names[1], state))
    if state == "Registering":
        call.world.registered[name] = "Registered"
    return answer


@route("POST", "/subscriptions/{}/providers/{}/register")
def register(call: Call) -> Answer:
    """It begins."""
    state = call.world.registered.setdefault(call.names[1].lower(), "Registering")
    return Answer(content=_shown(call.world, call.names[1], state))


def _shown(world: World, namespace: str, state: str) -> dict[str, object]:
    types = [each.type.partition("/")[2] for name, each in KINDS.items() if name.startswith(namespace.lower() + "/")]
    return {
        "id": f"/subscriptions/{world.subscription}/providers/{namespace}",
        "namespace": namespace,
        "registrationState": state,
        "registrationPolicy": "RegistrationRequired",
        "resourceTypes": [{"resourceType": name, "locations": list(LOCATIONS), "apiVersions": []} for name in types],
    }
