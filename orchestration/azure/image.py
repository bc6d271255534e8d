"""The product's image as a node: built from this checkout by the registry itself or by this machine, and pushed.

Its tag is a digest of what it is built from, so a tree that this state file knows as built is not built again while the
registry is the same one.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal

import requests

from orchestration.azure.clients import LOOK_SECONDS
from orchestration.azure.errors import RefusedError, StoppedError, UnreachableError
from orchestration.azure.nodes import Change, Finding, MissingFactError, Run
from orchestration.azure.secret_book import REGISTRY_PASSWORD
from orchestration.deployment.errors import DeploymentError

Build = Literal["acr", "local"]
CHECKOUT: Final = Path(__file__).resolve().parents[2]
REPOSITORY: Final = "faceproject"
DOCKERFILE: Final = "docker/Dockerfile"
#: What docker/Dockerfile copies into the image.
CONTEXT: Final = (
    *("requirements.txt", "requirements-cassandra.txt", "requirements-azure.txt", "manage.py", "docker"),
    *("faceproject", "personas", "ingest", "training", "orchestration", "templates", "static", "sample_data"),
)
#: Parts of these that no image needs, or must not have.
LEFT_OUT: Final = frozenset({"__pycache__", "secrets", ".env"})
#: Who signs in with a token. https://learn.microsoft.com/azure/container-registry/container-registry-authentication
TOKEN_USER: Final = "00000000-0000-0000-0000-000000000000"  # noqa: S105 - no token
#: Run states of a build in the registry. https://learn.microsoft.com/rest/api/containerregistry/runs/get
_GOING: Final = frozenset({"Queued", "Started", "Running"})


class BuildError(DeploymentError):
    """The image cannot be built or pushed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductImage:
    """See nodes.Node. The fact `image` tells its `reference`."""

    build: Build
    base: str
    needs: tuple[str, ...]
    key: str = "image"
    title: str = "image of the product"
    keeps_data: bool = False

    def describe(self, run: Run) -> Finding:
        """See nodes.Node."""
        tag = context_digest(self.base)
        try:
            reference = self._reference(run, tag)
        except MissingFactError:
            return Finding(change=Change.CREATE)
        run.facts.learn(self.key, {"reference": reference})
        built = run.state.fact(self.key)
        if not built:
            return Finding(change=Change.CREATE)
        if built == self._built(run):
            return Finding(change=Change.UNCHANGED)
        before = str(built["reference"])
        why = f"the checkout is another than that of {before.rpartition(':')[2]}"
        return Finding(change=Change.UPDATE, reasons=("the registry is a new one" if before == reference else why,))

    def ensure(self, run: Run) -> Finding:
        """See nodes.Node. Raises BuildError."""
        finding = self.describe(run)
        if finding.change is Change.UNCHANGED:
            return finding
        reference = str(run.facts.of(self.key, "reference"))
        if self.build == "acr":
            _build_in_registry(run, reference, self.base)
        else:
            _build_here(run, reference, self.base)
        run.state.put("facts", self.key, self._built(run))
        return finding

    def delete(self, run: Run) -> bool:
        """It goes with the registry."""
        run.state.drop("facts", self.key)
        return False

    def _built(self, run: Run) -> dict[str, Any]:
        """What is remembered of a build: a registry that was deleted and made again has its name, and no image."""
        registry = run.facts.of("registry", "properties")
        return {"reference": run.facts.of(self.key, "reference"), "registry": registry.get("creationDate")}

    def _reference(self, run: Run, tag: str) -> str:
        return f"{run.facts.of('registry', 'properties', 'loginServer')}/{REPOSITORY}:{tag}"


def context_files() -> Iterator[Path]:
    """What the image is built from, in a fixed order."""
    for name in CONTEXT:
        top = CHECKOUT / name
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            if path.is_file() and LEFT_OUT.isdisjoint(path.relative_to(CHECKOUT).parts):
                yield path


def context_digest(base: str) -> str:
    """Twelve hexadecimal digits of the files, their names and the base image."""
    found = sha256(base.encode())
    for path in context_files():
        name = str(path.relative_to(CHECKOUT)).encode()
        found.update(b"%d %s %d " % (len(name), name, path.stat().st_mode & 0o100))
        found.update(sha256(path.read_bytes()).digest())
    return found.hexdigest()[:12]


