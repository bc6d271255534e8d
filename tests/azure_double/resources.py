"""What exists in the double: resources, and what goes on with them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


class ArmError(Exception):
    """What Azure Resource Manager answers when it refuses."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message, self.headers = status, code, message, dict(headers or {})

    @property
    def content(self) -> Json:
        """As JSON."""
        return {"error": {"code": self.code, "message": self.message}}


@dataclass(slots=True, kw_only=True)
class Pending:
    """Something that goes on after its request was answered. Each look at it takes it one step further.

    finish: what happens when it ends; may raise ArmError, with which it then ends as failed. shown: what a poll by
    Location answers once it succeeded. delete: it takes the resource away.
    """

    steps: int
    finish: Callable[[], None]
    delete: bool = False
    shown: Callable[[], Json | None] = lambda: None
    fails_with: tuple[str, str] | None = None
    on_failure: Callable[[], None] = lambda: None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "InProgress"
    error: Json | None = None

    def step(self) -> None:
        """One look."""
        if self.status != "InProgress":
            return
        self.steps -= 1
        if self.steps <= 0:
            self._end()

    def _end(self) -> None:
        try:
            if self.fails_with:
                raise ArmError(409, *self.fails_with)
            self.finish()
        except ArmError as error:
            self.status, self.error = "Failed", error.content["error"]
            self.on_failure()
        else:
            self.status = "Succeeded"


@dataclass(slots=True, kw_only=True)
class Resource:
    """body: as it was last sent, secrets included. outputs: properties that the service adds. hidden: what only
    actions such as listKeys tell."""

    id: str
    type: str
    name: str
    body: Json
    state: str = "Creating"
    outputs: Json = field(default_factory=dict)
    top: Json = field(default_factory=dict)  #: what the service adds beside the properties: identity, etag
    hidden: dict[str, Any] = field(default_factory=dict)
    pending: Pending | None = None

    @property
    def properties(self) -> Json:
        """Of the body."""
        found: Json = self.body.setdefault("properties", {})
        return found

    @property
    def location(self) -> str:
        """Where it is; "" for what is nowhere."""
        return str(self.body.get("location", ""))

    @property
    def busy(self) -> bool:
        """Something goes on with it."""
        return self.pending is not None and self.pending.status == "InProgress"


class ResourceTable(MutableMapping[str, Resource]):
    """Resources by id, whatever the case of the letters."""

    def __init__(self) -> None:
        self._known: dict[str, Resource] = {}

    def __getitem__(self, key: str) -> Resource:
        return self._known[key.rstrip("/").lower()]

    def __setitem__(self, key: str, value: Resource) -> None:
        self._known[key.lower()] = value

    def __delitem__(self, key: str) -> None:
        del self._known[key.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter([each.id for each in self._known.values()])

    def __len__(self) -> int:
        return len(self._known)

    def all(self) -> list[Resource]:
        """In the order of their making."""
        return list(self._known.values())

    def under(self, parent: str) -> list[Resource]:
        """Everything below an id."""
        start = parent.rstrip("/").lower() + "/"
        return [each for key, each in list(self._known.items()) if key.startswith(start)]

    def of_type(self, kind: str, under: str = "") -> list[Resource]:
        """All of a kind, in the order of their making."""
        start = under.rstrip("/").lower() + "/" if under else ""
        return [
            each
            for key, each in list(self._known.items())
            if each.type.lower() == kind.lower() and key.startswith(start)
        ]

    def named(self, kind: str, name: str) -> Resource | None:
        """Of a kind whose names are unique in the cloud."""
        return next((each for each in self.of_type(kind) if each.name.lower() == name.lower()), None)


def type_of(resource_id: str) -> str:
    """ "Microsoft.Network/virtualNetworks/subnets" for a subnet's id."""
    parts = resource_id.strip("/").split("/")
    places = [place for place, part in enumerate(parts) if part.lower() == "providers"]
    if not places:
        return "Microsoft.Resources/resourceGroups"
    namespace, *rest = parts[places[-1] + 1 :]
    return "/".join((namespace, *rest[::2]))


def is_collection(path: str) -> bool:
    """It names a kind, not one of that kind."""
    after = path.rstrip("/").lower().rpartition("/providers/")[2]
    return "/providers/" in path.lower() and after.count("/") % 2 == 1


def parent_of(resource_id: str) -> str:
    """The id of what it is in: a resource, a resource group, any scope."""
    parts = resource_id.rstrip("/").split("/")
    place = max(index for index, part in enumerate(parts) if part.lower() == "providers")
    return "/".join(parts[:-2] if len(parts) - place > 4 else parts[:place])


def group_of(resource_id: str) -> str | None:
    """The id of its resource group."""
    parts = resource_id.split("/")
    return "/".join(parts[:5]) if len(parts) > 4 and parts[3].lower() == "resourcegroups" else None
