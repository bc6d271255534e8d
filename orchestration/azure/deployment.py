"""One deployment to Azure, from plan to nothing: what the commands call.

Each method may be called again after it was cut short: it goes on where things stand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestration.azure import preflight
from orchestration.azure.clients import Azure
from orchestration.azure.container_group import not_answering, web_address
from orchestration.azure.errors import StoppedError
from orchestration.azure.graph import ROLLED, Options, graph
from orchestration.azure.nodes import Change, Facts, Finding, Node, Reporter, Run, silent
from orchestration.azure.remains import Remains, remains
from orchestration.azure.secret_book import SecretBook
from orchestration.azure.state import DeploymentState
from orchestration.azure.superfluous import IN_NETWORK, beside
from orchestration.deployment.description import Description
from orchestration.deployment.errors import DeploymentError
from orchestration.deployment.workloads import ADMIN_PASSWORD
from personas.errors import FaceProjectError

#: Nodes that are worked on side by side.
SIDE_BY_SIDE: Final = 8


class ApplyError(DeploymentError):
    """Some nodes could not be brought about; what was done stays done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One line of a plan."""

    key: str
    title: str
    finding: Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """problems: what has to be mended before an apply can end well. left: titles of what the description has no more
    and an apply does not delete, for it holds data."""

    steps: tuple[Planned, ...]
    problems: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    @property
    def changes(self) -> tuple[Planned, ...]:
        """What would be done."""
        return tuple(step for step in self.steps if step.finding.change is not Change.UNCHANGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an apply ended with. url: of the web; "" where it has none."""

    done: tuple[Planned, ...]
    url: str
    password: str  #: where the first administrator's password lies, for people


