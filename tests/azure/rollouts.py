"""A store, a workspace of the double, and the roll-out between them, as tests of it need them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from orchestration.azure.clients import Azure
from orchestration.azure.endpoint_probes import EndpointWatch
from orchestration.azure.machine_learning import MachineLearning
from orchestration.azure.machine_learning_bodies import API_VERSION, Release, Target, datastore_body
from orchestration.azure.rollout import Rollout
from orchestration.model_rollout import ModelRollout
from personas.entities import VersionStatus
from personas.store.base import Store
from tests import factories
from tests.azure_double.double import AzureDouble
from tests.azure_double.endpoint_plane import EndpointPlane, plane_of
from tests.azure_double.resources import Resource
from training.deployment import Deployment, deployments

GROUP = f"/subscriptions/{AzureDouble.subscription}/resourceGroups/faceproject"
WORKSPACE = f"{GROUP}/providers/Microsoft.MachineLearningServices/workspaces/learning"
ENDPOINT = "faces-of-ours"
TOKEN = "a token that nobody can guess"
#: So many steps that a roll-out which has not ended by then never will.
MANY = 300


class KilledError(BaseException):
    """The process ends here."""


@dataclass
class World:
    """One installation, and time that passes only when told."""

    store: Store
    double: AzureDouble
    target: Target
    azure: MachineLearning
    now: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC)
    exported: list[Release] = field(default_factory=list)
    revision: int = 0
    n_watch: int = 4  #: requests of a watch

    @property
    def plane(self) -> EndpointPlane:
        """What answers at the endpoint."""
        return plane_of(self.double.world)

    def promote(self, number: int) -> None:
        """Put a version in use; it is made where there is none of that number yet."""
        while (newest := self.store.model_versions(limit=1).items[:1]) == () or newest[0].version < number:
            made = self.store.add_model_version(
                factories.model_version(
                    status=VersionStatus.READY, metrics={"macro_f1": 0.9, "persona": "Ada Lovelace"}
                )
            )
            assert made.version <= number
        switched = self.store.switch_champion(number, expected_revision=self.revision, actor="x", at=self.now)
        assert switched is not None
        self.revision = switched.revision

    def process(self, pause: Callable[[float], bool] | None = None) -> ModelRollout:
        """A dispatcher's, as one process has it."""
        steps = iter(range(MANY))

        def wait(seconds: float) -> bool:
            next(steps)
            return False

        watch = EndpointWatch(
            key=self.azure.key,
            scorer_token=TOKEN,
            ca_bundle=str(self.double.authority.bundle),
            n_watch=self.n_watch,
            pause_seconds=0,
            max_median_seconds=0.25,
        )
        return ModelRollout(
            store=self.store,
            endpoint=ENDPOINT,
            make=lambda require, show: Rollout(azure=self.azure, watch=watch, require=require, show=show),
            export=self.exported.append,
            pause=pause or wait,
            poll_seconds=0.0,
            clock=lambda: self.now,
        )

    def follow(self) -> None:
        """Do all there is to do now."""
        process = self.process()
        if process.is_due():
            process.run()

    def later(self, **passed: float) -> None:
        """Time passes."""
        self.now += timedelta(**passed)

    def record(self, version: int) -> Deployment:
        """Where the version is said to be deployed."""
        return deployments(self.store)[version]

    def routing(self) -> dict[str, int]:
        """Percent of the traffic by version."""
        found = self.azure.look()
        assert found is not None
        return {str(lane.version): lane.share for lane in found.lanes.values()}

    def deployment_of(self, version: int) -> Resource | None:
        """The deployment that serves it."""
        found = self.azure.look()
        lanes = found.lanes.values() if found else ()
        colour = next((lane.colour for lane in lanes if lane.version == version), None)
        return self.double.resources[self.target.deployment_id(colour)] if colour else None


def make_world(store: Store, double: AzureDouble, *, government: bool = False) -> World:
    """With a workspace and its datastore, as provisioning leaves them."""
    double.register_all()
    location = "usgovvirginia" if government else "westeurope"
    azure = Azure(
        cloud="government" if government else "public", subscription=double.subscription, environment=double.environment
    )
    for resource_id, version, body in (
        (GROUP, "2025-04-01", {"location": location}),
        (WORKSPACE, API_VERSION, {"location": location, "properties": {}}),
        (
            f"{WORKSPACE}/datastores/faceproject",
            API_VERSION,
            datastore_body(account="fpshare", share="faceproject", endpoint=_suffix(government), key="c2VjcmV0"),
        ),
    ):
        azure.finished(azure.put(resource_id, version, body), "to set up")
    target = Target(
        workspace=WORKSPACE,
        endpoint=ENDPOINT,
        datastore="faceproject",
        path="media",
        image="registry.example/faceproject:1",
        instance="Standard_DS2_v2",
        instances=1,
        scorer_token=TOKEN,
    )
    return World(store=store, double=double, target=target, azure=MachineLearning(azure, target))


def _suffix(government: bool) -> str:
    return "core.usgovcloudapi.net" if government else "core.windows.net"
