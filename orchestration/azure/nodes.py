"""Nodes of the graph: what each should be (`describe`), how it comes to be (`ensure`), how it goes (`delete`).

A node reads what those before it turned out to be from `Run.facts`, and never asks Azure for them again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Protocol

from orchestration.azure.comparison import Difference
from orchestration.azure.state import DeploymentState
from orchestration.deployment.description import Description
from orchestration.deployment.errors import DeploymentError

if TYPE_CHECKING:
    from orchestration.azure.clients import Azure
    from orchestration.azure.secret_book import SecretBook

#: The tag that says whose a resource is.
OURS_TAG: Final = "faceproject"


class Change(StrEnum):
    """What would be done to a node."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"  #: deleted and made again: some properties cannot be changed
    DELETE = "delete"  #: the description has it no more
    UNCHANGED = "unchanged"
    UNKNOWN = "unknown"  #: cannot be told before something else is there


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a look at a node found. `restarts`: the change restarts what runs there."""

    change: Change
    reasons: tuple[str, ...] = ()
    restarts: bool = False


class MissingFactError(DeploymentError):
    """Something that a node builds upon is not there yet."""


class Facts:
    """Bodies of the resources that exist, by key, as Azure returned them. Safe in threads."""

    def __init__(self) -> None:
        self._bodies: dict[str, Mapping[str, Any]] = {}
        self._lock = threading.Lock()

    def learn(self, key: str, body: Mapping[str, Any] | None) -> None:
        """What it is now; None: it is not there."""
        with self._lock:
            if body is None:
                self._bodies.pop(key, None)
            else:
                self._bodies[key] = body

    def find(self, key: str) -> Mapping[str, Any] | None:
        """The body; None where there is none (yet)."""
        with self._lock:
            return self._bodies.get(key)

    def of(self, key: str, *path: str) -> Any:
        """A property deep in a body. Raises MissingFactError where it is not there (yet)."""
        found: Any = self.find(key)
        for part in path:
            found = found.get(part) if isinstance(found, Mapping) else None
        if found is None:
            raise MissingFactError(f"{'.'.join((key, *path))} is not known before {key} is there.")
        return found


class Reporter(Protocol):
    """Hears how a run goes on. Called from several threads."""

    def __call__(self, key: str, what: str, detail: str = "") -> None:
        """what: "creating", "waiting", "done", "unchanged", "failed", …"""


def silent(key: str, what: str, detail: str = "") -> None:
    """A reporter that nobody listens to."""


@dataclass(slots=True, kw_only=True)
class Run:
    """One command at work on one deployment."""

    description: Description
    azure: Azure
    state: DeploymentState
    secrets: SecretBook
    facts: Facts = field(default_factory=Facts)
    report: Reporter = silent
    ask_web: Callable[[str, str], str]  #: host and CA bundle to "", or to what is wrong with the web there

    @property
    def stopping(self) -> threading.Event:
        """Set when somebody ends the command."""
        return self.azure.stopping


class Node(Protocol):
    """One thing that a deployment is made of."""

    @property
    def key(self) -> str:
        """Its name in the graph, in plans and in the state file."""

    @property
    def title(self) -> str:
        """For people: "container group faceproject-web"."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Keys of what must be there before."""

    @property
    def keeps_data(self) -> bool:
        """It holds what cannot be made again: `destroy --keep-data` leaves it."""

    def describe(self, run: Run) -> Finding:
        """Look, change nothing, and teach `run.facts` what is there."""

    def ensure(self, run: Run) -> Finding:
        """Bring it to what it should be; what was done. Raises DeploymentError."""

    def delete(self, run: Run) -> bool:
        """Remove it; False: it was not there. Raises DeploymentError."""


class GraphError(DeploymentError):
    """The graph has a circle or a gap: a fault of the product."""


def in_order(nodes: Iterable[Node]) -> tuple[Node, ...]:
    """Each after what it needs. Raises GraphError."""
    waiting = {node.key: node for node in nodes}
    known, ordered = set(waiting), list[Node]()
    done: set[str] = set()
    while waiting:
        free = [node for node in waiting.values() if done.issuperset(set(node.needs) & known)]
        if not free or any(need not in known for node in free for need in node.needs):
            raise GraphError(f"These need each other, or what is not there: {', '.join(sorted(waiting))}.")
        for node in free:
            ordered.append(node)
            done.add(node.key)
            del waiting[node.key]
    return tuple(ordered)


def reasons_of(found: Iterable[Difference]) -> tuple[str, ...]:
    """As plans show them."""
    return tuple(map(str, found))


Body = Callable[[Facts], dict[str, Any]]