class Deployment:
    """See the module. Raises DeploymentError from every method."""

    def __init__(
        self,
        said: Description,
        *,
        home: Path,
        environment: Mapping[str, str],
        options: Options | None = None,
        report: Reporter = silent,
        ask_web: Callable[[str, str], str] = not_answering,
    ) -> None:
        """home: FACEPROJECT_HOME; environment: of the process, for endpoints; ask_web: see Run.

        Asks who is signed in, and nothing else yet.
        """
        azure = Azure(cloud=said.cloud, subscription=said.subscription, environment=environment)
        facts = Facts()
        self.run = Run(
            description=said,
            azure=azure,
            state=DeploymentState(home / "deployments" / f"{said.name}.json"),
            secrets=SecretBook(azure, facts),
            facts=facts,
            report=report,
            ask_web=ask_web,
        )
        self.nodes = graph(said, azure, options or Options())

    # ---- plan --------------------------------------------------------------------------------------------------------
    def plan(self, *, purge_deleted: bool = False) -> Plan:
        """What an apply would do, and why; changes nothing. purge_deleted: as for `apply`."""
        described = [self._planned(node, finding) for node, finding in self._described()]
        kept = self.remains() if purge_deleted else ()
        deleted = Finding(change=Change.DELETE)
        steps = [Planned(key=each.key, title=each.title, finding=deleted) for each in kept]
        steps += described
        superfluous = beside(self.run, self.nodes).superfluous
        steps += [self._planned(node, deleted) for node in superfluous if not node.keeps_data]
        left = tuple(node.title for node in superfluous if node.keeps_data)
        return Plan(steps=tuple(steps), problems=preflight.problems(self.run, self.nodes, kept), left=left)

    def _described(self) -> Iterator[tuple[Node, Finding]]:
        """Each node with what was found, in order; looked at side by side where nothing hinders."""
        for layer in self._layers():
            with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
                findings = list(pool.map(lambda node: node.describe(self.run), layer))
            yield from zip(layer, findings, strict=True)

    def _layers(self) -> Iterator[list[Node]]:
        """Nodes that need nothing of each other, after those that they need."""
        depth: dict[str, int] = {}
        layers: list[list[Node]] = []
        for node in self.nodes:
            depth[node.key] = 1 + max((depth[need] for need in node.needs), default=-1)
            layers += [[]] if depth[node.key] == len(layers) else []
            layers[depth[node.key]].append(node)
        yield from layers

    @staticmethod
    def _planned(node: Node, finding: Finding) -> Planned:
        return Planned(key=node.key, title=node.title, finding=finding)

    # ---- apply -------------------------------------------------------------------------------------------------------
    def apply(self, *, purge_deleted: bool = False) -> Outcome:
        """Bring everything about, side by side where nothing hinders. purge_deleted: what keeps a name is purged."""
        with self.run.state.locked():
            preflight.register(self.run, self.nodes)
            for _ in self._described():
                pass
            for kept in self.remains() if purge_deleted else ():
                kept.purge(self.run)
            if problems := preflight.problems(self.run, self.nodes):
                raise ApplyError("\n".join(["Nothing was changed. To be mended first:", *(f"- {p}" for p in problems)]))
            done = self._freed(IN_NETWORK)
            done += self._worked_off(self._ensure, side_by_side=SIDE_BY_SIDE)
            return self._ended([*done, *self._freed(("",))])

    def deploy(self) -> Outcome:
        """The chain from the image on, role by role: the next begins when the one before is ready."""
        with self.run.state.locked():
            done = self._worked_off(self._roll, side_by_side=1)
            return self._ended([*done, *self._freed(("group:",))])

    def _ensure(self, node: Node) -> Finding:
        finding = node.ensure(self.run)
        self.run.report(node.key, "unchanged" if finding.change is Change.UNCHANGED else "done")
        return finding

    def _roll(self, node: Node) -> Finding:
        if node.key.startswith(ROLLED):
            return self._ensure(node)
        finding = node.describe(self.run)
        if finding.change is Change.CREATE:
            raise ApplyError(f"There is no {node.title} yet. Run `manage.py provision --apply` first.")
        return Finding(change=Change.UNCHANGED)

    def _freed(self, keys: tuple[str, ...]) -> list[Planned]:
        """Delete what the description has no more and holds no data, of those whose keys begin so."""
        done = []
        for node in beside(self.run, self.nodes).superfluous:
            if node.key.startswith(keys) and not node.keeps_data:
                self._require_going(node)
                self.run.report(node.key, "deleting", "the description has it no more")
                node.delete(self.run)
                done.append(self._planned(node, Finding(change=Change.DELETE)))
        return done

    def _ended(self, done: list[Planned]) -> Outcome:
        host = web_address(self.run.facts.find("group:web") or {})
        vault = str((self.run.facts.find("vault") or {}).get("name", ""))
        place = f"Key Vault {vault}, secret {ADMIN_PASSWORD}: az keyvault secret show --vault-name {vault} --name "
        return Outcome(
            done=tuple(step for step in done if step.finding.change is not Change.UNCHANGED),
            url=f"https://{self.run.description.hostname or host}/" if host else "",
            password=f"{place}{ADMIN_PASSWORD} --query value --output tsv",
        )

    def _worked_off(self, work: Callable[[Node], Finding], *, side_by_side: int) -> list[Planned]:
        """Each node after those it needs. What fails stops what needs it, and nothing else. Raises ApplyError."""
        waiting = {node.key: node for node in self.nodes}
        going: dict[Future[Finding], Node] = {}
        ended: set[str] = set()
        done: list[Planned] = []
        failed: dict[str, FaceProjectError] = {}
        with ThreadPoolExecutor(side_by_side) as pool:
            try:
                while waiting or going:
                    free = [n for n in waiting.values() if ended.issuperset(n.needs)][: side_by_side - len(going)]
                    hindered = self.run.stopping.is_set() or (failed and side_by_side == 1)
                    for node in [] if hindered else free:
                        going[pool.submit(work, waiting.pop(node.key))] = node
                    if not going:
                        break
                    for future in wait(going, return_when=FIRST_COMPLETED).done:
                        node = going.pop(future)
                        try:
                            done.append(self._planned(node, future.result()))
                            ended.add(node.key)
                        except FaceProjectError as error:
                            failed[node.key] = error
                            self.run.report(node.key, "failed", str(error))
            except BaseException:
                self.run.stopping.set()
                raise
        if failed:
            raise ApplyError(_told(failed, waiting))
        for node in waiting.values():
            self._require_going(node)
        return done

    def _require_going(self, node: Node) -> None:
        """Raises StoppedError once somebody ended the command: this node is not begun."""
        if self.run.stopping.is_set():
            raise StoppedError(node.title)

    # ---- destroy -----------------------------------------------------------------------------------------------------
    def standing(self, *, keep_data: bool = False) -> tuple[Node, ...]:
        """What destroy would delete, in its order: what needs others before those."""
        described = [node for node, finding in self._described() if finding.change is not Change.CREATE]
        there = [n for n in reversed(described) if self.run.facts.find(n.key) is not None]
        standing = beside(self.run, self.nodes).with_others(there)
        return tuple(n for n in standing if not (keep_data and n.keeps_data))

    def foreign(self) -> tuple[str, ...]:
        """What destroy would take away with the resource group though others made it, for people."""
        return beside(self.run, self.nodes).foreign

    def remains(self) -> tuple[Remains, ...]:
        """What Azure keeps of what was deleted before, and destroy purges, too; after a look at what is there."""
        return remains(self.run, self.nodes)

    def destroy(self, *, keep_data: bool = False) -> tuple[str, ...]:
        """Delete what this deployment made; titles of what is gone. Raises NotOursError before anything is deleted."""
        with self.run.state.locked():
            gone = []
            for node in self.standing(keep_data=keep_data):
                self._require_going(node)
                if node.delete(self.run):
                    gone.append(node.title)
                    self.run.report(node.key, "deleted")
            if not keep_data:
                for kept in self.remains():  # what was deleted before
                    kept.purge(self.run)
                    gone.append(kept.title)
                self.run.state.forget()
            return tuple(gone)

    def stop(self) -> None:
        """End soon: whatever waits gives up its wait, and says how to go on."""
        self.run.stopping.set()


def _told(failed: Mapping[str, FaceProjectError], waiting: Mapping[str, Node]) -> str:
    lines = [f"- {error}" for error in failed.values()]
    if waiting:
        why = "" if any(isinstance(each, StoppedError) for each in failed.values()) else ", because they need it"
        lines.append(f"Not tried{why}: {', '.join(node.title for node in waiting.values())}.")
    lines.append("What was done stays done. Run the same command again once that is mended: it goes on from here.")
    return "\n".join(lines)
