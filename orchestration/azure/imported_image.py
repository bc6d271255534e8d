"""Images of others as nodes: Redis and Caddy come into the deployment's own registry once, and groups pull from there.

Docker Hub limits what an address pulls that nobody signed in from, and Azure's addresses are shared; a group in a
subnet may not reach it at all. The registry copies an image by itself, nothing passes through this machine:
https://learn.microsoft.com/azure/container-registry/container-registry-import-images

No call of Azure Resource Manager lists tags, and the registry's own would take a sign-in and an address of their own.
So a plan believes the state file, as for the product's image, and only while the registry is the one of then. Where the
file is lost the import is asked for again, as `NoForce`: the registry refuses to write a tag that it has before it
copies anything, and since the tag says which image it is, that refusal means that it is there. `Force` would copy again
what an earlier run brought, and move a tag under a group that runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from orchestration.azure.errors import RefusedError, lost, refused
from orchestration.azure.nodes import Change, Finding, MissingFactError, Run
from orchestration.azure.resource import ended
from orchestration.deployment.description import Description

if TYPE_CHECKING:
    from azure.core.polling import LROPoller

#: Containers with an image of others, by name; [image] has a key for each.
IMPORTED: Final = ("redis", "caddy")
#: What importing takes. https://learn.microsoft.com/azure/role-based-access-control/permissions/containers
PERMISSION: Final = "Microsoft.ContainerRegistry/registries/importImage/action"
#: Where a reference points that names no registry, and whose images without an owner lie below `library`.
DOCKER_HUB: Final = "docker.io"
#: Words of the registry's refusals. Their codes are not published.
#: https://github.com/Azure/azure-cli/pull/10938, https://distribution.github.io/distribution/spec/api/#errors
_THERE: Final = "already exists in target registry"
_NO_SOURCE: Final = (
    *("not found", "notfound", "manifest unknown", "manifest_unknown", "does not exist", "denied", "unauthorized"),
)


def key_of(container: str) -> str:
    """Of a container's image in the graph. It begins as the product's does: `deploy` works on both."""
    return f"image:{container}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where an image comes from. image: in that registry, with a tag or a digest: "library/redis:8"."""

    registry: str
    image: str

    @classmethod
    def of(cls, reference: str) -> Source:
        """As container engines read a reference: what names no registry is of Docker Hub, what has no tag, `latest`."""
        first, slash, rest = reference.partition("/")
        named = bool(slash) and (first == "localhost" or "." in first or ":" in first)
        registry, path = (first, rest) if named else (DOCKER_HUB, reference)
        path, _, digest = path.partition("@")
        repository, _, tag = path.partition(":")
        if registry == DOCKER_HUB and "/" not in repository:
            repository = f"library/{repository}"
        return cls(registry=registry, image=f"{repository}@{digest}" if digest else f"{repository}:{tag or 'latest'}")

    @property
    def reference(self) -> str:
        """In full."""
        return f"{self.registry}/{self.image}"

    @property
    def target(self) -> str:
        """Repository and tag in the own registry: another for each reference, and told by it.

        A digest cannot stand in a tag as it is, nor a port in a repository.
        """
        return f"imported/{self.registry.lower().replace(':', '-')}/{self.image.replace('@sha256:', ':digest-')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedImage:
    """See nodes.Node. The fact of its key tells its `reference`. One that lies in the own registry stays as it is."""

    container: str
    source: Source
    needs: tuple[str, ...] = ("registry",)
    keeps_data: bool = False

    @property
    def key(self) -> str:
        """See nodes.Node."""
        return key_of(self.container)

    @property
    def title(self) -> str:
        """See nodes.Node."""
        return f"image {self.source.reference} in the registry"

    def describe(self, run: Run) -> Finding:
        """See nodes.Node. Asks nothing of Azure."""
        try:
            server = str(run.facts.of("registry", "properties", "loginServer"))
        except MissingFactError:
            return Finding(change=Change.CREATE)
        if self.source.registry.lower() == server.lower():
            run.facts.learn(self.key, {"reference": self.source.reference})
            return Finding(change=Change.UNCHANGED)
        reference = f"{server}/{self.source.target}"
        run.facts.learn(self.key, {"reference": reference})
        imported = run.state.fact(self.key)
        if not imported:
            return Finding(change=Change.CREATE)
        if imported == self._imported(run):
            return Finding(change=Change.UNCHANGED)
        if imported["reference"] == reference:
            return Finding(change=Change.UPDATE, reasons=("the registry is a new one",))
        return Finding(change=Change.UPDATE, reasons=(f"{imported['source']} → {self.source.reference}",))

    def ensure(self, run: Run) -> Finding:
        """See nodes.Node. Raises RefusedError."""
        finding = self.describe(run)
        if finding.change is Change.UNCHANGED:
            return finding
        if not self._went_on(run):
            self._import(run)
        run.state.put("facts", self.key, self._imported(run))
        return finding

    def delete(self, run: Run) -> bool:
        """It goes with the registry."""
        run.state.drop("facts", self.key)
        run.state.drop("in_flight", self.key)
        return False

    def _imported(self, run: Run) -> dict[str, Any]:
        """What is remembered of an import; `registry` as of the product's image."""
        registry = run.facts.of("registry", "properties")
        return {
            "source": self.source.reference,
            "reference": run.facts.of(self.key, "reference"),
            "registry": registry.get("creationDate"),
        }

    # ---- import ------------------------------------------------------------------------------------------------------
    def _import(self, run: Run) -> None:
        """Tell the registry to, and wait. Raises RefusedError."""
        from azure.mgmt.containerregistry import models

        parameters = models.ImportImageParameters(
            source=models.ImportSource(registry_uri=self.source.registry, source_image=self.source.image),
            target_tags=[self.source.target],
            mode=models.ImportMode.NO_FORCE,
        )
        run.report(self.key, "importing")
        try:
            poller = self._poller(run, parameters)
            if not poller.done():
                run.state.put("in_flight", self.key, self._imported(run) | {"token": poller.continuation_token()})
            ended(run, poller, key=self.key, title=self.title, doing=self._doing)
        except RefusedError as error:
            if _is_lost(error):
                raise
            run.state.drop("in_flight", self.key)
            if _THERE not in str(error).lower():
                raise refused(error.__cause__, self._doing, advice=self._advice(run, error)) from error.__cause__
            run.report(self.key, "importing", "it is there already")

    def _went_on(self, run: Run) -> bool:
        """Whether an earlier run began this import, and it ended well. Raises RefusedError when an answer got lost."""
        flying = run.state.get("in_flight", self.key) or {}
        if flying.items() >= self._imported(run).items():  # else another image, or a registry that is gone
            run.report(self.key, "waiting", "an earlier run began it")
            try:
                poller = self._poller(run, {}, continuation_token=flying["token"])
                ended(run, poller, key=self.key, title=self.title, doing=self._doing)
                return True
            except RefusedError as error:
                if _is_lost(error):
                    raise
                run.report(self.key, "waiting", f"what an earlier run began did not end well ({error.code})")
            except ValueError:  # another version of azure-core wrote the token
                run.report(self.key, "waiting", "it cannot be told how what an earlier run began ended")
        run.state.drop("in_flight", self.key)
        return False

    def _poller(self, run: Run, parameters: Any, **more: str) -> LROPoller[None]:
        from azure.mgmt.containerregistry import ContainerRegistryManagementClient

        registries = run.azure.client(ContainerRegistryManagementClient).registries
        _, _, _, _, group, *_, name = str(run.facts.of("registry", "id")).split("/")
        return run.azure.ask(lambda: registries.begin_import_image(group, name, parameters, **more), self._doing)

    @property
    def _doing(self) -> str:
        return f"to import {self.source.reference}"

    def _advice(self, run: Run, error: RefusedError) -> str:
        """What to do about a refusal."""
        said, code = str(error).lower(), error.code
        registry = str(run.facts.of("registry", "id")).rsplit("/", 1)[-1]
        by_hand = (
            f"az acr import --name {registry} --source {self.source.reference} --image {self.source.target} "
            "--username YOU --password TOKEN; then run the same command again, which finds it."
        )
        if code == "AuthorizationFailed":
            return f"You need the permission {PERMISSION} on the registry {registry}: Owner and Contributor have it."
        if _is_limited(error):
            return (
                f"{self.source.registry} lets nobody pull so much without signing in, and the addresses of Azure are "
                f"shared. Run the same command again in some hours. Or sign in: {by_hand}"
            )
        if any(word in said for word in _NO_SOURCE):
            return f"Look whether `{self.container}` under [image] is right. If it is not public: {by_hand}"
        return f"Run the same command again. Or name another image, key {self.container} under [image]; or: {by_hand}"


def nodes(said: Description) -> Iterator[ImportedImage]:
    """One node an image."""
    for container in IMPORTED:
        source = Source.of(str(getattr(said.image, container)))
        yield ImportedImage(container=container, source=source)


def _is_limited(error: RefusedError) -> bool:
    """The registry that it comes from refuses for a while; Azure itself, which says the same words, is only busy."""
    said = str(error).lower()
    return "rate limit" in said or ("toomanyrequests" in said and not lost(error))


def _is_lost(error: RefusedError) -> bool:
    """Nobody knows how the import stands: no answer came, or we are not signed in any more."""
    return (lost(error) or error.code == "ClientAuthenticationError") and not _is_limited(error)
