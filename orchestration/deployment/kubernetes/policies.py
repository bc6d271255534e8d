"""Who may talk to whom: nobody, but for what stands here. The web never talks to Redis."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from orchestration.deployment.kubernetes.pods import Manifest, labels, metadata
from orchestration.deployment.servers import POSTGRES_PORT, Role
from orchestration.deployment.workloads import DATABASE_URL, PROBE_PORT, REDIS_PORT, WEB_PORT

#: Pods of any namespace, and the namespace whose Prometheus may read metrics.
_ANYONE: Manifest = {"namespaceSelector": {}}
_MONITORING: Manifest = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
_PRODUCT: Manifest = {"matchLabels": {"faceproject/product": "yes"}}
#: Addresses that are nobody's on the internet: pods, nodes, and where clouds hand out the node's credentials.
_PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"]
INTERNET: Manifest = {"ipBlock": {"cidr": "0.0.0.0/0", "except": _PRIVATE}}


def policies(roles: Iterable[Role]) -> Iterator[Manifest]:
    """Of the base; overlays add the way to their state repository."""
    roles = tuple(roles)
    yield policy("nobody", {}, ingress=[], egress=[])
    names: list[Any] = [{"port": 53, "protocol": protocol} for protocol in ("UDP", "TCP")]
    yield policy("names", {}, egress=[{"to": [_ANYONE], "ports": names}])
    yield policy("metrics", _PRODUCT, ingress=[{"from": [_MONITORING], "ports": [tcp(PROBE_PORT)]}])
    for name in ("web", "scorer"):  # from the ingress controller, wherever it is; from other systems in the cluster
        yield policy(name, only(name), ingress=[{"from": [_ANYONE], "ports": [tcp(WEB_PORT)]}])
    yield from _way("redis", REDIS_PORT, [role.name for role in roles if role.uses_broker])
    users = [role.name for role in roles if DATABASE_URL in role.main.secrets.values()]
    if users:
        yield from _way("postgres", POSTGRES_PORT, users)
    outside = [role.name for role in roles if role.goes_outside]
    yield policy("internet", among(outside), egress=[{"to": [INTERNET], "ports": [tcp(80), tcp(443)]}])


def product_to(name: str, port: int) -> Iterator[Manifest]:
    """From all of the product's pods to a server in the namespace."""
    yield policy(name, only(name), ingress=[{"from": [{"podSelector": _PRODUCT}], "ports": [tcp(port)]}])
    server: Manifest = {"podSelector": only(name)}
    yield policy(f"to-{name}", _PRODUCT, egress=[{"to": [server], "ports": [tcp(port)]}])


def product_to_outside(name: str, port: int) -> Manifest:
    """From all of the product's pods to a service whose addresses are not known, public or private."""
    return policy(f"to-{name}", _PRODUCT, egress=[{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [tcp(port)]}])


def _way(name: str, port: int, clients: list[str]) -> Iterator[Manifest]:
    yield policy(name, only(name), ingress=[{"from": [{"podSelector": among(clients)}], "ports": [tcp(port)]}])
    yield policy(f"to-{name}", among(clients), egress=[{"to": [{"podSelector": only(name)}], "ports": [tcp(port)]}])


def policy(name: str, pods: Manifest, **rules: list[Any]) -> Manifest:
    """rules: ingress, egress; an empty list allows nothing."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(name),
        "spec": {"podSelector": pods, "policyTypes": [kind.capitalize() for kind in rules], **rules},
    }


def only(name: str) -> Manifest:
    """Selects the pods of one role or server."""
    return {"matchLabels": labels(name)}


def among(names: Iterable[str]) -> Manifest:
    """Selects those of several."""
    chosen = {"key": "app.kubernetes.io/name", "operator": "In", "values": list(names)}
    return {"matchExpressions": [chosen]}


def tcp(port: int) -> Manifest:
    """A port of a rule."""
    return {"port": port, "protocol": "TCP"}
