"""PostgreSQL flexible servers: databases, firewall rules, parameters."""

from __future__ import annotations

from tests.azure_double.https import Answer
from tests.azure_double.kinds.kind import Call, Follow, Kind, Put, Usage, kind, look, name_check, refuse_change, route
from tests.azure_double.resources import ArmError, Json, Pending, Resource, parent_of
from tests.azure_double.world import World

SERVERS = "Microsoft.DBforPostgreSQL/flexibleServers"
#: By the letter of the size's series. https://learn.microsoft.com/azure/postgresql/flexible-server/concepts-compute
TIERS = {"B": "Burstable", "D": "GeneralPurpose", "E": "MemoryOptimized"}


@kind("Microsoft.DBforPostgreSQL/flexibleServers")
class FlexibleServer(Kind):
    """One operation at a time, in it as well."""

    unique = (409, "ServerNameAlreadyExists")
    busy = (409, "ServerIsBusy", "Cannot complete operation while the server is busy processing another operation.")
    secrets = frozenset({"administratorLoginPassword"})
    has_state = False

    def check(self, put: Put) -> None:
        """See Kind."""
        new = put.existing is None
        if new and not (put.properties.get("administratorLogin") and put.properties.get("administratorLoginPassword")):
            raise ArmError(400, "InvalidParameterValue", "A server needs administratorLogin and its password.")
        sku = put.body.get("sku") or {}
        if sku.get("tier") != TIERS.get(str(sku.get("name")).partition("_")[2][:1]):
            raise ArmError(400, "InvalidParameterValue", f"The SKU {sku.get('name')} is not one of the tier.")
        for path in ("administratorLogin", "network.delegatedSubnetResourceId"):
            refuse_change(
                put, f"properties.{path}", 400, "OperationNotAllowed", f"{path} of a server cannot be changed."
            )
        if not new and "administratorLoginPassword" not in put.properties and put.existing is not None:
            kept = put.existing.properties.get("administratorLoginPassword")
            put.properties["administratorLoginPassword"] = kept
        if subnet := look(put.body, "properties.network.delegatedSubnetResourceId"):
            put.world.referenced(subnet, put.id)

    def done(self, world: World, resource: Resource) -> None:
        """See Kind."""
        resource.outputs["fullyQualifiedDomainName"] = contact(world, resource)[0]
        resource.hidden["turned"] = "Ready"

    def show(self, world: World, resource: Resource) -> Json:
        """See Kind. It has no provisioningState, but a state."""
        states = {"Creating": "Provisioning", "Updating": "Updating", "Deleting": "Dropping", "Failed": "Inaccessible"}
        return super().show(world, resource) | {"state": states.get(resource.state) or resource.hidden["turned"]}


def contact(world: World, server: Resource) -> tuple[str, int]:
    """Where it listens."""
    login = world.ends.postgres
    return (login.host, login.port) if login else (world.name("postgres", server.name), 5432)


class _InServer(Kind):
    """Waits its turn."""

    tracked = False
    has_state = False
    busy = FlexibleServer.busy

    def check(self, put: Put) -> None:
        """See Kind."""
        server = put.world.resources[parent_of(put.id)]
        if server.busy and server.pending is not None:
            server.pending.step()
            raise ArmError(*FlexibleServer.busy)


@kind("Microsoft.DBforPostgreSQL/flexibleServers/databases")
class Database(_InServer):
    """Its character set is set once."""

    def check(self, put: Put) -> None:
        """See Kind."""
        super().check(put)
        for part, usual in (("charset", "UTF8"), ("collation", "en_US.utf8")):
            put.properties.setdefault(part, usual)
            path = f"properties.{part}"
            refuse_change(put, path, 400, "DatabaseUpdateNotAllowed", f"{part} of a database cannot be changed.")


@kind("Microsoft.DBforPostgreSQL/flexibleServers/firewallRules")
class FirewallRule(_InServer):
    """0.0.0.0 to 0.0.0.0 lets all of Azure in."""


@kind("Microsoft.DBforPostgreSQL/flexibleServers/configurations")
class Configuration(_InServer):
    """A parameter of the server; it takes the place of the default."""

    def check(self, put: Put) -> None:
        """See Kind."""
        super().check(put)
        put.properties.setdefault("source", "user-override")


@route("POST", f"{SERVERS}/{{}}/stop")
@route("POST", f"{SERVERS}/{{}}/start")
@route("POST", f"{SERVERS}/{{}}/restart")
def turn(call: Call) -> Answer:
    """On and off."""
    server = call.above(1)

    def finish() -> None:
        server.hidden["turned"] = "Stopped" if call.request.path.endswith("/stop") else "Ready"

    return call.begin(server, Pending(steps=call.world.polls, finish=finish), Follow.ASYNC, 202)


route("POST", "Microsoft.DBforPostgreSQL/checkNameAvailability")(name_check(SERVERS))
route("POST", "Microsoft.DBforPostgreSQL/locations/{}/checkNameAvailability")(name_check(SERVERS))


@route("GET", "Microsoft.DBforPostgreSQL/locations/{}/resourceType/flexibleServers/usages")
def usages(call: Call) -> Answer:
    """Servers of the location."""
    used = [each for each in call.world.resources.of_type(SERVERS) if each.location == call.names[1]]
    limit = call.world.quotas.get("FlexibleServers", 50)
    return Answer(content={"value": [Usage(name="FlexibleServers", used=len(used), limit=limit).content]})
