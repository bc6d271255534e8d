"""Deploying to Compose and Kubernetes; the programs that it calls only write down what they were asked."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command

from tests.conftest import REPOSITORY


class Machine:
    """A PATH with nothing but the shell's own programs, and what is installed on it."""

    def __init__(self, folder: Path) -> None:
        self.programs, self.asked_file = folder / "bin", folder / "asked"
        self.programs.mkdir()
        for name in ("sh", "mkdir", "chmod", "mv", "od", "tr", "cat", "dirname"):
            found = shutil.which(name)
            assert found
            (self.programs / name).symlink_to(found)

    def install(self, name: str, script: str = "") -> None:
        program = self.programs / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >>{self.asked_file}\n{script}\n')
        program.chmod(0o755)

    @property
    def asked(self) -> list[str]:
        return self.asked_file.read_text().splitlines() if self.asked_file.exists() else []


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    monkeypatch.setenv("PATH", str(made.programs))
    return made


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A description with an image and a name."""
    file = tmp_path / "deployment.toml"
    text = (REPOSITORY / "deployment.example.toml").read_text()
    text = text.replace('detector = "azure"', 'detector = "embedded"')
    text = re.sub(r'(?m)^product = "[^"]*"', 'product = "faces:1"', text)
    file.write_text(text.replace('hostname = ""', 'hostname = "faces.example.org"'))
    return file


def deploy(target: str, config: Path, **options: Any) -> str:
    out = StringIO()
    folder = config.parent / "deployed"
    call_command("deploy", target=target, config=config, output=folder, stdout=out, **options)
    return out.getvalue()


def test_rendering_writes_files_and_asks_nothing_of_the_machine(machine: Machine, config: Path):
    said = deploy("compose", config, render=True)
    assert f"written: {config.parent / 'deployed' / 'compose.yaml'}" in said
    assert not (config.parent / "deployed" / "secrets").exists()
    deploy("kubernetes", config, render=True, overlay="aks")
    assert (config.parent / "deployed" / "overlays" / "aks" / "kustomization.yaml").exists()
    assert machine.asked == []


def test_a_scale_of_the_command_line_wins(machine: Machine, config: Path):
    deploy("compose", config, render=True, scale=["ingest=4"])
    services = yaml.safe_load((config.parent / "deployed" / "compose.yaml").read_text())["services"]
    assert services["ingest-worker"]["deploy"]["replicas"] == 4


@pytest.mark.parametrize("scale", ["ingest", "ingest=many", "web=2"])
def test_a_scale_that_is_none_says_what_one_is(config: Path, scale: str):
    with pytest.raises(CommandError, match="ingest=NUMBER or trainer=NUMBER"):
        deploy("compose", config, render=True, scale=[scale])


def test_compose_starts_what_was_rendered_with_secrets_of_its_own(machine: Machine, config: Path):
    machine.install("docker")
    said = deploy("compose", config)
    folder = config.parent / "deployed"
    assert machine.asked == ["docker compose version", f"docker compose --file {folder}/compose.yaml up --detach"]
    assert (folder / "secrets" / "secret-key").stat().st_size >= 50
    assert "https://faces.example.org/" in said
    secret = (folder / "secrets" / "secret-key").read_text()
    deploy("compose", config)
    assert (folder / "secrets" / "secret-key").read_text() == secret


def test_an_image_of_our_own_is_built_from_the_checkout(machine: Machine, config: Path):
    machine.install("docker")
    config.write_text(config.read_text().replace('"faces:1"', '""'))
    deploy("compose", config)
    folder = config.parent / "deployed"
    assert machine.asked[-1].endswith("up --build --detach")
    context = yaml.safe_load((folder / "compose.yaml").read_text())["services"]["init"]["build"]["context"]
    assert (folder / context).resolve() == REPOSITORY


def test_podman_compose_serves_where_docker_has_no_compose(machine: Machine, config: Path):
    machine.install("docker", "exit 1")
    machine.install("podman-compose")
    deploy("compose", config)
    assert machine.asked[-1].startswith("podman-compose --file")


@pytest.mark.parametrize(("target", "more"), [("compose", {}), ("kubernetes", {"overlay": "minikube"})])
def test_without_the_program_it_says_what_to_install(machine: Machine, config: Path, target: str, more: dict[str, str]):
    with pytest.raises(CommandError, match=r"is not here\. Install"):
        deploy(target, config, **more)
    assert not (config.parent / "deployed").exists()


def test_what_a_program_said_when_it_failed_is_told(machine: Machine, config: Path):
    machine.install("docker", 'case "$*" in *up*) echo "no space left" >&2; exit 3;; esac')
    with pytest.raises(CommandError, match=r"(?s)exit code 3.*no space left"):
        deploy("compose", config)


def test_kubernetes_gets_the_namespace_then_the_secret_then_the_rest(machine: Machine, config: Path):
    passed_on = config.parent / "passed-on"
    machine.install(
        "kubectl",
        'case "$*" in "config current-context") echo here;; *create*) echo "the Secret";; '
        f'*"--filename -") cat >{passed_on};; esac',
    )
    said = deploy("kubernetes", config, overlay="minikube")
    folder = config.parent / "deployed"
    words = [line.split() for line in machine.asked[2:]]
    assert words[0] == ["kubectl", "apply", "--filename", f"{folder}/base/namespace.yaml"]
    assert words[1][:7] == ["kubectl", "--namespace", "faceproject", "create", "secret", "generic", "faceproject"]
    given = {word.partition("=")[2].partition("=")[0] for word in words[1] if word.startswith("--from-file")}
    example = yaml.safe_load((folder / "base" / "secret.example.yaml").read_text())
    assert given == set(example["stringData"]) - {"cassandra-password"}
    assert passed_on.read_text() == "the Secret\n"
    assert words[3] == ["kubectl", "apply", "--kustomize", f"{folder}/overlays/minikube"]
    assert "Applied to here." in said
    assert (folder / "secrets" / "secret-key").read_text() not in said


def test_keys_of_azure_are_asked_for_with_what_prints_them(machine: Machine, config: Path):
    machine.install("kubectl")
    with pytest.raises(CommandError, match=r"(?s)secrets/cassandra-password: az cosmosdb keys list .*--output tsv"):
        deploy("kubernetes", config, overlay="aks")
    assert not any("apply" in line for line in machine.asked)
    (config.parent / "deployed" / "secrets" / "cassandra-password").write_text("of-the-test")
    deploy("kubernetes", config, overlay="aks")
    assert machine.asked[-1].endswith("overlays/aks")


def test_the_kind_of_cluster_is_never_guessed(config: Path):
    with pytest.raises(CommandError, match="--overlay minikube or aks"):
        deploy("kubernetes", config, render=True)


def test_a_folder_that_cannot_be_written_is_an_error_of_one_line(config: Path):
    (config.parent / "deployed").write_text("a file")
    with pytest.raises(CommandError, match="Say another --output"):
        deploy("compose", config, render=True)


def test_azure_without_its_packages_says_what_to_install(config: Path):
    # In a process of its own: modules imported anew here would stand beside those that other tests have in hand.
    script = (
        "import sys; sys.modules['azure.identity'] = None;"
        "from django.core.management import execute_from_command_line as run;"
        "run(['manage.py', 'deploy', '--config', sys.argv[1]])"
    )
    run = subprocess.run([sys.executable, "-c", script, str(config)], capture_output=True, text=True, cwd=REPOSITORY)
    assert run.returncode == 1
    assert re.search(r"CommandError: .*pip install -r requirements-deploy\.txt", run.stderr), run.stderr
