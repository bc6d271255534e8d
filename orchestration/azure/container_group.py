"""A container group as a node: it stands when its containers run, and goes back to what ran before when they do not."""

from __future__ import annotations

import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from orchestration.azure.errors import NotReadyError, RefusedError, StoppedError, lost
from orchestration.azure.nodes import Change, Finding, Run
from orchestration.azure.resource import Resource, constant
from orchestration.deployment.errors import DeploymentError
from orchestration.deployment.workloads import Workload

#: How long a group may take from its PUT to being ready, in seconds; `init` takes in the training set meanwhile.
READY_SECONDS: Final = 900.0
INIT_SECONDS: Final = 6 * 3600.0
#: A container that was restarted so often while it was waited for is not starting, it is failing.
RESTARTS: Final = 3
#: What the platform says of an image that it cannot have.
NO_IMAGE: Final = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "InaccessibleImage"})
#: Lines of a container's log that an error shows.
TAIL: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerGroup:
    """See nodes.Node. private: its address cannot be reached from where this runs."""

    resource: Resource
    workload: Workload
    private: bool

    @property
    def key(self) -> str:
        """See nodes.Node."""
        return self.resource.key

    @property
    def title(self) -> str:
        """See nodes.Node."""
        return self.resource.title

    @property
    def needs(self) -> tuple[str, ...]:
        """See nodes.Node."""
        return self.resource.needs

    @property
    def keeps_data(self) -> bool:
        """Never: what it knows is in the store and on the share."""
        return False

    def describe(self, run: Run) -> Finding:
        """See nodes.Node. An update restarts every container of the group."""
        finding = self.resource.describe(run)
        return replace(finding, restarts=True) if finding.change is Change.UPDATE else finding

    def ensure(self, run: Run) -> Finding:
        """See nodes.Node. Raises NotReadyError, with the group put back to what last ran well where something did; an
        answer that got lost puts nothing back."""
        try:
            finding = self.resource.ensure(run)
            self._until_ready(run)
        except (NotReadyError, RefusedError) as error:
            if not lost(error):
                self._put_back(run, error)
            raise
        run.state.put("good", self.key, self.resource.body(run.facts))
        return finding

    def delete(self, run: Run) -> bool:
        """See nodes.Node."""
        run.state.drop("good", self.key)
        return self.resource.delete(run)

    # ---- readiness ---------------------------------------------------------------------------------------------------
    def _until_ready(self, run: Run) -> None:
        started = time.monotonic()
        limit = INIT_SECONDS if self.workload.role == "init" else READY_SECONDS
        said, restarts = "", dict[str, int]()
        while True:
            waiting = self._look(run, restarts)
            if not waiting:
                return
            if time.monotonic() - started > limit:
                raise NotReadyError(
                    f"{self.title} was not ready after {limit / 60:.0f} minutes: {waiting}.{self._log_of(run)}"
                )
            if waiting != said:
                run.report(self.key, "waiting", waiting)
                said = waiting
            if run.stopping.wait(run.azure.poll_seconds):
                raise StoppedError(self.title)

    def _look(self, run: Run, restarts: dict[str, int]) -> str:
        """As `_not_ready`; when Azure does not answer, that is what is missing."""
        try:
            found = run.azure.get(self.resource.id, self.resource.api_version)
        except DeploymentError as error:
            if lost(error):
                return "Azure does not answer"
            raise
        run.facts.learn(self.key, found)
        return self._not_ready(run, found or {}, restarts)

    def _not_ready(self, run: Run, found: Mapping[str, Any], restarts: dict[str, int]) -> str:
        """What is still missing; "" when the group does its work. Raises NotReadyError when it never will.

        restarts: the fewest that were seen of each container in this wait; Azure counts those of all its life.
        """
        for name, view in views(found):
            if self._stands(view):
                continue
            restarts[name] = min(restarts.get(name, view.restarts), view.restarts)
            ended = view.restarts - restarts[name]
            if ended >= RESTARTS:
                raise NotReadyError(f"{self.title}: {name} ended {ended} times.{self._log_of(run, name)}")
            if view.why in NO_IMAGE:
                raise NotReadyError(
                    f"{self.title}: the image of {name} cannot be pulled ({view.why}). Check the reference, and that "
                    "the registry lets the group in."
                )
            return f"{name} is {view.state.lower()}" + (f" ({view.why})" if view.why else "")
        if not found:
            return "it is not there yet"
        if self.workload.role == "web" and not self.private:
            return run.ask_web(web_address(found), run.azure.ca_bundle)
        return ""

    def _stands(self, view: View) -> bool:
        """Whether a container does its work, or has done it, however often it was started."""
        if self.workload.role == "init":
            return view.state == "Terminated" and view.exit_code == 0
        return view.state == "Running"

    def _log_of(self, run: Run, container: str = "") -> str:
        """The end of a container's log, for an error's message; the product's own logs hold no secret."""
        text = log_tail(run, self, container or self.workload.containers[0].name, lines=TAIL)
        return f" Its log ends with:\n{text}" if text else ""

    # ---- back --------------------------------------------------------------------------------------------------------
    def _put_back(self, run: Run, why: DeploymentError) -> None:
        """Bring back what last ran well; nothing where nothing did, or where it still runs. Raises NotReadyError, which
        tells why."""
        before = run.state.get("good", self.key)
        if not before:
            return
        earlier = replace(self.resource, body=constant(before))
        run.report(self.key, "putting back")
        try:
            if earlier.ensure(run).change is Change.UNCHANGED:
                return
            self._until_ready(run)
        except DeploymentError as error:
            raise NotReadyError(f"{why} It could not be put back to what ran before: {error}") from why
        raise NotReadyError(f"{why} It was put back to what ran before.") from why


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A container as the platform sees it. state: "Waiting", "Running", "Terminated"."""

    state: str
    why: str
    exit_code: int | None
    restarts: int


def views(found: Mapping[str, Any]) -> Iterator[tuple[str, View]]:
    """By container, in the group's order."""
    for container in found.get("properties", {}).get("containers", ()):
        view = container.get("properties", {}).get("instanceView") or {}
        current = view.get("currentState") or {}
        yield (
            container["name"],
            View(
                state=current.get("state") or "Waiting",
                why=current.get("detailStatus") or "",
                exit_code=current.get("exitCode"),
                restarts=int(view.get("restartCount") or 0),
            ),
        )


