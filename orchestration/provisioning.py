"""What the commands `provision`, `status`, `destroy` and `deploy --target azure` call: one function each.

The description is read, the deployment works, and what comes back can be shown or printed as JSON. It holds no secret.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from orchestration.deployment.description import NO_SUBSCRIPTION, Description, load
from orchestration.deployment.errors import DeploymentError, DescriptionError

if TYPE_CHECKING:
    from orchestration.azure.deployment import Deployment, Outcome, Planned
    from orchestration.azure.image import Build
    from orchestration.azure.nodes import Reporter


class NotConfirmedError(DeploymentError):
    """Somebody has to say yes first."""


def plan(config: Path, *, changes: Mapping[str, Any], report: Reporter) -> dict[str, Any]:
    """What `provision --apply` would do. exit_code: 0 nothing, 2 something (1 is an error, as everywhere)."""
    found = _deployment(load(config, **changes), report=report).plan()
    steps = [_step(each) for each in found.steps]
    code = 1 if found.problems else 2 if found.changes else 0
    return {"steps": steps, "problems": list(found.problems), "exit_code": code}


def apply(
    config: Path, *, changes: Mapping[str, Any], report: Reporter, build: Build = "acr", purge_deleted: bool = False
) -> dict[str, Any]:
    """The whole chain."""
    deployment = _deployment(load(config, **changes), report=report, build=build)
    with _stopped_by_signal(deployment):
        return _outcome(deployment.apply(purge_deleted=purge_deleted))


def deploy(config: Path, *, changes: Mapping[str, Any], report: Reporter, build: Build = "acr") -> dict[str, Any]:
    """The chain from the image on, role by role."""
    deployment = _deployment(load(config, **changes), report=report, build=build)
    with _stopped_by_signal(deployment):
        return _outcome(deployment.deploy())


def status(config: Path, *, report: Reporter, log_lines: int = 0) -> dict[str, Any]:
    """How everything is. exit_code: 0 all healthy, 3 something is not."""
    from orchestration.azure.status import status as ask

    found = ask(_deployment(load(config), report=report), log_lines=log_lines)
    rows = [
        {"title": row.title, "state": row.state, "healthy": row.healthy, "detail": row.detail, "log": row.log}
        for row in found.rows
    ]
    return {"rows": rows, "url": found.url, "healthy": found.healthy, "exit_code": 0 if found.healthy else 3}


def standing(config: Path, *, keep_data: bool, report: Reporter) -> dict[str, Any]:
    """What destroy would delete, and the name that confirms it."""
    said = load(config)
    nodes = _deployment(said, report=report).standing(keep_data=keep_data)
    return {"name": said.name, "resources": [node.title for node in nodes]}


def destroy(config: Path, *, keep_data: bool, confirmed: str, report: Reporter) -> dict[str, Any]:
    """Delete it. confirmed: the deployment's name, as typed. Raises NotConfirmedError."""
    said = load(config)
    if confirmed != said.name:
        raise NotConfirmedError(f"Nothing was deleted: {confirmed!r} is not the deployment's name, {said.name!r}.")
    deployment = _deployment(said, report=report)
    with _stopped_by_signal(deployment):
        return {"deleted": list(deployment.destroy(keep_data=keep_data))}


def _deployment(said: Description, *, report: Reporter, build: Build = "acr") -> Deployment:
    from orchestration.azure.deployment import Deployment
    from orchestration.azure.graph import Options

    _require_packages()
    if said.subscription == NO_SUBSCRIPTION:
        raise DescriptionError(
            "`subscription` is still the example's. Set it to yours: `az account show --query id` prints it."
        )
    return Deployment(
        said, home=Path(settings.FACEPROJECT_HOME), environment=os.environ, options=Options(build=build), report=report
    )


def _require_packages() -> None:
    """The image has what its roles need of Azure, and not the rest. Raises MissingPackageError."""
    from orchestration.azure.api import PROVIDERS
    from orchestration.azure.errors import MissingPackageError

    for name in (*PROVIDERS, "azure.keyvault.secrets"):
        try:
            found = find_spec(name)
        except ModuleNotFoundError:  # not even what it lies in
            found = None
        if found is None:
            raise MissingPackageError(name)


def _step(each: Planned) -> dict[str, Any]:
    finding = each.finding
    return {
        "key": each.key,
        "title": each.title,
        "change": finding.change.value,
        "reasons": list(finding.reasons),
        "restarts": finding.restarts,
    }


def _outcome(found: Outcome) -> dict[str, Any]:
    return {"done": [_step(each) for each in found.done], "url": found.url, "password": found.password}


@contextmanager
def _stopped_by_signal(deployment: Deployment) -> Iterator[None]:
    """SIGTERM and the first Ctrl-C end it between two requests; what is in flight is written down already."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: object) -> None:
        deployment.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
