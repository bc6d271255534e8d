"""What lies in the resource group beside the graph: resources of ours that the description has no more, and others'."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from orchestration.azure.catalogue.place import Place
from orchestration.azure.container_group import ContainerGroup
from orchestration.azure.graph import Options, graph
from orchestration.azure.nodes import OURS_TAG, Node, Run
from orchestration.azure.resource import Resource, constant
from orchestration.deployment.description import Description

#: What an apply deletes before it changes the network: a subnet that something lies in cannot go.
IN_NETWORK: Final = ("endpoint:", "zone-link:")
#: Azure makes it for a private endpoint, and takes it away with it.
_MADE_BY_AZURE: Final = "microsoft.network/networkinterfaces"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """superfluous: ours, in their order of deletion; foreign: not this deployment's, for people.

    turns: when a node is deleted, by its key; what is not in it goes first.
    """

    superfluous: tuple[Node, ...] = ()
    foreign: tuple[str, ...] = ()
    turns: Mapping[str, int] = field(default_factory=dict)

    def with_others(self, nodes: Iterable[Node]) -> list[Node]:
        """These, too, in the order of deletion: what needs others before those."""
        return sorted((*self.superfluous, *nodes), key=lambda node: self.turns.get(node.key, -1))


def beside(run: Run, nodes: tuple[Node, ...]) -> Beside:
    """What Azure lists in the group beside these nodes. Raises DeploymentError."""
    from azure.mgmt.resource.resources import ResourceManagementClient

    if run.facts.find("group") is None:
        return Beside()
    said = run.description
    client = run.azure.client(ResourceManagementClient).resources
    listed = run.azure.ask(lambda: list(client.list_by_resource_group(said.group)), f"to list what is in {said.group}")
    wanted = {resource.id.lower() for node in nodes if (resource := _resource(node)) is not None}
    most = _Most(run, nodes)
    ours, foreign = list[Node](), list[str]()
    for each in listed:
        id_, kind = str(each.id), str(each.type)
        if id_.lower() in wanted or _lies_in(id_, wanted) or kind.lower() == _MADE_BY_AZURE:
            continue
        node = most.node(id_, kind) if (each.tags or {}).get(OURS_TAG) == said.name else None
        if node is None:
            foreign.append(f"{kind} {each.name}, which this deployment did not make")
        else:
            ours.append(node)
    unordered = Beside(superfluous=tuple(ours), foreign=tuple(foreign), turns=most.turns)
    return replace(unordered, superfluous=tuple(unordered.with_others(())))


class _Most:
    """The graph of the most that a description can ask for: a node that it asks for no more is in there."""

    def __init__(self, run: Run, nodes: tuple[Node, ...]) -> None:
        self._said = run.description
        made = graph(_with_everything(self._said), run.azure, Options())
        known = list(_resources(made))
        self._by_id = {each.id.lower(): each for each in known}
        self._keeping = {_kind(each.id): each.keeps_data for each in known}
        self.turns = {node.key: number for number, node in enumerate(reversed(made))}
        self._group = next(node for node in nodes if isinstance(node, ContainerGroup))

    def node(self, resource_id: str, kind: str) -> Node | None:
        """For a resource that is to be deleted: it needs no body. None: the product makes nothing of this kind."""
        name = resource_id.rsplit("/", 1)[-1]
        if kind.lower() == _kind(self._group.resource.id):
            return self._container_group(resource_id, name)
        if (known := self._by_id.get(resource_id.lower())) is not None or kind.lower() not in self._keeping:
            return known
        return Resource(
            key=f"{kind}/{name}",
            title=f"{kind.partition('/')[2]} {name}",
            id=resource_id,
            api_version=Place.version(kind),
            body=constant({}),
            keeps_data=self._keeping[kind.lower()],
        )

    def _container_group(self, resource_id: str, name: str) -> ContainerGroup:
        role = name.removeprefix(f"{self._said.name}-")
        resource = replace(
            self._group.resource, key=f"group:{role}", title=f"container group {name}", id=resource_id, replaced_on=()
        )
        return replace(self._group, resource=resource, workload=replace(self._group.workload, name=role))


def _with_everything(said: Description) -> Description:
    more: dict[str, Any] = {"detector": "azure", "users": "postgresql", "private": True}
    more["image"] = said.image.model_copy(update={"product": ""})
    more["machine_learning"] = said.machine_learning.model_copy(update={"enabled": True})
    return said.model_copy(update=more)


def _resources(nodes: tuple[Node, ...]) -> Iterator[Resource]:
    return (each for node in nodes if (each := _resource(node)) is not None)


def _resource(node: Node) -> Resource | None:
    if isinstance(node, ContainerGroup):
        return node.resource
    return node if isinstance(node, Resource) else None


def _kind(resource_id: str) -> str:
    """ "microsoft.network/privatednszones/virtualnetworklinks" of an id; "" of a resource group's."""
    namespace, *rest = resource_id.lower().rpartition("/providers/")[2].split("/")
    return "/".join((namespace, *rest[::2])) if "/providers/" in resource_id else ""


def _lies_in(resource_id: str, wanted: set[str]) -> bool:
    """Below a resource that stays, and goes with it: an endpoint that the dispatcher made in the workspace."""
    return any("/providers/" in each and resource_id.lower().startswith(f"{each}/") for each in wanted)
