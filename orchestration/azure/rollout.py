"""Blue/green: a version comes into use at an online endpoint step by step, and goes back where it does not do well.

    deployed, 0 %  ->  asked directly  ->  10 % mirrored  ->  10 %  ->  100 %  ->  watched, then it serves

Each step looks at what Azure says and makes one change at most, so whoever was killed between two steps, or in the
middle of one, is followed by whoever looks next. A watch that was cut short begins anew. Nothing is remembered here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from orchestration.azure.endpoint_probes import Watch
from orchestration.azure.machine_learning import Lane, MachineLearning, Seen
from orchestration.azure.machine_learning_bodies import BLUE, GREEN, Release
from orchestration.azure.resource import BAD
from orchestration.deployment.errors import DeploymentError

#: Percent of the requests that are copied to the new one first, and that it answers next.
MIRRORED: Final = 10
PARTIAL: Final = 10


class RolloutFailedError(DeploymentError):
    """A version does not do well; the message is the reason, for people."""


class Outcome(Enum):
    """What a step left."""

    BUSY = auto()  #: Azure is at work; look again after a while
    CONFIRMED = auto()  #: it serves, and was watched doing so
    STANDS = auto()  #: nothing is to be done


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """The steps of one endpoint. require: raises where another process has taken over; asked before each change."""

    azure: MachineLearning
    watch: Watch
    require: Callable[[], None]
    show: Callable[[Seen], None]  #: told what is seen, before a step

    def forward(self, release: Release, export: Callable[[], None], *, confirmed: bool, retire: bool) -> Outcome:
        """One step towards this version.

        confirmed: it was watched at 100 % before. retire: what it took over from may go. Raises RolloutFailedError,
        RefusedError, UnreachableError.
        """
        seen = self.azure.look()
        if seen is None:
            self.require()
            self.azure.require_datastore()
            self.azure.create_endpoint()
            return Outcome.BUSY
        self.show(seen)
        if seen.busy:
            return Outcome.BUSY
        lane = seen.lane_of(release)
        if lane is None:
            return self._deploy(seen, release, export)
        if seen.state in BAD:
            raise RolloutFailedError(f"The last change of the endpoint ended as {seen.state}.")
        if lane.state in BAD:
            raise RolloutFailedError(
                f"Its deployment {lane.colour} ended as {lane.state}; the deployment's log says why"
            )
        if lane.share == 100:
            return self._serving(seen, lane, release, confirmed=confirmed, retire=retire)
        return self._more(seen, lane, release)

    def back(self, release: Release) -> Outcome:
        """One step away from this version: its traffic to the other one, then its deployment away."""
        seen = self.azure.look()
        if seen is None:
            return Outcome.STANDS
        self.show(seen)
        if seen.busy:
            return Outcome.BUSY
        lane = seen.lane_of(release)
        if lane is not None and lane.used:
            other = seen.beside(lane.colour)
            self.require()
            self.azure.set_traffic(seen, {other.colour: 100} if other and other.state not in BAD else {})
        elif lane is not None:
            self.require()
            self.azure.delete_deployment(lane.colour)
        elif seen.state in BAD:  # the routing is right, and its next change shall not fail for an earlier one
            self.require()
            self.azure.set_traffic(seen, {each.colour: each.share for each in seen.lanes.values()})
        else:
            return Outcome.STANDS
        return Outcome.BUSY

    def _deploy(self, seen: Seen, release: Release, export: Callable[[], None]) -> Outcome:
        live = _live(seen)
        colour = GREEN if live is not None and live.colour == BLUE else BLUE
        self.require()
        if colour in seen.lanes and live is not None and seen.lanes[colour].used:
            self.azure.set_traffic(seen, {live.colour: 100})  # an earlier version was on its way
        elif colour in seen.lanes:
            self.azure.delete_deployment(colour)
        else:
            self.azure.register(release, export)
            self.azure.require_environment()
            self.require()
            self.azure.create_deployment(colour, release)
        return Outcome.BUSY

    def _more(self, seen: Seen, lane: Lane, release: Release) -> Outcome:
        """From 0 to mirrored, from mirrored to 10 %, from 10 to 100 %."""
        mirror: dict[str, int] = {}
        other = seen.beside(lane.colour)
        before = other if other is not None and other.share else None
        if lane.share > PARTIAL or (lane.share and before is None):
            traffic = {lane.colour: 100}  # it served until another version was on its way
        elif lane.share:
            self._watched(seen, lane, release, "at 10 % of the traffic")
            traffic = {lane.colour: 100}
        elif lane.mirrored and before is not None:
            self._watched(seen, lane, release, "with mirrored traffic")
            traffic = {before.colour: 100 - PARTIAL, lane.colour: PARTIAL}
        else:
            if problem := self.watch.smoke(seen, lane, release):
                raise RolloutFailedError(f"Asked directly, before it had traffic: {problem}")
            if before is None:
                traffic = {lane.colour: 100}
            else:
                traffic, mirror = {before.colour: 100}, {lane.colour: MIRRORED}
        self.require()
        self.azure.set_traffic(seen, traffic, mirror)
        return Outcome.BUSY

    def _serving(self, seen: Seen, lane: Lane, release: Release, *, confirmed: bool, retire: bool) -> Outcome:
        other = seen.beside(lane.colour)
        if other is not None and other.used:  # it was on its way when this one was put in use again
            self.require()
            self.azure.set_traffic(seen, {lane.colour: 100})
            return Outcome.BUSY
        if not confirmed:
            self._watched(seen, lane, release, "with all the traffic")
            return Outcome.CONFIRMED
        if other is not None and retire:
            self.require()
            self.azure.delete_deployment(other.colour)
            return Outcome.BUSY
        return Outcome.STANDS

    def _watched(self, seen: Seen, lane: Lane, release: Release, where: str) -> None:
        if problem := self.watch.watch(seen, lane, release):
            raise RolloutFailedError(f"Watched {where}: {problem}")


def _live(seen: Seen) -> Lane | None:
    """The one that answers most."""
    return max((lane for lane in seen.lanes.values() if lane.share), key=lambda lane: lane.share, default=None)
