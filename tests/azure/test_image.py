"""The image built on this machine, by a docker that is made up."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestration.azure.deployment import ApplyError, Deployment
from orchestration.azure.graph import Options
from orchestration.deployment.description import parse
from tests.azure.conftest import SAID
from tests.azure_double.double import AzureDouble

GOVERNMENT = {"cloud": "government", "location": "usgovvirginia", "image": "", "detector": "embedded"}
#: Writes down what it is asked for, and fails at `push` where a file says so.
DOCKER = """#!/bin/sh
echo "$@" >> {folder}/asked
cat > /dev/null
test "$1" != push || ! test -e {folder}/fails
"""


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a docker that comes first in PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "docker").write_text(DOCKER.format(folder=folder))
    (folder / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def asked(docker: Path) -> list[str]:
    return [line.split()[0] for line in (docker / "asked").read_text().splitlines()]


def deployment(government: AzureDouble, docker: Path, home: Path) -> Deployment:
    def report(key: str, what: str, detail: str = "") -> None:
        if (key, what) == ("image", "done"):  # as if the made-up docker had brought it there
            government.images.add((docker / "asked").read_text().partition("push ")[2].split()[0])

    return Deployment(
        parse(SAID | GOVERNMENT),
        home=home,
        environment=government.environment,
        options=Options(build="local"),
        report=report,
        ask_web=lambda host, ca_bundle: "",
    )


def test_an_image_that_is_built_here_leaves_nobody_signed_in(
    government: AzureDouble, docker: Path, tmp_path: Path
) -> None:
    deployment(government, docker, tmp_path / "home").apply()
    assert asked(docker) == ["build", "login", "push", "logout"]
    secrets = government.secrets()
    assert not [line for line in (docker / "asked").read_text().splitlines() if any(each in line for each in secrets)]


def test_nobody_stays_signed_in_when_the_push_fails(government: AzureDouble, docker: Path, tmp_path: Path) -> None:
    (docker / "fails").touch()
    with pytest.raises(ApplyError, match="docker could not push the image"):
        deployment(government, docker, tmp_path / "home").apply()
    assert asked(docker)[-1] == "logout"
