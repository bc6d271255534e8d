"""Manifests: valid, complete, and as narrow as they claim to be."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from orchestration.deployment import kubernetes
from orchestration.deployment.description import NO_SUBSCRIPTION, Description, parse
from orchestration.deployment.errors import DescriptionError
from orchestration.roles import ROLES
from tests.orchestration.deployment.kustomize import Manifest, key, resolve
from tests.test_containers import REPO
from tests.test_docs import READ

#: The versions of Kubernetes that the manifests are for: the newest, and the oldest that clouds still run.
NEWEST, OLDEST = "1.37", "1.33"
LONG_RUNNING = {"Deployment", "StatefulSet"}


def described(**said: Any) -> Description:
    given = {"name": "faces", "subscription": NO_SUBSCRIPTION, "location": "eastus", "hostname": "faces.example.org"}
    return parse(given | said)


def written(folder: Path, overlay: kubernetes.Overlay, **said: Any) -> Path:
    """The folder of the overlay."""
    for name, text in kubernetes.render(described(**said), overlay).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "overlays" / overlay


@pytest.fixture(params=kubernetes.OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> kubernetes.Overlay:
    chosen: kubernetes.Overlay = request.param
    return chosen


@pytest.fixture
def manifests(tmp_path: Path, overlay: kubernetes.Overlay) -> list[Manifest]:
    return resolve(written(tmp_path, overlay))


def pods(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    for manifest in manifests:
        if manifest["kind"] in LONG_RUNNING | {"Job"}:
            template = manifest["spec"]["template"]
            yield template["metadata"]["labels"]["app.kubernetes.io/name"], template


def containers(manifests: list[Manifest]) -> dict[str, Manifest]:
    return {name: container for name, pod in pods(manifests) for container in pod["spec"]["containers"]}


def of_kind(manifests: list[Manifest], kind: str) -> dict[str, Manifest]:
    return {manifest["metadata"]["name"]: manifest for manifest in manifests if manifest["kind"] == kind}


@pytest.mark.parametrize(
    ("version", "said"),
    [(NEWEST, {}), (OLDEST, {"detector": "embedded", "users": "bootstrap"})],
    ids=["newest", "oldest"],
)
def test_manifests_are_valid(tmp_path: Path, overlay: kubernetes.Overlay, version: str, said: dict[str, Any]):
    found = resolve(written(tmp_path, overlay, **said))
    assert len(found) > 20
    for manifest in found:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_an_overlay_resolves_as_kubectl_has_it(tmp_path: Path, overlay: kubernetes.Overlay):
    """Where there is no kubectl, at least nothing is named twice and every file is used."""
    folder = written(tmp_path, overlay)
    found = resolve(folder)
    assert len({key(manifest) for manifest in found}) == len(found)
    used = {path.name for path in tmp_path.rglob("*.yaml")} - {"kustomization.yaml", "secret.example.yaml"}
    said = "".join(path.read_text() for path in tmp_path.rglob("kustomization.yaml"))
    assert all(name in said for name in used)
    if shutil.which("kubectl"):
        command = ["kubectl", "kustomize", str(folder)]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        theirs = [manifest for manifest in yaml.safe_load_all(shown) if manifest]
        assert sorted(map(as_text, theirs)) == sorted(map(as_text, found))


def as_text(manifest: Manifest) -> str:
    return json.dumps(manifest, sort_keys=True)


def test_every_role_runs_and_init_once_a_version(tmp_path: Path, manifests: list[Manifest]):
    assert set(ROLES) <= set(dict(pods(manifests)))
    assert set(of_kind(manifests, "Deployment")) == set(ROLES) - {"init"} | {"redis"}
    (job,) = of_kind(manifests, "Job")
    again = resolve(written(tmp_path / "again", "minikube", image="registry.example.org/faces:2", hostname="b.example"))
    (other,) = of_kind(again, "Job")
    assert job != other


def test_what_containers_are_told_is_read_by_the_settings(manifests: list[Manifest]):
    read = set(READ.findall((REPO / "faceproject" / "settings.py").read_text()))
    told = set(of_kind(manifests, "ConfigMap")["faceproject"]["data"])
    for name in ROLES:
        told |= {variable["name"] for variable in containers(manifests)[name]["env"]}
    assert told - read == set()


def test_roles_are_probed_by_the_image_s_own_command(manifests: list[Manifest]):
    found = containers(manifests)
    for name in set(ROLES) - {"init"}:
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert found[name][probe]["exec"]["command"][:2] == ["/app/docker/role", "healthy"]
    assert found["web"]["readinessProbe"]["exec"]["command"][2:] == ["web"]
    assert "livenessProbe" not in found["init"]


def test_pods_keep_to_the_strictest_standard(manifests: list[Manifest]):
    labels = of_kind(manifests, "Namespace")["faces"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    for name, pod in pods(manifests):
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"]
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        for container in spec["containers"]:
            rights = container["securityContext"]
            assert rights["allowPrivilegeEscalation"] is False
            assert rights["capabilities"] == {"drop": ["ALL"]}
            assert rights["readOnlyRootFilesystem"] is (name != "cassandra")


def test_what_cannot_write_its_image_has_folders_that_it_can(manifests: list[Manifest]):
    for name, container in containers(manifests).items():
        mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
        if name in ROLES:
            assert {"/tmp", "/state", "/cache", "/share"} == mounts
        elif name != "cassandra":
            assert "/tmp" in mounts


def test_kubernetes_sets_no_variables_of_its_own(manifests: list[Manifest]):
    """A Service called cassandra would set CASSANDRA_PORT=tcp://10.0.0.1:9042, which is no number."""
    assert all(pod["spec"]["enableServiceLinks"] is False for _, pod in pods(manifests))


