"""How a deployment is: each resource's state, each container's, and whether the web answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from orchestration.azure.container_group import ContainerGroup, View, log_tail, views, web_address
from orchestration.azure.deployment import Deployment
from orchestration.azure.nodes import Change, Run
from orchestration.azure.resource import BAD, STILL, state_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One resource. state: Azure's word, or "missing"; healthy: it does what it is for; log: its end, if asked."""

    title: str
    state: str
    healthy: bool
    detail: str = ""
    log: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """url: of the web; "" where it has none."""

    rows: tuple[Row, ...]
    url: str

    @property
    def healthy(self) -> bool:
        """All are."""
        return all(row.healthy for row in self.rows)


def status(deployment: Deployment, *, log_lines: int = 0) -> Status:
    """Ask for everything, for groups a second time; changes nothing. log_lines: of each container, 0 for none."""
    run = deployment.run
    plan = {step.key: step.finding for step in deployment.plan().steps}
    rows: list[Row] = []
    for node in deployment.nodes:
        found = run.facts.find(node.key)
        if isinstance(node, ContainerGroup):
            rows.append(_group(run, node, log_lines))
        elif found is None or "id" not in found:
            missing = plan[node.key].change not in {Change.UNCHANGED, Change.UPDATE}
            rows.append(Row(title=node.title, state="missing" if missing else "there", healthy=not missing))
        else:
            state = state_of(found) or "there"
            rows.append(Row(title=node.title, state=state, healthy=state not in BAD | STILL))
    return Status(rows=tuple(rows), url=_url(run))


def _url(run: Run) -> str:
    host = web_address(run.facts.find("group:web") or {})
    return f"https://{run.description.hostname or host}/" if host else ""


def _group(run: Run, node: ContainerGroup, log_lines: int) -> Row:
    found = run.azure.get(node.resource.id, node.resource.api_version)
    if found is None:
        return Row(title=node.title, state="missing", healthy=False)
    seen = dict(views(found))
    ended = node.workload.role == "init"
    well = all(view.exit_code == 0 if ended else view.state == "Running" for view in seen.values())
    parts = [_told(name, view) for name, view in seen.items()]
    if node.workload.role == "web" and not node.private and well:
        trouble = run.ask_web(web_address(found), run.azure.ca_bundle)
        well = not trouble
        parts.append(trouble or "answers")
    log = "\n".join(_logs(run, node, log_lines)) if log_lines else ""
    return Row(title=node.title, state=state_of(found), healthy=well, detail="; ".join(parts), log=log)


def _told(name: str, view: View) -> str:
    restarts = f", {view.restarts} restarts" if view.restarts else ""
    code = f" with {view.exit_code}" if view.exit_code is not None else ""
    return f"{name} {view.state.lower()}{code}{f' ({view.why})' if view.why else ''}{restarts}"


def _logs(run: Run, node: ContainerGroup, lines: int) -> Iterator[str]:
    for container in node.workload.containers:
        if text := log_tail(run, node, container.name, lines=lines):
            yield f"{container.name}:\n{text}"
