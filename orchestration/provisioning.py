"""What the commands `provision`, `status`, `cost`, `destroy` and `deploy --target azure` call: one function each.

The description is read, the deployment works, and what comes back can be shown or printed as JSON. It holds no secret.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from orchestration.deployment.description import NO_SUBSCRIPTION, Description, load
from orchestration.deployment.errors import DeploymentError, DescriptionError

if TYPE_CHECKING:
    from orchestration.azure.cost import Estimate, Priced
    from orchestration.azure.deployment import Deployment, Outcome, Planned
    from orchestration.azure.image import Build
    from orchestration.azure.nodes import Reporter


class NotConfirmedError(DeploymentError):
    """Somebody has to say yes first."""


def plan(config: Path, *, changes: Mapping[str, Any], report: Reporter, purge_deleted: bool = False) -> dict[str, Any]:
    """What `provision --apply` would do. exit_code: 0 nothing, 2 something (1 is an error, as everywhere)."""
    found = _deployment(load(config, **changes), report=report).plan(purge_deleted=purge_deleted)
    steps = [_step(each) for each in found.steps]
    code = 1 if found.problems else 2 if found.changes else 0
    return {"steps": steps, "problems": list(found.problems), "left": list(found.left), "exit_code": code}


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


def cost(
    config: Path, *, usage: Mapping[str, float | None], prices: Path | None = None, refresh: bool = False
) -> dict[str, Any]:
    """What a month costs; asks for prices, and nothing of the subscription. usage: by the names of `meters.Usage`.

    prices: a file in place of the API; refresh: ask the API although it was asked today. exit_code: 3 when something
    has no price, so that the sums lack it.
    """
    from orchestration.azure import cost as costs
    from orchestration.azure import prices as price_lists
    from orchestration.azure.meters import Usage

    said, used = load(config), Usage(**usage)
    nodes = costs.nodes_of(said, os.environ)
    if prices is not None:
        listed = price_lists.read(prices)
    else:
        listed = price_lists.current(
            costs.filters(said, nodes, used),
            home=Path(settings.FACEPROJECT_HOME),
            location=said.location,
            environment=os.environ,
            now=datetime.now(UTC),
            refresh=refresh,
        )
    return _estimate(costs.estimate(said, nodes, used, listed))


def standing(config: Path, *, keep_data: bool, report: Reporter) -> dict[str, Any]:
    """What destroy would delete, and the name that confirms it."""
    said = load(config)
    deployment = _deployment(said, report=report)
    titles = [node.title for node in deployment.standing(keep_data=keep_data)]
    titles += [] if keep_data else [*deployment.foreign(), *(kept.title for kept in deployment.remains())]
    return {"name": said.name, "resources": titles}


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


def _estimate(found: Estimate) -> dict[str, Any]:
    return {
        "lines": [_line(each) for each in found.lines],
        "least": round(found.least, 2),
        "most": round(found.most, 2),
        "lacking": [f"{each.resource}, {each.what}" for each in found.lacking],
        "not_counted": list(found.not_counted),
        "currency": found.prices.currency,
        "prices_of": found.prices.fetched.date().isoformat(),
        "prices_from": found.prices.place,
        "exit_code": 3 if found.lacking else 0,
    }


def _line(each: Priced) -> dict[str, Any]:
    """Amounts are null where there is no price."""
    return {
        "resource": each.resource,
        "what": each.what,
        "meter": each.meter,
        "unit": each.unit,
        "least_quantity": round(each.least, 3),
        "most_quantity": round(each.most, 3),
        "unit_prices": [{"from": band.start, "price": band.price} for band in each.bands],
        "least": None if each.trouble else round(each.least_amount, 2),
        "most": None if each.trouble else round(each.most_amount, 2),
        "trouble": each.trouble,
    }


@contextmanager
def _stopped_by_signal(deployment: Deployment) -> Iterator[None]:
    """SIGTERM and Ctrl-C end it between two requests; what is in flight is written down already.

    A second one ends the process at once, as a kill would, which loses nothing either.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: object) -> None:
        for each in before:
            signal.signal(each, signal.SIG_DFL)
        deployment.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
