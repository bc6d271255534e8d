"""The double of Azure, the SDK's clients led to it, and a deployment against it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchestration.azure.deployment import Deployment
from orchestration.deployment.description import parse
from tests.azure.said_to_run import SaidToRun
from tests.azure.sdk import Sdk
from tests.azure_double import specs
from tests.azure_double.double import AzureDouble
from tests.azure_double.files import FilesDouble
from tests.azure_double.https import Authority
from tests.conftest import NO_DATA

#: The least that a description says, for the double's subscription. An image that is there: most tests build none.
SAID: dict[str, Any] = {
    "name": "faces",
    "subscription": AzureDouble.subscription,
    "location": "westeurope",
    "image": "registry.example.org/faceproject:1",
    "data": "",
}
Deploying = Callable[..., Deployment]


@pytest.fixture(scope="session")
def azure_specs() -> Path:
    """Azure's own schemas; the test is skipped where they are absent."""
    folder = specs.folder()
    if not folder.is_dir():
        pytest.skip(f"{NO_DATA} {folder} (set FACEPROJECT_AZURE_SPECS)")
    return folder


@pytest.fixture
def make_double(azure_specs: Path, tmp_path: Path) -> Iterator[Callable[..., AzureDouble]]:
    """`make_double(government=True, …)`: a double that ends with the test. Nothing is registered in it."""
    with ExitStack() as made:
        yield lambda **more: made.enter_context(AzureDouble(tmp_path, **more))


@pytest.fixture
def double(make_double: Callable[..., AzureDouble]) -> AzureDouble:
    """A double of the public cloud in which every provider is registered."""
    made = make_double()
    made.register_all()
    return made


@pytest.fixture
def sdk(double: AzureDouble) -> Iterator[Sdk]:
    """Clients of that double, which has a resource group. What Azure would not have understood fails the test."""
    made = Sdk(double)
    made.group()
    yield made
    assert not double.violations


@pytest.fixture
def runtime() -> SaidToRun:
    """What stands for the containers."""
    return SaidToRun()


@pytest.fixture
def azure(azure_specs: Path, tmp_path: Path, runtime: SaidToRun) -> Iterator[AzureDouble]:
    """A subscription with nothing in it."""
    folder = tmp_path / "azure"
    folder.mkdir()
    with AzureDouble(folder, runtime=runtime) as double:
        double.register_all()
        yield double


@pytest.fixture
def government(azure_specs: Path, tmp_path: Path, runtime: SaidToRun) -> Iterator[AzureDouble]:
    """The same in Azure Government."""
    folder = tmp_path / "government"
    folder.mkdir()
    with AzureDouble(folder, government=True, runtime=runtime) as double:
        double.register_all()
        yield double


@pytest.fixture
def deploying_to(tmp_path: Path) -> Deploying:
    """Makes a deployment to a double; `said` collects what it reports."""

    def make(double: AzureDouble, *, said: list[str] | None = None, **changed: Any) -> Deployment:
        def report(key: str, what: str, detail: str = "") -> None:
            if said is not None:
                said.append(f"{key} {what} {detail}".strip())

        return Deployment(
            parse(SAID | changed),
            home=tmp_path / "home",
            environment=double.environment,
            report=report,
            ask_web=lambda host, ca_bundle: "",  # nothing runs behind this double
        )

    return make


@pytest.fixture
def deploying(azure: AzureDouble, deploying_to: Deploying) -> Deploying:
    """Makes a deployment to `azure`."""

    def make(**changed: Any) -> Deployment:
        return deploying_to(azure, **changed)

    return make


@dataclass(frozen=True, slots=True)
class Stored:
    """A subscription whose share keeps files, and a training set: `folder`, with one picture in it."""

    azure: AzureDouble
    files: FilesDouble
    folder: Path
    make: Deploying

    def deploying(self, **changed: Any) -> Deployment:
        """A deployment with that training set."""
        return self.make(self.azure, data=str(self.folder), **changed)

    def uploaded(self) -> set[str]:
        """Names of the pictures in the share."""
        return {path.name for path in self.files.folder.rglob("*.jpg")}


@pytest.fixture
def stored(azure_specs: Path, tmp_path: Path, runtime: SaidToRun, deploying_to: Deploying) -> Iterator[Stored]:
    """See the class."""
    folder, authority = tmp_path / "pictures", Authority(tmp_path)
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"a")
    with (
        FilesDouble(tmp_path / "files", authority) as files,
        AzureDouble(tmp_path, runtime=runtime, authority=authority, files=files) as azure,
    ):
        azure.register_all()
        yield Stored(azure, files, folder, deploying_to)
        assert azure.violations == []


@pytest.fixture
def config(tmp_path: Path, azure: AzureDouble, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Path:
    """A description for the double, which the environment leads to."""
    settings.FACEPROJECT_HOME = tmp_path / "home"
    for name, value in azure.environment.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "deployment.toml"
    path.write_text("\n".join(f"{key} = {json.dumps(value)}" for key, value in SAID.items()))
    return path
