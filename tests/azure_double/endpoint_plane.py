"""What answers behind online endpoints: routes by traffic or by header, to a scorer for each version."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from tests.azure_double.https import Answer, Request
from tests.azure_double.resources import Resource

if TYPE_CHECKING:
    from tests.azure_double.world import World

HEADER = "azureml-model-deployment"
#: Any number without a common factor with 100: each hundred requests are spread as the percentages say.
SPREAD = 37
Scorer = Callable[[Request], Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Misbehaviour:
    """stage: "direct" (no traffic yet), "mirrored", "partial" or "full"; "" always. kind: "500", "slow", "version"."""

    stage: str
    kind: str

    def strikes(self, share: int, mirrored: int) -> bool:
        """Whether it does, by the traffic of the deployment."""
        now = "full" if share == 100 else "partial" if share else "mirrored" if mirrored else "direct"
        return self.stage in ("", now)


@dataclass(slots=True)
class EndpointPlane:
    """All endpoints of one double. `scorers` by version are asked in place of a plain answer."""

    misbehaves: dict[int, Misbehaviour] = field(default_factory=dict)  #: by version
    does_not_start: dict[int, str] = field(default_factory=dict)  #: versions whose deployment fails, and what is said
    scorers: dict[int, Scorer] = field(default_factory=dict)
    routings: list[tuple[dict[str, int], dict[str, int]]] = field(default_factory=list)  #: traffic, mirrored; in order
    answered: Counter[tuple[int, str]] = field(default_factory=Counter)  #: version, "live" or "direct" or "mirrored"
    bodies: list[bytes] = field(default_factory=list)  #: of requests, as they came
    slow_seconds: float = 0.3
    _requests: int = 0

    def routed(self, traffic: Mapping[str, int], mirror: Mapping[str, int]) -> None:
        """The routing has become this."""
        now = ({name: n for name, n in traffic.items() if n}, {name: n for name, n in mirror.items() if n})
        if not self.routings or self.routings[-1] != now:
            self.routings.append(now)

    @staticmethod
    def version_of(deployment: Resource) -> int:
        """Of its model, as it was registered."""
        return int(deployment.hidden["model"]["properties"]["version"])

    def answer(self, endpoint: Resource, request: Request) -> Answer:
        """One request to an endpoint."""
        if request.headers.get("authorization") not in {f"Bearer {key}" for key in endpoint.hidden["keys"]}:
            return Answer(status=401)
        self.bodies.append(request.body)
        from tests.azure_double.kinds.machine_learning import DEPLOYMENTS

        world = next(world for world, plane in _PLANES.items() if plane is self)
        with world.lock:
            known = {each.name: each for each in world.resources.of_type(DEPLOYMENTS, endpoint.id)}
            traffic, mirror = (dict(endpoint.properties[name]) for name in ("traffic", "mirrorTraffic"))
            self._requests += 1
            place = self._requests * SPREAD % 100
        asked = request.headers.get(HEADER)
        name = asked or _at(place, traffic)
        if name not in known or known[name].state != "Succeeded":
            return Answer(status=404 if asked else 503)
        if not asked and (copied := _at(place, mirror)) is not None:
            self._answered(known[copied], request, traffic, mirror, "mirrored")
        answer = self._answered(known[name], request, traffic, mirror, "direct" if asked else "live")
        return Answer(status=answer.status, headers={HEADER: name}, content=answer.content, body=answer.body)

    def _answered(
        self, deployment: Resource, request: Request, traffic: Mapping[str, int], mirror: Mapping[str, int], how: str
    ) -> Answer:
        version = self.version_of(deployment)
        self.answered[version, how] += 1
        wanted: Any = deployment.properties["environmentVariables"]["SCORER_TOKEN"]
        if request.headers.get("x-scorer-token") != wanted:
            return Answer(status=401)
        fault = self.misbehaves.get(version)
        struck = fault is not None and fault.strikes(traffic.get(deployment.name, 0), mirror.get(deployment.name, 0))
        if fault is not None and struck:
            if fault.kind == "500":
                return Answer(status=500)
            if fault.kind == "slow":
                time.sleep(self.slow_seconds)
        if scorer := self.scorers.get(version):
            return scorer(request)
        said = version - 1 if fault is not None and struck and fault.kind == "version" else version
        return Answer(content={"version": said, "embedder": request.json()["embedder"], "results": []})


def _at(place: int, shares: Mapping[str, int]) -> str | None:
    """Whose share of a hundred a place lies in."""
    for name, share in shares.items():
        if place < share:
            return name
        place -= share
    return None


_PLANES: WeakKeyDictionary[World, EndpointPlane] = WeakKeyDictionary()


def plane_of(world: World) -> EndpointPlane:
    """That of a double; tests script it."""
    return _PLANES.setdefault(world, EndpointPlane())
