"""Where versions are deployed, as whoever rolls them out recorded it: read by pages, the API and commands.

One job record holds it all, so it lies in either store by means that are there. What it says is what the endpoint
said when it was last looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from personas.entities import Job
from personas.store.base import Store

#: Id of the job record, and the kind of that job.
DEPLOYMENT_JOB: Final = "model-deployment"
DEPLOYMENT_KIND: Final = "deploy"
#: Versions that the record keeps: the newest.
MAX_KEPT: Final = 20
FOLLOWED_BY_SCORER: Final = "The scorer follows the version in use."


class DeploymentState(StrEnum):
    """How the deployment of a version stands."""

    ROLLING_OUT = "rolling_out"
    SERVING = "serving"
    STANDING_BY = "standing_by"  #: deployed and without traffic, to go back to
    RETIRED = "retired"  #: was on its way or served, and is deployed no more
    FAILED = "failed"  #: taken back; `reason` says why


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A version at an endpoint."""

    version: int
    endpoint: str
    state: DeploymentState
    since: datetime  #: when it came to be as it is
    name: str = ""  #: of the endpoint's deployment, "blue" or "green"; "": there is none yet
    traffic: int = 0  #: percent of the answers
    mirrored: int = 0  #: percent of the requests copied to it, whose answers nobody gets
    reason: str = ""  #: why it was taken back
    attempts: int = 0  #: that failed since it was put in use
    revision: int = 0  #: of the champion pointer it was rolled out for

    @property
    def sentence(self) -> str:
        """For people; no names of people in it."""
        place = f"Azure ML: endpoint {self.endpoint}" + (f", deployment {self.name}" if self.name else "")
        since = f"since {self.since:%Y-%m-%d %H:%M} UTC"
        match self.state:
            case DeploymentState.FAILED:
                return f"Azure ML: not deployed at {self.endpoint} ({self.since:%Y-%m-%d %H:%M} UTC). {self.reason}"
            case DeploymentState.RETIRED:
                return f"Azure ML: deployed at {self.endpoint} no more, {since}."
            case DeploymentState.STANDING_BY:
                return f"{place}, 0 % {since}, to go back to."
            case DeploymentState.SERVING:
                return f"{place}, {self.traffic} % {since}."
        mirrored = f" and {self.mirrored} % mirrored" if self.mirrored else ""
        return f"{place}, {self.traffic} %{mirrored}, being rolled out {since}."


def deployments(store: Store) -> dict[int, Deployment]:
    """By version; empty where nothing was ever rolled out."""
    return recorded_in(store.job(DEPLOYMENT_JOB))


def recorded_in(job: Job | None) -> dict[int, Deployment]:
    """What the record says."""
    said: Mapping[str, Mapping[str, Any]] = job.detail.get("versions", {}) if job else {}
    return {int(number): _read(int(number), each) for number, each in said.items()}


def to_detail(known: Mapping[int, Deployment]) -> dict[str, Any]:
    """The detail of the job record that says this."""
    kept = sorted(known, reverse=True)[:MAX_KEPT]
    return {"versions": {str(number): _written(known[number]) for number in kept}}


def told(version: int, known: Mapping[int, Deployment], *, is_champion: bool) -> str:
    """Where a version is deployed, for people; "" where it is nowhere and never was."""
    if version in known:
        return known[version].sentence
    return FOLLOWED_BY_SCORER if is_champion and not known else ""


def changed(before: Deployment | None, after: Deployment) -> Deployment:
    """`after`, with the time of `before` where nothing but the time is different."""
    return before if before is not None and replace(after, since=before.since) == before else after


def _written(deployment: Deployment) -> dict[str, Any]:
    said = asdict(deployment) | {"state": deployment.state.value, "since": deployment.since.isoformat()}
    del said["version"]
    return said


def _read(version: int, said: Mapping[str, Any]) -> Deployment:
    return Deployment(
        **{
            **said,
            "version": version,
            "state": DeploymentState(said["state"]),
            "since": datetime.fromisoformat(said["since"]),
        }
    )
