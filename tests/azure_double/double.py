"""The double of Azure: one context manager for tests.

    with AzureDouble(tmp_path) as azure:
        azure.register_all()
        ...  # run what deploys, with azure.environment
        assert not azure.violations

`resources` by id, `requests` as they came in, `creations` counts PUTs that created, `faults` scripts what goes wrong.
Nothing advances by time: what goes on takes a step whenever somebody looks at it, `polls` of them.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.azure_double.arm import Arm, Recorded
from tests.azure_double.faults import Faults
from tests.azure_double.https import Authority, HttpsServer
from tests.azure_double.kinds import cosmos
from tests.azure_double.kinds.kind import KINDS
from tests.azure_double.resources import Resource, ResourceTable
from tests.azure_double.runtime_port import Runtime
from tests.azure_double.world import PRINCIPAL, SUBSCRIPTION, TENANT, Ends, Login, World, token


class AzureDouble:
    """files: URL of a double of Azure Files, or what has it as `url`. cassandra, postgres: what stands for Cosmos DB
    and for PostgreSQL. authority: to share with other servers of the same test."""

    subscription, tenant, principal = SUBSCRIPTION, TENANT, PRINCIPAL

    def __init__(
        self,
        folder: Path,
        *,
        government: bool = False,
        files: Any = None,
        face_url: str | None = None,
        runtime: Runtime | None = None,
        cassandra: Login | None = None,
        postgres: Login | None = None,
        authority: Authority | None = None,
        polls: int = 2,
    ) -> None:
        self._servers = ExitStack()
        self.authority = authority or Authority(folder)
        files_url = files if isinstance(files, str | None) else files.url
        live = None if isinstance(files, str | None) else files
        ends = Ends(files_url=files_url, files=live, face_url=face_url, cassandra=cassandra, postgres=postgres)
        self.world = World(folder, self.authority, self._servers, government=government, ends=ends, polls=polls)
        self.world.runtime = runtime
        self.scope = f"https://management.{'usgovcloudapi.net' if government else 'azure.com'}/.default"
        self.sign_in(self.world.principal)
        self._arm = Arm(self.world, self.world.faults)

    def __enter__(self) -> Self:
        """Answer from now on."""
        self.world.url = self._servers.enter_context(HttpsServer(self._arm, self.authority)).url
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop; groups that run are stopped too."""
        if (runtime := self.world.runtime) is not None:
            for group in self.resources.of_type("Microsoft.ContainerInstance/containerGroups"):
                runtime.stop(group.id.lower())
        self._servers.close()

    # ---- for what deploys --------------------------------------------------------------------------------------------
    @property
    def environment(self) -> dict[str, str]:
        """Variables that lead everything here."""
        return {
            "AZURE_ARM_ENDPOINT": self.world.url,
            "AZURE_ARM_SCOPE": self.scope,
            "AZURE_CA_BUNDLE": str(self.authority.bundle),
            "AZURE_STATIC_TOKEN": self.world.bearer,
            "AZURE_POLL_SECONDS": "0.02",
        }

    # ---- for tests ---------------------------------------------------------------------------------------------------
    def sign_in(self, principal: str) -> None:
        """Whoever has this object id deploys from now on; tokens of others are not let in any more."""
        self.world.principal = principal
        self.world.bearer = token(self.scope.removesuffix("/.default"), principal)

    @property
    def resources(self) -> ResourceTable:
        """What exists."""
        return self.world.resources

    @property
    def deleted(self) -> ResourceTable:
        """What is deleted softly."""
        return self.world.deleted

    @property
    def requests(self) -> list[Recorded]:
        """As they came in."""
        return self._arm.recorded

    @property
    def violations(self) -> list[str]:
        """What Azure would not have understood: unknown operations, versions, properties; names of the other cloud."""
        return self.world.violations

    @property
    def faults(self) -> Faults:
        """Add some."""
        return self.world.faults

    @property
    def creations(self) -> Counter[str]:
        """How often each id (in lower case) was created."""
        return self.world.creations

    @property
    def uploads(self) -> dict[str, bytes]:
        """Contexts of builds: tar.gz by relative path."""
        return self.world.uploads

    @property
    def images(self) -> set[str]:
        """References that the registries hold; a test may add one, as `docker push` would."""
        return self.world.images

    @property
    def public_images(self) -> set[str]:
        """References that can be imported; a test may add one, or take one away."""
        return self.world.public_images

    @property
    def imports(self) -> Counter[str]:
        """How often each reference was copied into a registry that is there."""
        return self.world.imports

    def register_all(self) -> None:
        """Register every provider; at first the subscription has none."""
        for name in KINDS:
            self.world.registered[name.partition("/")[0]] = "Registered"

    def take_name(self, kind: str, name: str) -> None:
        """Somebody else has a name of "Microsoft.Storage/storageAccounts" or the like."""
        self.world.taken.add((kind.lower(), name.lower()))

    def limit(self, usage: str, most: int) -> None:
        """A quota, by the name that usages have: "StandardCores"."""
        self.world.quotas[usage] = most

    def refuse_tasks(self) -> None:
        """As for a subscription with free credit."""
        self.world.tasks_allowed = False

    def fail_builds(self, why: str) -> None:
        """From now on; "" to let them succeed again."""
        self.world.build_failure = why

    def secret(self, vault: str, name: str) -> str:
        """A secret's value. KeyError where there is none."""
        found = self.resources.named("Microsoft.KeyVault/vaults", vault)
        if found is None:
            raise KeyError(vault)
        return str(found.hidden["secrets"].value(name))

    def secrets(self) -> set[str]:
        """Every value that vaults hold or held, and every secure value that containers were given."""
        found = set()
        for vault in self.resources.of_type("Microsoft.KeyVault/vaults"):
            for versions in vault.hidden["secrets"].versions.values():
                found |= {str(version["value"]) for version in versions}
        for group in self.resources.of_type("Microsoft.ContainerInstance/containerGroups"):
            for container in group.properties["containers"]:
                variables = container["properties"].get("environmentVariables", ())
                found |= {str(each["secureValue"]) for each in variables if "secureValue" in each}
        return found

    def cassandra_table(self, keyspace_id: str, name: str, *, shared: bool = False) -> Resource:
        """A table that CQL made. shared: with the keyspace's throughput, not with its own. Raises ArmError."""
        table = f"{keyspace_id}/tables/{name}"
        kind = "Microsoft.DocumentDB/databaseAccounts/cassandraKeyspaces/tables"
        body = {"properties": {"resource": {"id": name}}}
        made = Resource(id=table, type=kind, name=name, body=body, state="Succeeded")
        if shared:
            cosmos.require_room(self.world, keyspace_id)
            self.resources[table] = made
            return made
        settings = f"{table}/throughputSettings/default"
        self.resources[table] = made
        self.resources[settings] = Resource(
            id=settings,
            type=f"{kind}/throughputSettings",
            name="default",
            body={"properties": {"resource": {"throughput": 400}}},
            state="Succeeded",
        )
        return made
