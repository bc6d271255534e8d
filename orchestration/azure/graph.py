"""The graph of a deployment: every node that its description asks for, in an order in which they can be made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from orchestration.azure import imported_image
from orchestration.azure.catalogue import groups, machine_learning, network, services
from orchestration.azure.catalogue.place import Place
from orchestration.azure.clients import Azure
from orchestration.azure.image import Build, ProductImage
from orchestration.azure.nodes import Node, in_order
from orchestration.azure.steps import Secrets
from orchestration.azure.training_set import TrainingSet
from orchestration.deployment.description import Description

#: Nodes that `deploy` works on; the others it only looks at.
ROLLED = ("image", "training", "group:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What commands say beside the description."""

    build: Build = "acr"


def graph(said: Description, azure: Azure, options: Options) -> tuple[Node, ...]:
    """All nodes, each after what it needs."""
    return in_order(_nodes(Place(said), azure, options))


def _nodes(place: Place, azure: Azure, options: Options) -> Iterator[Node]:
    said = place.said
    who, tenant = azure.identity()
    present = {"cassandra", "storage"}
    yield services.group(place)
    yield from services.cassandra(place)
    yield from services.storage(place)
    yield services.vault(place, who=who, tenant=tenant)
    yield Secrets()
    yield services.logs(place)
    if said.detector == "azure":
        present.add("face")
        yield services.face(place)
    if said.users == "postgresql":
        present.add("postgresql")
        yield from services.postgresql(place)
    yield from network.nodes(place, frozenset(present))
    own_registry = not said.image.product
    if said.machine_learning.enabled or (own_registry and said.cloud != "government"):
        yield services.identity(place)
    if own_registry:
        yield from services.registry(place)
        yield ProductImage(build=options.build, base=said.image.base, needs=("registry", *_pull(said)))
        yield from imported_image.nodes(said)
    if said.data:
        yield TrainingSet(folder=said.data)
    if said.machine_learning.enabled:
        yield from machine_learning.nodes(place, own_registry=own_registry)
    yield from groups.nodes(place, image=said.image.product)


def _pull(said: Description) -> tuple[str, ...]:
    return ("pull",) if said.cloud != "government" else ()
