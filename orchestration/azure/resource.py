"""A resource of Azure as a node of the graph: one PUT by id, whatever its kind."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from orchestration.azure import comparison
from orchestration.azure.clients import LOOK_SECONDS
from orchestration.azure.errors import NotOursError, RefusedError, StoppedError, lost
from orchestration.azure.nodes import OURS_TAG, Body, Change, Facts, Finding, MissingFactError, Run, reasons_of
from orchestration.azure.secret_book import SPEC_KEY
from orchestration.deployment.errors import DeploymentError

if TYPE_CHECKING:
    from azure.core.polling import LROPoller

#: Provisioning states that last. Anything else goes on by itself; a kind without one is done when it is there.
GOOD: Final = frozenset({"succeeded", "ready", "online", ""})
BAD: Final = frozenset({"failed", "canceled", "cancelled", "deletefailed"})
#: States of a server that last, and in which it can neither be used nor changed.
#: https://learn.microsoft.com/azure/postgresql/flexible-server/concepts-servers
STILL: Final = frozenset({"stopped", "disabled", "inaccessible"})
#: How long a state that should pass by itself is waited for, in seconds.
SETTLE_SECONDS: Final = 3600.0
Hook = Callable[[Run, Mapping[str, Any]], None]


def _nothing(run: Run, body: Mapping[str, Any]) -> None:
    """No hook."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """body: what it should be, secrets by name, from the facts known so far.

    sent: what a PUT says beside the body and a GET does not tell. replaced_on: patterns of property paths that cannot
    be changed in place. replaced_if_failed: one that failed to be made cannot be mended either. part_of: it comes and
    goes with that one, and cannot be deleted by itself. tagged: it can carry tags, and what does not carry ours is left
    alone. started_by: the command that starts it when it is stopped. deleted_with: what a DELETE says beside its id, so
    that nothing of it keeps its name. seen: asks for what else others want to know, each time it was
    found well. going: takes away what would hinder its deletion; gone: cleans up once it is deleted.
    """

    key: str
    title: str
    id: str
    api_version: str
    body: Body
    needs: tuple[str, ...] = ()
    keeps_data: bool = False
    tagged: bool = True
    sent: Mapping[str, Any] = field(default_factory=dict)
    part_of: str = ""
    replaced_on: tuple[str, ...] = ()
    replaced_if_failed: bool = False
    started_by: str = ""
    deleted_with: Mapping[str, str] = field(default_factory=dict)
    seen: Hook = _nothing
    going: Hook = _nothing
    gone: Hook = _nothing

    # ---- look --------------------------------------------------------------------------------------------------------
    def describe(self, run: Run) -> Finding:
        """See nodes.Node. Raises NotOursError."""
        found = run.azure.get(self.id, self.api_version)
        run.facts.learn(self.key, found)
        return self._judged(run, found)

    def _judged(self, run: Run, found: Mapping[str, Any] | None) -> Finding:
        if found is None:
            return Finding(change=Change.CREATE)
        self._require_ours(run, found)
        if state_of(found) in GOOD:
            self.seen(run, found)
        try:
            return self._compared(run, found)
        except MissingFactError as error:
            return Finding(change=Change.UNKNOWN, reasons=(str(error),))

    def _compared(self, run: Run, found: Mapping[str, Any]) -> Finding:
        state = state_of(found)
        if state in STILL:
            start = f" Start it: {self.started_by}" if state == "stopped" and self.started_by else ""
            return Finding(change=Change.UNKNOWN, reasons=(f"{self.title}: it is {state}.{start}",))
        failed = (f"its last operation ended as {state}",) if state in BAD else ()
        differing = comparison.differences(self._wanted(run), found)
        if not differing and not failed:
            return Finding(change=Change.UNCHANGED)
        shown = [each for each in differing if each.path != f"tags.{comparison.DIGEST_TAG}"]
        reasons = (*failed, *(reasons_of(shown) if shown or failed else ("a secret of it changed",)))
        fixed = any(fnmatchcase(each.path, pattern) for each in differing for pattern in self.replaced_on)
        if fixed and self.keeps_data:
            reasons = (*reasons, "it holds data and cannot be changed in place: an apply refuses this")
        replaced = fixed or bool(failed and self.replaced_if_failed)
        return Finding(change=Change.REPLACE if replaced else Change.UPDATE, reasons=reasons)

    def _wanted(self, run: Run) -> dict[str, Any]:
        """The body with our tags; with the digest of its secrets where it has some."""
        body = self.body(run.facts)
        if self.tagged:
            tags = {OURS_TAG: run.description.name}
            if comparison.secrets_in(body):
                key = run.secrets.value(SPEC_KEY)
                tags[comparison.DIGEST_TAG] = comparison.digest(body, run.secrets.value, key=key)
            body = body | {"tags": body.get("tags", {}) | tags}
        return body

    def _require_ours(self, run: Run, found: Mapping[str, Any]) -> None:
        tags = found.get("tags") or {}
        if self.tagged and tags.get(OURS_TAG) != run.description.name:
            raise NotOursError(
                f"There is a {self.title} already which this deployment did not make: it has no tag {OURS_TAG} = "
                f"{run.description.name!r}. It is left alone. Choose another name, or tag it so if it is yours to give."
            )

    # ---- bring about -------------------------------------------------------------------------------------------------
    def ensure(self, run: Run) -> Finding:
        """See nodes.Node. A change that follows from the resource's own answer (an address) is made at once."""
        if run.stopping.is_set():
            raise StoppedError(self.title)
        self._go_on(run)
        done = Finding(change=Change.UNCHANGED)
        for _ in range(2):
            finding = self._judged(run, run.facts.find(self.key))
            if finding.change is Change.UNKNOWN:
                raise MissingFactError("; ".join(finding.reasons))
            if finding.change is Change.UNCHANGED:
                break
            if finding.change is Change.REPLACE and self.keeps_data:
                raise DeploymentError(
                    f"The {self.title} holds data and cannot be changed in place ({finding.reasons[0]}). Put the old "
                    "value back into the description; or copy its data, and delete it yourself first."
                )
            if finding.change is Change.REPLACE:
                run.report(self.key, "deleting", "it cannot be changed in place")
                run.azure.delete(self.id, self.api_version, **self.deleted_with)
            self.send(run, self._wanted(run), "creating" if finding.change is not Change.UPDATE else "updating")
            done = finding if done.change is Change.UNCHANGED else done
        return done

    def send(self, run: Run, wanted: Mapping[str, Any], what: str) -> None:
        """PUT, and wait. The operation is written down before the wait: a run after a kill goes on with it."""
        run.report(self.key, what)
        body = comparison.filled(merged(wanted, self.sent), run.secrets.value)
        poller = run.azure.put(self.id, self.api_version, body)
        if not poller.done():
            run.state.put("in_flight", self.key, poller.continuation_token())
        ended(run, poller, key=self.key, title=self.title, doing=f"to bring about the {self.title}")
        self._settled(run)

    def _go_on(self, run: Run) -> None:
        """What an earlier run left in flight is waited for, not sent again."""
        token = run.state.get("in_flight", self.key)
        if token:
            run.report(self.key, "waiting", "an earlier run began it")
            try:
                poller = run.azure.put_goes_on(self.id, self.api_version, token)
                ended(run, poller, key=self.key, title=self.title, doing=f"to go on with {self.title}")
            except RefusedError as error:
                if lost(error):
                    raise
                run.report(self.key, "waiting", f"what an earlier run began did not end well ({error.code})")
                run.state.drop("in_flight", self.key)
        self._settled(run)

    def _settled(self, run: Run) -> None:
        """Wait while it is on its way to a state that lasts."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            found = run.azure.get(self.id, self.api_version)
            run.facts.learn(self.key, found)
            if found is None or state_of(found) in GOOD | BAD | STILL or time.monotonic() > deadline:
                return
            run.report(self.key, "waiting", state_of(found))
            if run.stopping.wait(run.azure.poll_seconds):
                raise StoppedError(self.title)

    # ---- take away ---------------------------------------------------------------------------------------------------
    def delete(self, run: Run) -> bool:
        """See nodes.Node. Raises NotOursError."""
        if self.part_of:
            return False
        self._settled(run)
        found = run.facts.find(self.key)
        if found is not None:
            self._require_ours(run, found)
            run.report(self.key, "deleting")
            self.going(run, found)
            run.azure.delete(self.id, self.api_version, **self.deleted_with)
            run.facts.learn(self.key, None)
            run.state.drop("in_flight", self.key)
        self.gone(run, found or {})
        return found is not None


def ended(run: Run, poller: LROPoller[Any], *, key: str, title: str, doing: str) -> None:
    """Wait for an operation. While nobody knows how it ended it stays in flight: after StoppedError, or an error
    of a question that got lost. Raises RefusedError when it ended as failed."""
    while not poller.done():
        if run.stopping.wait(min(run.azure.poll_seconds, LOOK_SECONDS)):
            raise StoppedError(title)
    try:
        run.azure.finished(poller, doing)
    except RefusedError as error:
        if not lost(error):
            run.state.drop("in_flight", key)
        raise
    run.state.drop("in_flight", key)


def state_of(found: Mapping[str, Any]) -> str:
    """Its provisioning state in lower case; "" where its kind has none."""
    properties = found.get("properties") or {}
    return str(properties.get("provisioningState") or properties.get("state") or "").lower()


def merged(body: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Both, mapping by mapping; where both say something else, `more` is right."""
    both = dict(body)
    for key, value in more.items():
        known = both.get(key)
        both[key] = merged(known, value) if isinstance(known, Mapping) and isinstance(value, Mapping) else value
    return both


def constant(body: Mapping[str, Any]) -> Body:
    """A body that needs no facts."""

    def same(facts: Facts) -> dict[str, Any]:
        return dict(body)

    return same
