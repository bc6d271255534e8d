"""What a kind of resource is, and how modules of this folder say which ones there are.

A module has classes under `@kind("Microsoft.X/ys")`, and functions under `@route("POST", "Microsoft.X/ys/{}/listZ")`
for operations that are no plain PUT, GET, PATCH, DELETE or list. Every module of the folder is imported by itself.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar, Final, TypeVar

from tests.azure_double.https import Answer, Request
from tests.azure_double.resources import ArmError, Json, Pending, Resource
from tests.azure_double.specs import Operation
from tests.azure_double.world import World


class Follow(Enum):
    """How a client is told that something goes on."""

    NOW = "it is done when it is answered"
    ASYNC = "Azure-AsyncOperation"
    LOCATION = "Location"
    BODY = "provisioningState of the resource"


@dataclass(slots=True, kw_only=True)
class Put:
    """A PUT or PATCH at work. `body` is the whole body as it will be kept; `existing` is what is there."""

    world: World
    id: str
    type: str
    name: str
    body: Json
    existing: Resource | None

    @property
    def properties(self) -> Json:
        """Of the body."""
        found: Json = self.body.setdefault("properties", {})
        return found


@dataclass(slots=True, kw_only=True)
class Call:
    """A request for one operation. `names` are those in its path."""

    world: World
    request: Request
    operation: Operation
    names: tuple[str, ...]
    begin: Callable[[Resource | None, Pending, Follow, int], Answer]

    @property
    def body(self) -> Json:
        """As JSON; empty where there is none."""
        found: Json = self.request.json() if self.request.body else {}
        return found

    def above(self, segments: int) -> Resource:
        """The resource whose id is the path without its last segments. Raises ArmError 404."""
        parts = self.request.path.rstrip("/").split("/")
        return self.world.existing("/".join(parts[: len(parts) - segments]))


class Kind:
    """One kind of resource; subclasses say what is particular to it."""

    type: ClassVar[str]
    create: ClassVar[Follow] = Follow.ASYNC
    update: ClassVar[Follow | None] = None  #: as `create`
    remove: ClassVar[Follow] = Follow.ASYNC
    tracked: ClassVar[bool] = True  #: it has a location, which never changes
    unique: ClassVar[tuple[int, str] | None] = None  #: status and code where somebody else in the cloud has the name
    busy: ClassVar[tuple[int, str, str]] = (409, "Conflict", "Another operation on the resource is in progress.")
    secrets: ClassVar[frozenset[str]] = frozenset()  #: names of properties that no GET returns
    purged_by: ClassVar[str] = ""  #: what a DELETE asks for, where nothing shall be kept of it
    has_state: ClassVar[bool] = True  #: its properties say how its provisioning goes

    def check(self, put: Put) -> None:
        """Whether it may be so; completes the body. Raises ArmError."""

    def begun(self, world: World, resource: Resource) -> None:
        """It is kept, and being made."""

    def done(self, world: World, resource: Resource) -> None:
        """It is made. Raises ArmError where that fails."""

    def show(self, world: World, resource: Resource) -> Json:
        """Properties as a GET returns them, its state apart."""
        return without(resource.properties, self.secrets) | copy.deepcopy(resource.outputs)

    def check_delete(self, world: World, resource: Resource) -> None:
        """Whether it may go. Raises ArmError."""

    def gone(self, world: World, resource: Resource) -> None:
        """It is deleted."""

    def shown(self, world: World, resource: Resource) -> Json:
        """The whole body as a GET returns it."""
        body = {key: part for key, part in resource.body.items() if key != "properties"}
        found = body | copy.deepcopy(resource.top) | {"id": resource.id, "name": resource.name, "type": resource.type}
        properties = self.show(world, resource)
        if self.has_state:
            properties["provisioningState"] = resource.state
        return found | ({"properties": properties} if properties else {})


def without(part: Any, names: frozenset[str]) -> Any:
    """A copy without these keys, however deep."""
    if isinstance(part, dict):
        return {key: without(each, names) for key, each in part.items() if key not in names}
    return [without(each, names) for each in part] if isinstance(part, list) else part


Route = Callable[[Call], Answer]
_Kind = TypeVar("_Kind", bound=type[Kind])
KINDS: Final[dict[str, Kind]] = {}
ROUTES: Final[dict[tuple[str, str], Route]] = {}


def kind(name: str) -> Callable[[_Kind], _Kind]:
    """Registers a kind: "Microsoft.Network/virtualNetworks/subnets"."""

    def register(made: _Kind) -> _Kind:
        made.type = name
        KINDS[name.lower()] = made()
        return made

    return register


def route(method: str, tail: str) -> Callable[[Route], Route]:
    """Registers an operation by its path from the last provider on, `{}` for names; whole where there is none."""

    def register(made: Route) -> Route:
        ROUTES[method, tail.lower()] = made
        return made

    return register


def name_check(kind_name: str) -> Route:
    """The usual check whether a name is free."""

    def check(call: Call) -> Answer:
        name = call.body["name"]
        free = name_is_free(call.world, kind_name, name)
        why = {} if free else {"reason": "AlreadyExists", "message": f"The name {name} is already in use."}
        return Answer(content={"nameAvailable": free, **why})

    return check


def name_is_free(world: World, kind_name: str, name: str) -> bool:
    """Nobody in the cloud has it, not even one that is deleted softly."""
    taken = (kind_name.lower(), name.lower()) in world.taken
    return not (taken or world.resources.named(kind_name, name) or world.deleted.named(kind_name, name))


def refuse_change(put: Put, path: str, status: int, code: str, message: str) -> None:
    """Raises ArmError when a property (dotted path in the body) is not what it was."""
    if put.existing is not None and look(put.body, path) != look(put.existing.body, path):
        raise ArmError(status, code, message)


def look(body: Any, path: str) -> Any:
    """A value deep in a body; None where there is none."""
    for part in path.split("."):
        body = body.get(part) if isinstance(body, dict) else None
    return body


@dataclass(slots=True, kw_only=True)
class Usage:
    """One row of a location's usages."""

    name: str
    used: float
    limit: int
    unit: str = "Count"
    localized: str = field(default="")

    @property
    def content(self) -> Json:
        """As JSON."""
        return {
            "unit": self.unit,
            "currentValue": int(self.used),
            "limit": self.limit,
            "name": {"value": self.name, "localizedValue": self.localized or self.name},
        }
