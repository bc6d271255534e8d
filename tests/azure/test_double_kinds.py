"""Each kind of resource in the double, made, read, changed and deleted by the real SDK."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from tests.azure.sdk import GROUP, LOCATION, Sdk, code_of
from tests.azure_double.double import AzureDouble
from tests.azure_double.resources import ArmError

WHERE = {"location": LOCATION, "tags": {"faceproject": "test"}}


def test_a_resource_group_goes_with_all_that_is_in_it(sdk: Sdk, double: Any) -> None:
    groups = sdk.resources.resource_groups
    sdk.storage.storage_accounts.begin_create(GROUP, "fpstore", _storage()).result()
    assert groups.check_existence(GROUP)
    assert [each.name for each in groups.list()] == [GROUP]
    assert [each.name for each in sdk.resources.resources.list_by_resource_group(GROUP)] == ["fpstore"]
    groups.begin_delete(GROUP).result()
    assert not groups.check_existence(GROUP)
    assert not double.resources


def test_a_provider_is_registered_by_asking_and_waiting(sdk: Sdk, double: Any) -> None:
    double.world.registered.clear()
    with pytest.raises(HttpResponseError) as caught:
        sdk.storage.storage_accounts.begin_create(GROUP, "fpstore", _storage())
    assert code_of(caught) == "MissingSubscriptionRegistration"
    providers = sdk.resources.providers
    assert providers.get("Microsoft.Storage").registration_state == "NotRegistered"
    assert providers.register("Microsoft.Storage").registration_state == "Registering"
    seen = [providers.get("Microsoft.Storage").registration_state for _ in range(2)]
    assert seen == ["Registering", "Registered"]
    sdk.storage.storage_accounts.begin_create(GROUP, "fpstore", _storage()).result()


def _storage() -> dict[str, Any]:
    return {
        **WHERE,
        "sku": {"name": "Standard_LRS"},
        "kind": "StorageV2",
        "properties": {"minimumTlsVersion": "TLS1_2"},
    }


def test_storage_has_keys_and_shares(sdk: Sdk) -> None:
    accounts = sdk.storage.storage_accounts
    assert accounts.check_name_availability(
        {"name": "fpstore", "type": "Microsoft.Storage/storageAccounts"}
    ).name_available
    made = accounts.begin_create(GROUP, "fpstore", _storage()).result()
    assert made.provisioning_state == "Succeeded"
    assert made.primary_endpoints.file == "https://fpstore.file.core.windows.net/"
    assert not accounts.check_name_availability(
        {"name": "FPSTORE", "type": "Microsoft.Storage/storageAccounts"}
    ).name_available
    assert len({key.value for key in accounts.list_keys(GROUP, "fpstore").keys_property}) == 2
    share = sdk.storage.file_shares.create(GROUP, "fpstore", "media", {"properties": {"shareQuota": 100}})
    assert share.name == "media"
    assert sdk.storage.file_shares.get(GROUP, "fpstore", "media").share_quota == 100
    assert [each.name for each in sdk.storage.file_shares.list(GROUP, "fpstore")] == ["media"]
    sdk.storage.file_shares.delete(GROUP, "fpstore", "media")
    accounts.delete(GROUP, "fpstore")
    with pytest.raises(ResourceNotFoundError):
        accounts.get_properties(GROUP, "fpstore")


def test_cosmos_has_keyspaces_tables_and_connection_strings(sdk: Sdk, double: Any) -> None:
    accounts = sdk.cosmos.database_accounts
    assert not accounts.check_name_exists("fpcosmos")
    body = {
        **WHERE,
        "kind": "GlobalDocumentDB",
        "properties": {
            "databaseAccountOfferType": "Standard",
            "locations": [{"locationName": LOCATION, "failoverPriority": 0}],
            "capabilities": [{"name": "EnableCassandra"}],
        },
    }
    made = accounts.begin_create_or_update(GROUP, "fpcosmos", body).result()
    assert made.provisioning_state == "Succeeded"
    assert accounts.check_name_exists("fpcosmos")
    text = accounts.list_connection_strings(GROUP, "fpcosmos").connection_strings[0].connection_string
    parts = dict(part.split("=", 1) for part in text.split(";"))
    assert parts["HostName"] == "fpcosmos.cassandra.cosmos.azure.com"
    assert (parts["Username"], parts["Port"]) == ("fpcosmos", "10350")
    assert accounts.list_keys(GROUP, "fpcosmos").primary_master_key == parts["Password"]

    cassandra = sdk.cosmos.cassandra_resources
    wanted = {"properties": {"resource": {"id": "ks"}, "options": {"autoscaleSettings": {"maxThroughput": 4000}}}}
    keyspace = cassandra.begin_create_update_cassandra_keyspace(GROUP, "fpcosmos", "ks", wanted).result()
    settings = cassandra.get_cassandra_keyspace_throughput(GROUP, "fpcosmos", "ks")
    assert settings.properties.resource.autoscale_settings.max_throughput == 4000
    double.cassandra_table(keyspace.id, "face")
    assert [each.name for each in cassandra.list_cassandra_tables(GROUP, "fpcosmos", "ks")] == ["face"]
    cassandra.begin_migrate_cassandra_table_to_autoscale(GROUP, "fpcosmos", "ks", "face").result()
    more = {"properties": {"resource": {"autoscaleSettings": {"maxThroughput": 2000}}}}
    cassandra.begin_update_cassandra_table_throughput(GROUP, "fpcosmos", "ks", "face", more).result()
    settings = cassandra.get_cassandra_table_throughput(GROUP, "fpcosmos", "ks", "face")
    assert settings.properties.resource.autoscale_settings.max_throughput == 2000
    accounts.begin_delete(GROUP, "fpcosmos").result()
    assert not accounts.check_name_exists("fpcosmos")


CASSANDRA = {
    **WHERE,
    "properties": {
        "databaseAccountOfferType": "Standard",
        "locations": [{"locationName": LOCATION}],
        "capabilities": [{"name": "EnableCassandra"}],
    },
}


def test_at_most_25_tables_share_the_throughput_of_a_keyspace(sdk: Sdk, double: AzureDouble) -> None:
    sdk.cosmos.database_accounts.begin_create_or_update(GROUP, "fpcosmos", CASSANDRA).result()
    wanted = {"properties": {"resource": {"id": "ks"}, "options": {"autoscaleSettings": {"maxThroughput": 1000}}}}
    cassandra = sdk.cosmos.cassandra_resources
    keyspace = cassandra.begin_create_update_cassandra_keyspace(GROUP, "fpcosmos", "ks", wanted).result()
    for number in range(25):
        double.cassandra_table(keyspace.id, f"t{number}", shared=True)
    with pytest.raises(ArmError, match="at most 25"):
        double.cassandra_table(keyspace.id, "t25", shared=True)
    table: dict[str, Any] = {"properties": {"resource": {"id": "t25"}}}
    with pytest.raises(HttpResponseError, match="at most 25"):
        cassandra.begin_create_update_cassandra_table(GROUP, "fpcosmos", "ks", "t25", table)
    table["properties"]["options"] = {"throughput": 400}
    cassandra.begin_create_update_cassandra_table(GROUP, "fpcosmos", "ks", "t25", table).result()
    none = {"properties": {"resource": {"id": "free"}}}
    free = cassandra.begin_create_update_cassandra_keyspace(GROUP, "fpcosmos", "free", none).result()
    for number in range(26):
        double.cassandra_table(free.id, f"t{number}", shared=True)


def test_too_little_autoscale_is_refused(sdk: Sdk, double: Any) -> None:
    sdk.cosmos.database_accounts.begin_create_or_update(GROUP, "fpcosmos", CASSANDRA).result()
    wanted = {"properties": {"resource": {"id": "ks"}, "options": {"autoscaleSettings": {"maxThroughput": 400}}}}
    with pytest.raises(HttpResponseError) as caught:
        sdk.cosmos.cassandra_resources.begin_create_update_cassandra_keyspace(GROUP, "fpcosmos", "ks", wanted)
    assert code_of(caught) == "BadRequest"


def test_a_deleted_face_account_keeps_its_name_until_it_is_purged(sdk: Sdk) -> None:
    face = {**WHERE, "kind": "Face", "sku": {"name": "S0"}, "properties": {"customSubDomainName": "fpface"}}
    accounts, deleted = sdk.cognitive.accounts, sdk.cognitive.deleted_accounts
    ask = {"subdomain_name": "fpface", "type": "Microsoft.CognitiveServices/accounts"}
    assert sdk.cognitive.check_domain_availability(**ask).is_subdomain_available
    made = accounts.begin_create(GROUP, "fpface", face).result()
    assert made.properties.endpoint == "https://fpface.cognitiveservices.azure.com/"
    assert accounts.list_keys(GROUP, "fpface").key1
    accounts.begin_delete(GROUP, "fpface").result()
    assert not sdk.cognitive.check_domain_availability(**ask).is_subdomain_available
    with pytest.raises(HttpResponseError) as caught:
        accounts.begin_create(GROUP, "fpface", face)
    assert code_of(caught) == "FlagMustBeSetForRestore"
    assert [each.name for each in deleted.list()] == ["fpface"]
    deleted.begin_purge(LOCATION, GROUP, "fpface").result()
    assert not list(deleted.list())
    accounts.begin_create(GROUP, "fpface", face).result()
    usages = {row.name.value: row for row in sdk.cognitive.usages.list(LOCATION)}
    assert usages["AccountCount"].current_value == 1


def test_what_is_deleted_with_its_group_keeps_its_name_too(sdk: Sdk, double: Any) -> None:
    face = {**WHERE, "kind": "Face", "sku": {"name": "F0"}, "properties": {"customSubDomainName": "fpface"}}
    sdk.cognitive.accounts.begin_create(GROUP, "fpface", face).result()
    sdk.resources.resource_groups.begin_delete(GROUP).result()
    assert [each.name for each in double.deleted.all()] == ["fpface"]


def test_lists_of_a_group_that_is_not_there_are_refused(sdk: Sdk) -> None:
    with pytest.raises(ResourceNotFoundError) as caught:
        list(sdk.storage.storage_accounts.list_by_resource_group("other"))
    assert code_of(caught) == "ResourceGroupNotFound"


def test_postgres_has_databases_rules_and_parameters(sdk: Sdk) -> None:
    server = {
        **WHERE,
        "sku": {"name": "Standard_B1ms", "tier": "Burstable"},
        "properties": {
            "version": "16",
            "administratorLogin": "fp",
            "administratorLoginPassword": "Very-secret-1",
            "storage": {"storageSizeGB": 32},
        },
    }
    client = sdk.postgres
    made = client.servers.begin_create_or_update(GROUP, "fpdb", server).result()
    assert made.fully_qualified_domain_name == "fpdb.postgres.database.azure.com"
    assert made.administrator_login_password is None
    client.servers.begin_stop(GROUP, "fpdb").result()
    assert client.servers.get(GROUP, "fpdb").state == "Stopped"
    client.servers.begin_start(GROUP, "fpdb").result()
    assert client.servers.get(GROUP, "fpdb").state == "Ready"
    client.databases.begin_create(GROUP, "fpdb", "faceproject", {"properties": {"charset": "UTF8"}}).result()
    client.firewall_rules.begin_create_or_update(
        GROUP, "fpdb", "azure", {"properties": {"startIpAddress": "0.0.0.0", "endIpAddress": "0.0.0.0"}}
    ).result()
    assert [each.name for each in client.databases.list_by_server(GROUP, "fpdb")] == ["faceproject"]
    assert client.firewall_rules.get(GROUP, "fpdb", "azure").start_ip_address == "0.0.0.0"
    client.servers.begin_delete(GROUP, "fpdb").result()
    with pytest.raises(ResourceNotFoundError):
        client.servers.get(GROUP, "fpdb")


def test_an_identity_may_be_given_a_role_once(sdk: Sdk, double: Any) -> None:
    identity = sdk.identities.user_assigned_identities.create_or_update(GROUP, "fpid", WHERE)
    assert identity.principal_id
    scope = f"/subscriptions/{double.subscription}/resourceGroups/{GROUP}"
    role = f"/subscriptions/{double.subscription}/providers/Microsoft.Authorization/roleDefinitions/7f951dda"
    body = {"properties": {"roleDefinitionId": role, "principalId": identity.principal_id}}
    first, second = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
    sdk.roles.role_assignments.create(scope, first, body)
    with pytest.raises(HttpResponseError) as caught:
        sdk.roles.role_assignments.create(scope, second, body)
    assert code_of(caught) == "RoleAssignmentExists"
    assert [each.name for each in sdk.roles.role_assignments.list_for_scope(scope)] == [first]
    stranger = {"properties": {"roleDefinitionId": role, "principalId": second}}
    with pytest.raises(HttpResponseError) as caught:
        sdk.roles.role_assignments.create(scope, second, stranger)
    assert code_of(caught) == "PrincipalNotFound"
    sdk.roles.role_assignments.delete(scope, first)
    assert not list(sdk.roles.role_assignments.list_for_scope(scope))


def test_a_workspace_has_a_key_for_agents(sdk: Sdk) -> None:
    body = {**WHERE, "properties": {"sku": {"name": "PerGB2018"}}}
    made = sdk.logs.workspaces.begin_create_or_update(GROUP, "fplogs", body).result()
    assert made.customer_id
    assert sdk.logs.shared_keys.get_shared_keys(GROUP, "fplogs").primary_shared_key
    sdk.logs.workspaces.begin_delete(GROUP, "fplogs").result()
    assert not list(sdk.logs.workspaces.list_by_resource_group(GROUP))


def test_tags_can_be_changed_alone(sdk: Sdk) -> None:
    sdk.storage.storage_accounts.begin_create(GROUP, "fpstore", _storage()).result()
    changed = sdk.storage.storage_accounts.update(GROUP, "fpstore", {"tags": {"a": "b"}})
    assert changed.tags == {"a": "b"}
    assert changed.minimum_tls_version == "TLS1_2"
