"""The services that the roles use: Cassandra, Face, share, users' database, vault, logs, registry and identity."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Final

from orchestration.azure.catalogue.place import Place
from orchestration.azure.comparison import secret
from orchestration.azure.nodes import Facts, Node, Run
from orchestration.azure.remains import remains_of
from orchestration.azure.resource import Hook, Resource, constant
from orchestration.azure.secret_book import POSTGRES_DATABASE, POSTGRES_USER
from orchestration.deployment.workloads import POSTGRES_PASSWORD

REGISTRIES: Final = "Microsoft.ContainerRegistry/registries"
ACCOUNTS: Final = "Microsoft.CognitiveServices/accounts"
VAULTS: Final = "Microsoft.KeyVault/vaults"
IDENTITIES: Final = "Microsoft.ManagedIdentity/userAssignedIdentities"
WORKSPACES: Final = "Microsoft.MachineLearningServices/workspaces"
KEYSPACE: Final = "faceproject"
#: For what the first one has no room: 25 tables share a throughput at most (personas/store/cassandra/placing.py).
SIDE_KEYSPACE: Final = "faceproject_side"
SHARE: Final = "faceproject"
#: The fact that says where Cassandra's drivers connect to: `host` and `port`.
CASSANDRA_PLACE: Final = "cassandra-place"
#: What deploying does with secrets.
_OF_SECRETS: Final = ("get", "list", "set", "delete")
#: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles#acrpull
ACR_PULL: Final = "7f951dda-4ed3-4680-a7ca-43fe172d538d"


def group(place: Place) -> Resource:
    """The resource group: everything else lies in it."""
    return Resource(
        key="group",
        title=f"resource group {place.said.group}",
        id=place.group_id,
        api_version=Place.version("Microsoft.Resources/resourceGroups"),
        body=constant({"location": place.said.location}),
        keeps_data=True,
    )


def cassandra(place: Place) -> Iterator[Node]:
    """Cosmos DB with the Cassandra API, its keyspaces each with a throughput that follows the load."""
    said = place.said
    name = said.global_name("cassandra", longest=44)
    region = {"locationName": said.location, "failoverPriority": 0, "isZoneRedundant": False}
    yield place.resource(
        "cassandra",
        "Cosmos DB account",
        "Microsoft.DocumentDB/databaseAccounts",
        name,
        body=constant(
            {
                "location": said.location,
                "kind": "GlobalDocumentDB",
                "properties": {
                    "databaseAccountOfferType": "Standard",
                    "capabilities": [{"name": "EnableCassandra"}],
                    "consistencyPolicy": {"defaultConsistencyLevel": "Strong"},
                    "locations": [region],
                    "publicNetworkAccess": "Disabled" if said.private else "Enabled",
                    "minimalTlsVersion": "Tls12",
                },
            }
        ),
        seen=_learn_cassandra_place,
        keeps_data=True,
    )
    yield from _keyspace(place, name, KEYSPACE, most=said.sku.cassandra_throughput)
    yield from _keyspace(place, name, SIDE_KEYSPACE, part=":side", most=said.sku.cassandra_side_throughput)


def _keyspace(place: Place, account: str, name: str, *, part: str = "", most: int) -> Iterator[Node]:
    """A keyspace, and the request units a second that its tables share. part: of the keys in the graph."""
    throughput = {"maxThroughput": most}
    yield place.resource(
        f"keyspace{part}",
        "keyspace",
        "Microsoft.DocumentDB/databaseAccounts/cassandraKeyspaces",
        *(account, name),
        body=constant({"properties": {"resource": {"id": name}}}),
        sent={"properties": {"options": {"autoscaleSettings": throughput}}},
        needs=("cassandra",),
        keeps_data=True,
        tagged=False,
    )
    yield place.resource(
        f"throughput{part}",
        "keyspace's throughput",
        "Microsoft.DocumentDB/databaseAccounts/cassandraKeyspaces/throughputSettings",
        *(account, name, "default"),
        body=constant({"properties": {"resource": {"autoscaleSettings": throughput}}}),
        needs=(f"keyspace{part}",),
        keeps_data=True,
        tagged=False,
        part_of=f"keyspace{part}",
    )


def _learn_cassandra_place(run: Run, found: Mapping[str, Any]) -> None:
    """The account tells its Cassandra address in connection strings alone: `HostName=…;Username=…;Port=…`."""
    from azure.mgmt.cosmosdb import CosmosDBManagementClient

    if run.facts.find(CASSANDRA_PLACE):
        return
    parts = str(found["id"]).split("/")
    accounts = run.azure.client(CosmosDBManagementClient).database_accounts
    listed = run.azure.ask(lambda: accounts.list_connection_strings(parts[4], parts[-1]).as_dict(), "to show addresses")
    for each in listed.get("connectionStrings") or listed.get("connection_strings") or ():
        text = str(each.get("connectionString") or each.get("connection_string"))
        said = dict(part.partition("=")[::2] for part in text.rstrip(";").split(";"))
        if "HostName" in said:
            run.facts.learn(CASSANDRA_PLACE, {"host": said["HostName"], "port": said.get("Port", "")})
            return


def face(place: Place) -> Resource:
    """The Face service. Deleted accounts keep their name until they are purged."""
    said = place.said
    name = said.global_name("face")
    return place.resource(
        "face",
        "Face account",
        ACCOUNTS,
        name,
        body=constant(
            {
                "location": said.location,
                "kind": "Face",
                "sku": {"name": said.sku.face},
                "properties": {
                    "customSubDomainName": name,
                    "publicNetworkAccess": "Disabled" if said.private else "Enabled",
                },
            }
        ),
        gone=_purged("face", place.id(ACCOUNTS, name)),
    )


def _purged(key: str, resource_id: str) -> Hook:
    """What Azure keeps of it is taken away, too."""

    def purge(run: Run, found: Mapping[str, Any]) -> None:
        if (kept := remains_of(run, key, resource_id)) is not None:
            kept.purge(run)

    return purge


def storage(place: Place) -> Iterator[Node]:
    """The account and the share that every role mounts."""
    said = place.said
    name = said.global_name("storage", longest=24, plain=True)
    premium = said.sku.storage.startswith("Premium")
    yield place.resource(
        "storage",
        "storage account",
        "Microsoft.Storage/storageAccounts",
        name,
        body=constant(
            {
                "location": said.location,
                "kind": "FileStorage" if premium else "StorageV2",
                "sku": {"name": said.sku.storage},
                "properties": {
                    "minimumTlsVersion": "TLS1_2",
                    "supportsHttpsTrafficOnly": True,
                    "allowBlobPublicAccess": False,
                    "allowSharedKeyAccess": True,  # container groups mount shares by key, there is no other way yet
                },
            }
        ),
        keeps_data=True,
        replaced_on=("kind",),
    )
    yield place.resource(
        "share",
        "file share",
        "Microsoft.Storage/storageAccounts/fileServices/shares",
        *(name, "default", SHARE),
        body=constant({"properties": {"shareQuota": said.sku.share_gib}}),
        needs=("storage",),
        keeps_data=True,
        tagged=False,
    )


def postgresql(place: Place) -> Iterator[Node]:
    """Users and sessions."""
    said, kind = place.said, "Microsoft.DBforPostgreSQL/flexibleServers"
    name = said.global_name("postgresql", longest=63)
    public = "Disabled" if said.private else "Enabled"
    yield place.resource(
        "postgresql",
        "PostgreSQL server",
        kind,
        name,
        body=constant(
            {
                "location": said.location,
                "sku": {"name": said.sku.postgresql, "tier": said.sku.postgresql_tier},
                "properties": {
                    "version": "17",
                    "administratorLogin": POSTGRES_USER,
                    "administratorLoginPassword": secret(POSTGRES_PASSWORD),
                    "storage": {"storageSizeGB": said.sku.postgresql_gib},
                    "network": {"publicNetworkAccess": public},
                },
            }
        ),
        needs=("secrets",),
        keeps_data=True,
        replaced_on=("administratorLogin", "version"),
        started_by=f"az postgres flexible-server start --resource-group {said.group} --name {name}",
    )
    yield place.resource(
        "database",
        "database",
        f"{kind}/databases",
        *(name, POSTGRES_DATABASE),
        body=constant({"properties": {"charset": "UTF8", "collation": "en_US.utf8"}}),
        needs=("postgresql",),
        keeps_data=True,
        tagged=False,
    )
    if not said.private:  # 0.0.0.0 lets Azure's own addresses in, as those of the web's group, and no others
        yield place.resource(
            "database-access",
            "database's firewall rule for",
            f"{kind}/firewallRules",
            *(name, "azure"),
            body=constant({"properties": {"startIpAddress": "0.0.0.0", "endIpAddress": "0.0.0.0"}}),  # noqa: S104
            needs=("database",),
            tagged=False,
        )


def vault(place: Place, *, who: str, tenant: str) -> Resource:
    """Where generated secrets are kept, for whoever deploys (object id and tenant), did so or was let in before.

    Deleted vaults keep their name.
    """
    name = place.said.global_name("vault", longest=24)
    return place.resource(
        "vault",
        "Key Vault",
        VAULTS,
        name,
        body=lambda facts: {
            "location": place.said.location,
            "properties": {
                "tenantId": tenant,
                "sku": {"family": "A", "name": "standard"},
                "enableRbacAuthorization": False,  # a policy holds at once, a role assignment after minutes
                "accessPolicies": _let_in(facts.find("vault") or {}, who=who, tenant=tenant),
                "enableSoftDelete": True,
                "softDeleteRetentionInDays": 7,
            },
        },
        keeps_data=True,
        gone=_purged("vault", place.id(VAULTS, name)),
    )


def _let_in(vault: Mapping[str, Any], *, who: str, tenant: str) -> list[Mapping[str, Any]]:
    """The access policies that the vault has, and one for this deployer where none gives what deploying takes."""
    policies = list(vault.get("properties", {}).get("accessPolicies") or ())
    own = next((each for each in policies if str(each["objectId"]).lower() == who.lower()), None)
    granted = [str(each).lower() for each in (own or {}).get("permissions", {}).get("secrets") or ()]
    if own is not None and ("all" in granted or set(granted) >= set(_OF_SECRETS)):
        return policies
    others = [each for each in policies if each is not own]
    permissions = (own or {}).get("permissions", {}) | {"secrets": sorted({*granted, *_OF_SECRETS})}
    return [*others, {"tenantId": tenant, "objectId": who, "permissions": permissions}]


def logs(place: Place) -> Resource:
    """Where the containers' logs are kept: the groups themselves keep little."""
    said = place.said
    properties = {"sku": {"name": "PerGB2018"}, "retentionInDays": said.sku.log_days}
    return place.resource(
        "logs",
        "Log Analytics workspace",
        "Microsoft.OperationalInsights/workspaces",
        f"{said.name}-logs",
        body=constant({"location": said.location, "properties": properties}),
    )