def test_secrets_are_referred_to_and_never_written(tmp_path: Path, overlay: kubernetes.Overlay):
    folder = written(tmp_path, overlay)
    found = resolve(folder)
    assert of_kind(found, "Secret") == {}
    example = yaml.safe_load((tmp_path / "base" / "secret.example.yaml").read_text())
    assert all(value.startswith("REPLACE") for value in example["stringData"].values())
    keys = set()
    for container in containers(found).values():
        for variable in container.get("env", ()):
            if "valueFrom" in variable:
                keys.add(variable["valueFrom"]["secretKeyRef"]["key"])
            else:
                assert not variable["name"].endswith(("PASSWORD", "SECRET_KEY", "TOKEN", "_KEY"))
    assert keys == set(example["stringData"])


def test_workers_are_scaled_by_how_busy_they_are_and_nobody_says_their_number(tmp_path: Path):
    found = resolve(written(tmp_path, "aks", scale={"ingest": 3}))
    scalers = of_kind(found, "HorizontalPodAutoscaler")
    assert set(scalers) == {"ingest-worker", "trainer-worker"}
    assert scalers["ingest-worker"]["spec"]["minReplicas"] == 3
    assert scalers["ingest-worker"]["spec"]["maxReplicas"] == 12
    deployments = of_kind(found, "Deployment")
    assert {name for name, one in deployments.items() if "replicas" not in one["spec"]} == set(scalers)


def test_draining_nodes_takes_one_of_a_role_at_a_time(manifests: list[Manifest]):
    guards = of_kind(manifests, "PodDisruptionBudget")
    assert set(guards) == set(ROLES) - {"init"}
    assert all(guard["spec"]["maxUnavailable"] == 1 for guard in guards.values())


@pytest.mark.parametrize(
    ("where", "share", "modes", "ingress"),
    [
        ("minikube", "standard", ["ReadWriteOnce"], "nginx"),
        ("aks", "azurefile-csi", ["ReadWriteMany"], "webapprouting.kubernetes.azure.com"),
    ],
)
def test_an_overlay_says_where_the_share_is_and_who_takes_requests(
    tmp_path: Path, where: kubernetes.Overlay, share: str, modes: list[str], ingress: str
):
    found = resolve(written(tmp_path, where))
    claim = of_kind(found, "PersistentVolumeClaim")["share"]["spec"]
    assert (claim["storageClassName"], claim["accessModes"]) == (share, modes)
    assert of_kind(found, "Ingress")["web"]["spec"]["ingressClassName"] == ingress


def test_state_is_in_the_cluster_on_minikube_and_in_cosmos_on_aks(tmp_path: Path):
    local = resolve(written(tmp_path / "local", "minikube"))
    azure = resolve(written(tmp_path / "azure", "aks", names={"cassandra": "faces-account"}))
    assert set(of_kind(local, "StatefulSet")) == {"cassandra", "postgres"}
    assert set(of_kind(azure, "StatefulSet")) == {"postgres"}
    told = of_kind(azure, "ConfigMap")["faceproject"]["data"]
    assert told["CASSANDRA_CONTACT_POINTS"] == "faces-account.cassandra.cosmos.azure.com"
    assert (told["CASSANDRA_FLAVOUR"], told["CASSANDRA_TLS"]) == ("cosmos", "true")
    assert of_kind(local, "ConfigMap")["faceproject"]["data"]["CASSANDRA_CONTACT_POINTS"] == "cassandra"


def test_aks_wants_a_name_and_minikube_makes_one_up():
    with pytest.raises(DescriptionError, match="hostname"):
        kubernetes.render(described(hostname=""), "aks")
    ingress = kubernetes.render(described(hostname=""), "minikube")["base/web.yaml"]
    assert "host: faces.test" in ingress


def test_pictures_to_learn_from_are_those_of_the_image_or_none(tmp_path: Path):
    for data, source in (("sample_data", "/app/sample_data"), ("pictures", None), ("", None)):
        found = resolve(written(tmp_path / f"of-{data}", "minikube", data=data))
        told = {variable["name"]: variable.get("value") for variable in containers(found)["init"]["env"]}
        assert told.get("INIT_SOURCE") == source
