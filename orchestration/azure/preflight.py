"""What would stop an apply half-way, found before it begins: permissions, providers, names that are taken, quotas."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final, TypeVar

from orchestration.azure import permissions
from orchestration.azure.catalogue.place import Place
from orchestration.azure.container_group import ContainerGroup
from orchestration.azure.errors import NOT_REGISTERED, RefusedError
from orchestration.azure.imported_image import PERMISSION, ImportedImage
from orchestration.azure.nodes import Change, Node, Run
from orchestration.azure.remains import Remains, remains_of
from orchestration.azure.resource import Resource
from orchestration.azure.training_set import TrainingSet

_Answer = TypeVar("_Answer")
#: Seconds that the registration of a provider may take.
REGISTERING_SECONDS: Final = 600


def providers(nodes: Iterable[Node]) -> tuple[str, ...]:
    """Namespaces of what the graph is made of."""
    found = {
        resource.id.split("/providers/")[1].split("/")[0]
        for node in nodes
        if (resource := _resource(node)) is not None and "/providers/" in resource.id
    }
    return tuple(sorted(found))


def register(run: Run, nodes: Iterable[Node]) -> None:
    """Register the providers that are not; a subscription that never used one has to. Raises RefusedError."""
    from azure.mgmt.resource.resources import ResourceManagementClient

    known = run.azure.client(ResourceManagementClient).providers
    waiting = []
    for namespace in providers(nodes):
        if _registration(run, known, namespace) != "registered":
            run.report("providers", "registering", namespace)
            run.azure.ask(partial(known.register, namespace), f"to register {namespace}", patient=True)
            waiting.append(namespace)
    for _ in range(int(REGISTERING_SECONDS / max(run.azure.poll_seconds, 0.01))):
        waiting = [namespace for namespace in waiting if _registration(run, known, namespace) != "registered"]
        if not waiting or run.stopping.wait(run.azure.poll_seconds):
            return
    raise RefusedError(
        f"{', '.join(waiting)} is still being registered after {REGISTERING_SECONDS // 60} minutes. Run provision "
        "again later.",
        code="MissingSubscriptionRegistration",
    )


def _registration(run: Run, known: Any, namespace: str) -> str:
    found = run.azure.ask(lambda: known.get(namespace), f"whether {namespace} is registered")
    return str(found.registration_state or "").lower()


def problems(run: Run, nodes: Iterable[Node], kept: Iterable[Remains] = ()) -> tuple[str, ...]:
    """What has to be mended first, for people. Asks only for what is not there yet: `run.facts` knows.

    kept: names that will be free, because this is purged first.
    """
    nodes = tuple(nodes)
    missing = {node.key: node for node in nodes if run.facts.find(node.key) is None}
    purged = {each.key for each in kept}
    named = {key: node for key, node in missing.items() if key not in purged}
    found = [*_permissions(run, nodes, missing), *_names(run, named), *_quotas(run, nodes, missing)]
    if not run.description.image.product:
        from orchestration.azure.image import CHECKOUT, DOCKERFILE

        if not (CHECKOUT / DOCKERFILE).is_file():
            found.append(f"There is no {DOCKERFILE} beside the product: build from a checkout, or set image.")
    found += [why for node in nodes if isinstance(node, TrainingSet) and (why := node.problem())]
    return tuple(found)


def _permissions(run: Run, nodes: tuple[Node, ...], missing: dict[str, Node]) -> Iterator[str]:
    """What is to be made or imported and may not be."""
    ids = [resource.id for node in missing.values() if (resource := _resource(node)) is not None]
    images = (node for node in nodes if isinstance(node, ImportedImage))
    actions = {PERMISSION for image in images if image.describe(run).change is not Change.UNCHANGED}
    if (ids or actions) and (why := permissions.lacking(run, ids, actions)):
        yield why


def _names(run: Run, missing: dict[str, Node]) -> Iterator[str]:
    """Names that others have, or that something deleted still keeps."""
    checks: dict[str, Callable[[str], str]] = {
        "registry": lambda name: _registry(run, name),
        "storage": lambda name: _storage(run, name),
        "cassandra": lambda name: _cassandra(run, name),
        "face": lambda name: _face(run, name),
        "postgresql": lambda name: _postgresql(run, name),
        "vault": lambda name: _vault(run, name),
    }
    for key, check in checks.items():
        if (node := missing.get(key)) is not None and (resource := _resource(node)) is not None:
            name = resource.id.rsplit("/", 1)[-1]
            kind = node.title.removesuffix(name).strip()
            if remains_of(run, key, resource.id) is not None:
                why = f"a deleted {kind} keeps it. Run the command again with --purge-deleted, or {_another(key)}"
            else:
                why = _unless_unregistered(partial(check, name), "")
            if why:
                yield f"The name {name} cannot be had for the {kind}: {why}"


def _another(key: str) -> str:
    return f"say another one under [names], key {key}."


def _unless_unregistered(ask: Callable[[], _Answer], otherwise: _Answer) -> _Answer:
    """What a provider answers; `otherwise` before it is registered, which an apply does first and then asks again."""
    try:
        return ask()
    except RefusedError as error:
        if error.code in NOT_REGISTERED:
            return otherwise
        raise


def _registry(run: Run, name: str) -> str:
    from azure.mgmt.containerregistry import ContainerRegistryManagementClient, models

    client = run.azure.client(ContainerRegistryManagementClient)
    asked = models.RegistryNameCheckRequest(name=name, type="Microsoft.ContainerRegistry/registries")
    return _taken(run, lambda: client.registries.check_name_availability(asked), "registry")


def _storage(run: Run, name: str) -> str:
    from azure.mgmt.storage import StorageManagementClient, models

    client = run.azure.client(StorageManagementClient)
    asked = models.StorageAccountCheckNameAvailabilityParameters(name=name)
    return _taken(run, lambda: client.storage_accounts.check_name_availability(asked), "storage")


def _postgresql(run: Run, name: str) -> str:
    from azure.mgmt.postgresqlflexibleservers import PostgreSQLManagementClient, models

    client = run.azure.client(PostgreSQLManagementClient)
    asked = models.CheckNameAvailabilityRequest(name=name, type="Microsoft.DBforPostgreSQL/flexibleServers")
    return _taken(run, lambda: client.name_availability.check_globally(asked), "postgresql")


def _vault(run: Run, name: str) -> str:
    from azure.mgmt.keyvault import KeyVaultManagementClient, models

    client = run.azure.client(KeyVaultManagementClient)
    asked = models.VaultCheckNameAvailabilityParameters(name=name)
    return _taken(run, lambda: client.vaults.check_name_availability(asked), "vault")


def _cassandra(run: Run, name: str) -> str:
    from azure.mgmt.cosmosdb import CosmosDBManagementClient

    client = run.azure.client(CosmosDBManagementClient)
    there = run.azure.ask(lambda: client.database_accounts.check_name_exists(name), _NAMES)
    return f"somebody has it already: {_another('cassandra')}" if there else ""


def _face(run: Run, name: str) -> str:
    from azure.mgmt.cognitiveservices import CognitiveServicesManagementClient

    client = run.azure.client(CognitiveServicesManagementClient)
    kind = "Microsoft.CognitiveServices/accounts"
    found: Any = run.azure.ask(lambda: client.check_domain_availability(name, kind), _NAMES)
    return "" if found.is_subdomain_available else f"somebody has it already: {_another('face')}"


def _taken(run: Run, asked: Callable[[], Any], key: str) -> str:
    """The answer of a check of a name; all of them have the same fields."""
    found = run.azure.ask(asked, _NAMES)
    if found.name_available:
        return ""
    return f"{str(found.message or found.reason).rstrip('.')}: {_another(key)}"


def _quotas(run: Run, nodes: tuple[Node, ...], missing: dict[str, Node]) -> Iterator[str]:
    """Container groups and cores of the location, against what is still to be made."""
    from azure.mgmt.containerinstance import ContainerInstanceManagementClient

    wanted = [node for node in nodes if isinstance(node, ContainerGroup) and node.key in missing]
    if not wanted:
        return
    cores = sum(container.size.cpu for node in wanted for container in node.workload.containers)
    client = run.azure.client(ContainerInstanceManagementClient)
    location = Place(run.description).said.location
    asked = partial(run.azure.ask, lambda: list(client.location.list_usage(location)), "how much of the quota is used")
    listed: list[Any] = _unless_unregistered(asked, [])
    needs = {"containergroups": float(len(wanted)), "standardcores": cores}
    for usage in listed:
        name = str((usage.name.value if usage.name else "") or "")
        need = needs.get(name.lower())
        free = float(usage.limit or 0) - float(usage.current_value or 0)
        if need is not None and need > free:
            yield (
                f"{location} has {free:g} of {usage.limit:g} {name} left, and {need:g} are needed. Ask for more quota "
                "(portal: Quotas), choose another location, or lower [scale] and [size]."
            )


def _resource(node: Node) -> Resource | None:
    if isinstance(node, ContainerGroup):
        return node.resource
    return node if isinstance(node, Resource) else None


_NAMES: Final = "whether a name is free"