def web_address(found: Mapping[str, Any]) -> str:
    """Where the web group is reached; "" while it has no address."""
    address = found.get("properties", {}).get("ipAddress") or {}
    return str(address.get("fqdn") or address.get("ip") or "")


def not_answering(host: str, ca_bundle: str) -> str:
    """ "" when `/healthz` answers over TLS; else what went wrong."""
    if not host:
        return "it has no address yet"
    trust = ssl.create_default_context(cafile=ca_bundle or None)
    try:
        with urllib.request.urlopen(f"https://{host}/healthz", timeout=10, context=trust):
            return ""
    except urllib.error.HTTPError as error:
        return f"https://{host}/healthz answers {error.code}"
    except (OSError, ValueError) as error:
        return f"https://{host}/healthz does not answer yet ({getattr(error, 'reason', error)})"


def log_tail(run: Run, group: ContainerGroup, container: str, *, lines: int) -> str:
    """The end of a container's log; "" where there is none."""
    from azure.mgmt.containerinstance import ContainerInstanceManagementClient

    client = run.azure.client(ContainerInstanceManagementClient)
    parts = group.resource.id.split("/")
    read: Callable[[], Any] = lambda: client.containers.list_logs(parts[4], parts[-1], container, tail=lines)  # noqa: E731
    try:
        return str(run.azure.ask(read, f"to show the log of {container}").content or "").strip()
    except DeploymentError:  # a group that never ran has no log, and its error is the one to show
        return ""
