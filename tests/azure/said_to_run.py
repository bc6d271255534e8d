"""A runtime of the double in which nothing runs: containers are said to, and a test says which do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from tests.azure_double.runtime_port import Address, ContainerState, Context

#: An image whose containers never start.
BAD_IMAGE = "registry.example.org/faceproject:bad"
#: One whose containers start and end, again and again.
FAILING_IMAGE = "registry.example.org/faceproject:failing"


class SaidToRun:
    """`started` counts starts by the last part of the group's id; `restarts` is how many containers have had."""

    def __init__(self) -> None:
        self.started: dict[str, int] = {}
        self.restarts: Counter[str] = Counter()
        self._groups: dict[str, Mapping[str, Any]] = {}

    def start(self, group: Mapping[str, Any], context: Context) -> None:
        """See Runtime."""
        name = str(group["id"]).lower().rsplit("/", 1)[-1]
        self.started[name] = self.started.get(name, 0) + 1
        self._groups[str(group["id"]).lower()] = group

    def states(self, group_id: str) -> tuple[ContainerState, ...]:
        """See Runtime."""
        return tuple(map(self._state, self._groups[group_id]["properties"]["containers"]))

    def logs(self, group_id: str, container: str, tail: int | None) -> str:
        """See Runtime."""
        return f"{container} says hello\n"

    def stop(self, group_id: str) -> None:
        """See Runtime."""

    def address(self, group_id: str) -> Address | None:
        """See Runtime."""
        return None

    def _state(self, container: Mapping[str, Any]) -> ContainerState:
        name, image = container["name"], container["properties"]["image"]
        if image == BAD_IMAGE:
            return ContainerState(name=name, state="Waiting", detail="ImagePullBackOff")
        if image == FAILING_IMAGE:
            self.restarts[name] += 1
            return ContainerState(name=name, state="Waiting", detail="CrashLoopBackOff", restarts=self.restarts[name])
        if name == "init":
            return ContainerState(
                name=name, state="Terminated", detail="Completed", exit_code=0, restarts=self.restarts[name]
            )
        return ContainerState(name=name, state="Running", restarts=self.restarts[name])
