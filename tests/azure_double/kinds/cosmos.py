"""Cosmos DB accounts for Apache Cassandra: keyspaces, tables, throughput."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from tests.azure_double.https import Answer
from tests.azure_double.kinds.kind import Call, Follow, Kind, Put, kind, look, name_is_free, route
from tests.azure_double.resources import ArmError, Json, Pending, Resource, parent_of
from tests.azure_double.world import World

ACCOUNTS = "Microsoft.DocumentDB/databaseAccounts"
KEYSPACES = f"{ACCOUNTS}/cassandraKeyspaces"
TABLES = f"{KEYSPACES}/tables"
#: https://learn.microsoft.com/azure/cosmos-db/provision-throughput-autoscale
LEAST_AUTOSCALE = 1000
#: Tables without a throughput of their own in a keyspace that has one.
#: https://learn.microsoft.com/azure/cosmos-db/concepts-limits#per-account-limits
MOST_SHARING = 25


@kind("Microsoft.DocumentDB/databaseAccounts")
class CosmosAccount(Kind):
    """One operation at a time, in it as well."""

    unique = (400, "BadRequest")
    busy = (
        412,
        "PreconditionFailed",
        "There is already an operation in progress which requires exclusive lock on this service. Please retry the "
        "operation after sometime.",
    )

    def check(self, put: Put) -> None:
        """See Kind."""
        old, new = (_capabilities(each) for each in (put.existing and put.existing.body, put.body))
        if put.existing is not None and ("EnableCassandra" in old) != ("EnableCassandra" in new):
            raise ArmError(400, "BadRequest", "Update of capability EnableCassandra is not allowed.")
        locations = put.properties.get("locations") or ()
        if not locations or any(not each.get("locationName") for each in locations):
            raise ArmError(400, "BadRequest", "Database account must have at least one location.")

    def done(self, world: World, resource: Resource) -> None:
        """See Kind."""
        key = base64.b64encode(hashlib.sha512(f"{world.folder}{resource.name}".encode()).digest()).decode()
        login = world.ends.cassandra
        resource.hidden.setdefault("key", (login and login.password) or key)
        resource.outputs["documentEndpoint"] = f"https://{world.name('cosmos', resource.name)}:443/"
        resource.outputs["cassandraEndpoint"] = f"https://{':'.join(map(str, contact(world, resource)))}/"

    def show(self, world: World, resource: Resource) -> Json:
        """See Kind."""
        shown = {"publicNetworkAccess": "Enabled", "isVirtualNetworkFilterEnabled": False, "ipRules": []}
        return shown | super().show(world, resource)


def contact(world: World, account: Resource) -> tuple[str, int]:
    """Where its Cassandra listens."""
    login = world.ends.cassandra
    return (login.host, login.port) if login else (world.name("cassandra", account.name), 10350)


def _capabilities(body: Any) -> set[str]:
    return {str(each.get("name")) for each in look(body, "properties.capabilities") or ()}


@route("HEAD", "Microsoft.DocumentDB/databaseAccountNames/{}")
def check_name(call: Call) -> Answer:
    """200: somebody has it; 404: it is free."""
    return Answer(status=404 if name_is_free(call.world, ACCOUNTS, call.names[0]) else 200)


@route("POST", f"{ACCOUNTS}/{{}}/listKeys")
def list_keys(call: Call) -> Answer:
    """Of the account."""
    key = call.above(1).hidden.get("key", "")
    names = ("primaryMasterKey", "secondaryMasterKey", "primaryReadonlyMasterKey", "secondaryReadonlyMasterKey")
    return Answer(content=dict.fromkeys(names, key))


@route("POST", f"{ACCOUNTS}/{{}}/listConnectionStrings")
def list_connection_strings(call: Call) -> Answer:
    """For Cassandra's drivers."""
    account = call.above(1)
    host, port = contact(call.world, account)
    login = call.world.ends.cassandra
    username = (login and login.username) or account.name
    text = f"HostName={host};Username={username};Password={account.hidden.get('key', '')};Port={port}"
    described = [
        {"connectionString": text, "description": f"{which} Cassandra Connection String"}
        for which in ("Primary", "Secondary")
    ]
    return Answer(content={"connectionStrings": described})