# ---- in the registry -------------------------------------------------------------------------------------------------
def _build_in_registry(run: Run, reference: str, base: str) -> None:
    """ACR Tasks: upload the context, queue a run, wait for it. Raises BuildError, RefusedError."""
    from azure.mgmt.containerregistrytasks import ContainerRegistryTasksMgmtClient, models

    client = run.azure.client(ContainerRegistryTasksMgmtClient)
    parts = str(run.facts.of("registry", "id")).split("/")
    place = (parts[4], parts[-1])
    run.report("image", "uploading")
    upload = run.azure.ask(
        lambda: client.registries.get_build_source_upload_url(*place), "a place for the build's files"
    )
    _put_blob(str(upload.upload_url), _context(), run.azure.ca_bundle)
    request = models.DockerBuildRequest(
        image_names=[reference.partition("/")[2]],
        is_push_enabled=True,
        docker_file_path=DOCKERFILE,
        platform=models.PlatformProperties(os="Linux", architecture="amd64"),
        source_location=upload.relative_path,
        arguments=[models.Argument(name="BASE_IMAGE", value=base)],
        timeout=3600,
    )
    queued: Any = run.azure.ask(lambda: client.registries.schedule_run(*place, request), "to build in the registry")
    number = _run_id(queued)
    while True:
        current: Any = run.azure.ask(lambda: client.runs.get(*place, number), "to show the build")
        status = str(current.properties.status if hasattr(current, "properties") else current.status)
        status = status.rpartition(".")[2].capitalize() if status.startswith("RunStatus") else status
        run.report("image", "building", status.lower())
        if status not in _GOING:
            break
        if run.stopping.wait(run.azure.poll_seconds):
            raise StoppedError("image of the product")
    if status != "Succeeded":
        raise BuildError(
            f"The build {number} in the registry ended as {status.lower()}. See why: az acr task logs --registry "
            f"{place[1]} --run-id {number}. Or use --build local, or --image REFERENCE."
        )


def _run_id(queued: Any) -> str:
    said = queued.as_dict()
    return str((said.get("properties") or {}).get("runId") or said.get("runId") or queued.name)


def _context() -> bytes:
    """The files as tar.gz. In memory: some megabytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=6) as archive:
        for path in context_files():
            archive.add(path, str(path.relative_to(CHECKOUT)), filter=_nobody)
    return buffer.getvalue()


def _nobody(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Says nothing of this machine's users."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def _put_blob(url: str, content: bytes, ca_bundle: str) -> None:
    """To the address that the registry gave, which carries its own permission and is never shown."""
    headers = {"x-ms-blob-type": "BlockBlob"}
    try:
        requests.put(url, data=content, headers=headers, verify=ca_bundle or True, timeout=300).raise_for_status()
    except requests.RequestException as error:
        said = error.response.status_code if error.response is not None else type(error).__name__
        raise UnreachableError(
            f"The build's files did not reach the registry ({said}). Run the same command again."
        ) from None


# ---- on this machine -------------------------------------------------------------------------------------------------
def _build_here(run: Run, reference: str, base: str) -> None:
    """docker or podman. Raises BuildError."""
    tool = shutil.which("docker") or shutil.which("podman")
    if tool is None:
        raise BuildError("--build local needs docker or podman; neither is installed. Or use --build acr.")
    server = reference.partition("/")[0]
    run.report("image", "building", Path(tool).name)
    build = [tool, "build", "--file", DOCKERFILE, "--build-arg", f"BASE_IMAGE={base}", "--tag", reference, "."]
    _call(run, build, "build")
    user, password = _login(run, server)
    _call(run, [tool, "login", server, "--username", user, "--password-stdin"], "sign in", said=password)
    try:
        run.report("image", "pushing")
        _call(run, [tool, "push", reference], "push")
    finally:  # else the password stays in a file of the tool's own
        _call(run, [tool, "logout", server], "sign out for")


def _login(run: Run, server: str) -> tuple[str, str]:
    """User and password for the registry: its own in Government, else a token that Azure gives for ours."""
    if run.azure.cloud == "government":
        return str(run.facts.of("registry", "id")).rsplit("/", 1)[-1], run.secrets.value(REGISTRY_PASSWORD)
    token = run.azure.ask(lambda: run.azure.credential.get_token(run.azure.scope).token, "to sign in")
    form = {"grant_type": "access_token", "service": server, "access_token": token}
    try:
        url = f"https://{server}/oauth2/exchange"
        answer = requests.post(url, data=form, verify=run.azure.ca_bundle or True, timeout=30)
        answer.raise_for_status()
        return TOKEN_USER, str(answer.json()["refresh_token"])
    except (requests.RequestException, ValueError, KeyError) as error:
        raise RefusedError(
            f"The registry {server} lets nobody sign in ({type(error).__name__}).", code="RegistryLogin"
        ) from None


def _call(run: Run, command: list[str], doing: str, *, said: str = "") -> None:
    """Run a program to its end; it is ended with the command. Raises BuildError, StoppedError."""
    pipe = subprocess.PIPE
    program = subprocess.Popen(command, cwd=CHECKOUT, text=True, stdin=pipe, stdout=pipe, stderr=pipe)  # noqa: S603
    text: str | None = said
    while True:
        try:
            _, errors = program.communicate(text, timeout=LOOK_SECONDS)
            break
        except subprocess.TimeoutExpired:
            text = None  # it is on its way already
        if run.stopping.is_set():
            program.terminate()
            program.communicate()
            raise StoppedError("image of the product")
    if program.returncode:
        tail = "\n".join(errors.strip().splitlines()[-12:])
        name = Path(command[0]).name
        raise BuildError(f"{name} could not {doing} the image (exit code {program.returncode}):\n{tail}")
