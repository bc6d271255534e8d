"""Whether the product's tables have room in the Cosmos account that a deployment makes."""

from __future__ import annotations

import pytest

pytest.importorskip("cassandra", reason="no Cassandra driver: pip install -r requirements-cassandra.txt")

from personas.store.cassandra.schema import migrations
from personas.store.cassandra.session import StoreSession
from tests.azure.conftest import Deploying
from tests.azure_double.double import AzureDouble


def test_every_table_has_room_in_the_keyspace_where_containers_make_it(
    azure: AzureDouble, deploying: Deploying
) -> None:
    deploying(users="bootstrap", detector="embedded").apply()
    (init,) = (
        each for each in azure.resources.of_type("Microsoft.ContainerInstance/containerGroups") if "-init" in each.id
    )
    variables = init.properties["containers"][0]["properties"]["environmentVariables"]
    told = {each["name"]: each.get("value", "") for each in variables}
    session = StoreSession(keyspace=told["CASSANDRA_KEYSPACE"], side_keyspace=told.get("CASSANDRA_SIDE_KEYSPACE", ""))
    keyspaces = {
        each.name: each.id
        for each in azure.resources.of_type("Microsoft.DocumentDB/databaseAccounts/cassandraKeyspaces")
    }
    made = (each for one in migrations() for each in one.statements if each.startswith("CREATE TABLE "))
    for table in ("schema_migration", "schema_lock", *(each.split()[2] for each in made)):
        keyspace, _, name = session.name_of(table).partition(".")
        azure.cassandra_table(keyspaces[keyspace], name, shared=True)  # raises when there is no room