def registry(place: Place) -> Iterator[Node]:
    """The registry of the product's image, and permission to pull from it.

    Government has no managed identity for groups in a network: there the registry's own user pulls.
    """
    said = place.said
    government = said.cloud == "government"
    name = said.global_name("registry", longest=50, plain=True)
    yield place.resource(
        "registry",
        "container registry",
        REGISTRIES,
        name,
        body=constant(
            {
                "location": said.location,
                "sku": {"name": said.sku.registry},
                "properties": {"adminUserEnabled": government},
            }
        ),
    )
    if not government:
        yield role(place, "pull", "permission to pull images", "registry", name=ACR_PULL)


def identity_id(place: Place) -> str:
    """Of the identity that container groups have."""
    return place.id(IDENTITIES, place.said.name)


def identity(place: Place) -> Resource:
    """What container groups are, where they ask Azure for something."""
    return place.resource(
        "identity", "managed identity", IDENTITIES, place.said.name, body=constant({"location": place.said.location})
    )


def role(place: Place, key: str, title: str, on: str, *, name: str) -> Resource:
    """A built-in role (its GUID) of the identity on a resource, named by its key in the graph."""
    said = place.said
    definition = f"/subscriptions/{said.subscription}/providers/Microsoft.Authorization/roleDefinitions/{name}"
    kinds = {
        "registry": (REGISTRIES, said.global_name("registry", longest=50, plain=True)),
        "ml": (WORKSPACES, said.name),
    }
    scope = place.id(*kinds[on])

    def body(facts: Facts) -> dict[str, Any]:
        principal = facts.of("identity", "properties", "principalId")
        return {
            "properties": {
                "roleDefinitionId": definition,
                "principalId": principal,
                "principalType": "ServicePrincipal",
            }
        }

    # The same for the same identity, so that it is not assigned twice; its id, not its principal, is known beforehand.
    assigned = uuid.uuid5(uuid.NAMESPACE_URL, f"{scope}|{definition}|{identity_id(place)}".lower())
    return Resource(
        key=key,
        title=title,
        id=f"{scope}/providers/Microsoft.Authorization/roleAssignments/{assigned}",
        api_version=Place.version("Microsoft.Authorization/roleAssignments"),
        body=body,
        needs=(on, "identity"),
        tagged=False,
        replaced_on=("principalId", "roleDefinitionId"),
    )