class _InAccount(Kind):
    """What is in an account: its options are throughput, and stand in a resource of their own."""

    tracked = False
    has_state = False
    busy = CosmosAccount.busy

    def check(self, put: Put) -> None:
        """See Kind."""
        account = put.world.resources["/".join(put.id.split("/")[:9])]
        if account.busy and account.pending is not None:
            account.pending.step()
            raise ArmError(*CosmosAccount.busy)
        if "EnableCassandra" not in _capabilities(account.body):
            raise ArmError(400, "BadRequest", "The account is not one for Apache Cassandra.")
        if look(put.body, "properties.resource.id") != put.name:
            raise ArmError(400, "BadRequest", "resource.id must be the name in the path.")
        if "options" not in put.properties:
            put.properties["options"] = {}
        _require_throughput(put.properties["options"])

    def begun(self, world: World, resource: Resource) -> None:
        """See Kind. Options count when it is made; later they are those of its throughput settings."""
        options = resource.properties.pop("options", {})
        settings = f"{resource.id}/throughputSettings/default"
        if options and settings not in world.resources:
            kept = Resource(id=settings, type=f"{resource.type}/throughputSettings", name="default", body={})
            kept.body, kept.state = {"properties": {"resource": options}}, "Succeeded"
            world.resources[settings] = kept


def _require_throughput(said: Json) -> None:
    most = look(said, "autoscaleSettings.maxThroughput")
    if most is not None and (int(most) < LEAST_AUTOSCALE or int(most) % LEAST_AUTOSCALE):
        raise ArmError(
            400, "BadRequest", f"maxThroughput {most} must be {LEAST_AUTOSCALE} or more, in steps of {LEAST_AUTOSCALE}."
        )
    if said.get("throughput") is not None and most is not None:
        raise ArmError(400, "BadRequest", "throughput and autoscaleSettings exclude each other.")


@kind("Microsoft.DocumentDB/databaseAccounts/cassandraKeyspaces")
class Keyspace(_InAccount):
    """Of Cassandra."""


@kind("Microsoft.DocumentDB/databaseAccounts/cassandraKeyspaces/tables")
class Table(_InAccount):
    """Tables that CQL made are there too: tests put them in by `AzureDouble.cassandra_table`."""

    def check(self, put: Put) -> None:
        """See Kind."""
        super().check(put)
        if put.existing is None and not put.properties["options"]:
            require_room(put.world, parent_of(put.id))


def require_room(world: World, keyspace_id: str) -> None:
    """Raises ArmError when no further table can share the keyspace's throughput. One without any shares none."""
    if f"{keyspace_id}/throughputSettings/default" not in world.resources:
        return
    tables = (each for each in world.resources.of_type(TABLES) if parent_of(each.id).lower() == keyspace_id.lower())
    sharing = [each for each in tables if f"{each.id}/throughputSettings/default" not in world.resources]
    if len(sharing) >= MOST_SHARING:
        raise ArmError(
            400,
            "BadRequest",
            f"Shared throughput database can have at most {MOST_SHARING} collections without dedicated throughput.",
        )


class _Throughput(Kind):
    """Whether it is manual or autoscale is chosen when its owner is made, and changed by a migration alone."""

    tracked = False
    has_state = False
    busy = CosmosAccount.busy

    def check(self, put: Put) -> None:
        """See Kind."""
        wanted = put.properties.get("resource") or {}
        _require_throughput(wanted)
        if put.existing is None:
            raise ArmError(404, "NotFound", f"{parent_of(put.id)} has no throughput of its own.")
        before = put.existing.properties.get("resource") or {}
        if ("autoscaleSettings" in before) != ("autoscaleSettings" in wanted):
            raise ArmError(
                400, "BadRequest", "Manual throughput and autoscale change into each other by a migration only."
            )


@kind("Microsoft.DocumentDB/databaseAccounts/cassandraKeyspaces/throughputSettings")
class KeyspaceThroughput(_Throughput):
    """Shared by its tables."""


@kind("Microsoft.DocumentDB/databaseAccounts/cassandraKeyspaces/tables/throughputSettings")
class TableThroughput(_Throughput):
    """Its own."""


@route(
    "POST",
    "Microsoft.DocumentDB/databaseAccounts/{}/cassandraKeyspaces/{}/throughputSettings/default/migrateToAutoscale",
)
@route(
    "POST",
    "Microsoft.DocumentDB/databaseAccounts/{}/cassandraKeyspaces/{}/tables/{}/throughputSettings/default/"
    "migrateToAutoscale",
)
def migrate_to_autoscale(call: Call) -> Answer:
    """From manual throughput."""
    settings = call.above(1)

    def finish() -> None:
        manual = int(settings.properties["resource"].get("throughput", 400))
        settings.properties["resource"] = {"autoscaleSettings": {"maxThroughput": max(LEAST_AUTOSCALE, manual)}}

    return call.begin(settings, Pending(steps=call.world.polls, finish=finish), Follow.ASYNC, 202)
