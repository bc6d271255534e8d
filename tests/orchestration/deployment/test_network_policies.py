"""Who may talk to whom, asked of the policies as a cluster would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestration.deployment import kubernetes
from orchestration.roles import ROLES
from tests.orchestration.deployment.kustomize import Manifest, resolve
from tests.orchestration.deployment.test_kubernetes import of_kind, pods, written


class Cluster:
    """Pods by name and the policies on them; both ends must allow a connection (networking/v1)."""

    def __init__(self, manifests: list[Manifest]) -> None:
        self._labels = {name: pod["metadata"]["labels"] for name, pod in pods(manifests)}
        self._policies = [one["spec"] for one in of_kind(manifests, "NetworkPolicy").values()]

    def may_talk(self, source: str, target: str, port: int) -> bool:
        """source, target: pods, or "internet"."""
        return self._allows("egress", source, target, port) and self._allows("ingress", target, source, port)

    def _allows(self, way: str, pod: str, other: str, port: int) -> bool:
        if pod == "internet":
            return True
        own = [
            one
            for one in self._policies
            if way.capitalize() in one["policyTypes"] and self._is(one["podSelector"], pod)
        ]
        assert own, f"{pod} is under no policy for {way}"
        return any(self._rule(rule, way, other, port) for one in own for rule in one[way])

    def _rule(self, rule: dict[str, Any], way: str, other: str, port: int) -> bool:
        peers = rule["to" if way == "egress" else "from"]
        return any(each["port"] == port for each in rule["ports"]) and any(self._peer(peer, other) for peer in peers)

    def _peer(self, peer: dict[str, Any], other: str) -> bool:
        if "ipBlock" in peer:
            return other == "internet"
        if "podSelector" in peer:
            return other != "internet" and self._is(peer["podSelector"], other)
        return other != "internet" and peer["namespaceSelector"] == {}  # anyone in the cluster; no labels here

    def _is(self, selector: dict[str, Any], pod: str) -> bool:
        labels = self._labels[pod]
        if any(labels.get(name) != value for name, value in selector.get("matchLabels", {}).items()):
            return False
        return all(labels.get(one["key"]) in one["values"] for one in selector.get("matchExpressions", ()))


@pytest.fixture(params=kubernetes.OVERLAYS)
def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Cluster:
    return Cluster(resolve(written(tmp_path, request.param, detector="embedded")))


@pytest.mark.parametrize("name", sorted(ROLES))
def test_redis_is_reached_by_whom_it_serves_and_never_by_the_web(cluster: Cluster, name: str):
    assert cluster.may_talk(name, "redis", 6379) is ROLES[name].needs_broker


def test_users_are_reached_by_web_and_init_alone(cluster: Cluster):
    assert {name for name in ROLES if cluster.may_talk(name, "postgres", 5432)} == {"web", "init"}


def test_the_state_repository_is_reached_by_every_role(tmp_path: Path):
    local = Cluster(resolve(written(tmp_path / "local", "minikube")))
    azure = Cluster(resolve(written(tmp_path / "azure", "aks")))
    assert all(local.may_talk(name, "cassandra", 9042) for name in ROLES)
    assert all(azure.may_talk(name, "internet", 10350) for name in ROLES)
    assert not local.may_talk("redis", "cassandra", 9042)


def test_pages_and_scores_are_given_to_whoever_asks(cluster: Cluster):
    assert cluster.may_talk("internet", "web", 8000) is False  # through the ingress controller, which is in the cluster
    assert cluster._allows("ingress", "web", "dispatcher", 8000)
    assert cluster._allows("ingress", "scorer", "dispatcher", 8000)
    assert not cluster._allows("ingress", "dispatcher", "web", 9100)


def test_only_what_fetches_pictures_asks_the_internet_unless_azure_finds_the_faces(cluster: Cluster, tmp_path: Path):
    assert {name for name in ROLES if cluster.may_talk(name, "internet", 443)} == {"ingest-worker"}
    asking = Cluster(resolve(written(tmp_path / "asking", "aks", detector="azure")))
    assert {name for name in ROLES if asking.may_talk(name, "internet", 443)} == {
        *("ingest-worker", "init", "scorer", "web")
    }


def test_servers_ask_nobody(cluster: Cluster):
    assert not any(cluster.may_talk(server, "internet", 443) for server in ("redis", "postgres"))
    assert not any(cluster.may_talk(server, "web", 8000) for server in ("redis", "postgres"))
