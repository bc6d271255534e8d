"""A description on one machine, by Compose, and in a cluster, by Kubernetes: `files` says it, `apply` does it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Protocol

from orchestration.deployment import compose, kubernetes
from orchestration.deployment.description import Description
from orchestration.deployment.errors import DeploymentError
from orchestration.deployment.kubernetes.layout import secret_names
from orchestration.deployment.kubernetes.pods import SECRET
from orchestration.deployment.programs import MissingProgramError, find, run
from orchestration.deployment.workloads import ADMIN_PASSWORD

#: The product's source, and in it what makes the secrets that nobody else knows.
CHECKOUT: Final = Path(__file__).resolve().parents[2]
MAKE_SECRETS: Final = CHECKOUT / "docker" / "make-secrets"
#: Secrets that come from elsewhere, with what prints them.
GIVEN: Final = {
    "face-key": "az cognitiveservices account keys list --resource-group {group} --name {face} --query key1",
    "cassandra-password": "az cosmosdb keys list --resource-group {group} --name {cassandra} --query primaryMasterKey",
}


class Target(Protocol):
    """Where a deployment runs."""

    @property
    def folder(self) -> Path:
        """Where its files are kept, and its secrets."""

    def files(self) -> dict[str, str]:
        """What it reads, by path below the folder; no secret among them. Raises DescriptionError."""

    def apply(self) -> list[str]:
        """Bring it about; what to do next, a sentence each. Can be repeated. Raises DeploymentError."""


def render(target: Target) -> list[Path]:
    """Write the target's files and nothing else; where they are. Raises DeploymentError."""
    written = []
    for name, text in target.files().items():
        path = target.folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        except OSError as error:
            raise DeploymentError(f"{path} cannot be written ({error.strerror}). Say another --output.") from error
        written.append(path)
    return written


@dataclass(frozen=True, slots=True, kw_only=True)
class Compose:
    """One machine, by Docker Compose or podman-compose."""

    description: Description
    folder: Path

    def files(self) -> dict[str, str]:
        seen = os.path.relpath(CHECKOUT, self.folder.absolute())
        return compose.render(self.description, checkout=PurePosixPath(Path(seen).as_posix()))

    def apply(self) -> list[str]:
        tool = self._tool()
        render(self)
        _secrets(self.folder / compose.SECRETS, compose.secret_names(self.description), self.description)
        built = [] if self.description.image.product else ["--build"]
        command = [*tool, "--file", str(self.folder / compose.FILE)]
        run([*command, "up", *built, "--detach"])
        return [
            f"Visit https://{compose.host(self.description)}/.",
            f"Sign in as admin; the password is in {self.folder / compose.SECRETS / ADMIN_PASSWORD}",
            f"See how it is: {' '.join(command)} ps",
        ]

    @staticmethod
    def _tool() -> list[str]:
        """Docker's, unless it has no Compose of version 2; then podman's."""
        why = "Install Docker with its Compose plugin (https://docs.docker.com/compose/install/), or podman-compose."
        try:
            docker = find("docker", why=why)
            run([docker, "compose", "version"])
        except DeploymentError as error:
            try:
                return [find("podman-compose", why=why)]
            except MissingProgramError:
                raise DeploymentError(f"Compose cannot be used: {error}") from error
        return [docker, "compose"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kubernetes:
    """The cluster that kubectl speaks to at present."""

    description: Description
    folder: Path
    overlay: kubernetes.Overlay

    def files(self) -> dict[str, str]:
        return kubernetes.render(self.description, self.overlay)

    def apply(self) -> list[str]:
        kubectl = find("kubectl", why="Install it: https://kubernetes.io/docs/tasks/tools/")
        context = run([kubectl, "config", "current-context"]).strip()
        run([kubectl, "version", "--request-timeout=20s"])  # fails, and says why, when the cluster does not answer
        render(self)
        secrets = _secrets(self.folder / "secrets", secret_names(self.description, self.overlay), self.description)
        in_namespace = [kubectl, "--namespace", self.description.name]
        run([kubectl, "apply", "--filename", self.folder / "base" / "namespace.yaml"])
        from_files = [f"--from-file={path.name}={path}" for path in secrets]
        made = [*in_namespace, "create", "secret", "generic", SECRET, *from_files, "--dry-run=client", "--output=yaml"]
        run([*in_namespace, "apply", "--filename", "-"], given=run(made))
        run([kubectl, "apply", "--kustomize", self.folder / "overlays" / self.overlay])
        shown = f"kubectl --namespace {self.description.name}"
        return [
            f"Applied to {context}. Its nodes pull the image {kubernetes.image(self.description, self.overlay)}.",
            f"See how it is: {shown} get pods,jobs",
            f"When it is ready, sign in as admin; the password is in {self.folder / 'secrets' / ADMIN_PASSWORD}",
        ]


def _secrets(folder: Path, names: Iterable[str], description: Description) -> list[Path]:
    """Makes those that are missing and can be made. Raises DeploymentError: which must be put there, and whence."""
    run(["sh", MAKE_SECRETS, folder])
    paths = [folder / name for name in names]
    missing = [path for path in paths if not path.exists()]
    if missing:
        said = {"group": description.group} | {kind: description.global_name(kind) for kind in ("face", "cassandra")}
        lines = [f"  {path}: {GIVEN[path.name].format(**said)} --output tsv" for path in missing]
        raise DeploymentError("\n".join(["Put these secrets into files first; behind each, what prints it:", *lines]))
    return paths


#: By name, as `manage.py deploy --target` takes them.
TARGETS: Final[dict[str, Callable[..., Target]]] = {"compose": Compose, "kubernetes": Kubernetes}
