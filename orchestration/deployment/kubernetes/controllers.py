"""What keeps pods running: Deployments, StatefulSets, the Job of init, and what scales, guards and names them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Final

from orchestration.deployment.kubernetes.pods import Manifest, labels, metadata
from orchestration.deployment.servers import Role

#: Roles that are scaled by how busy they are, with the most there may be: so many times what was asked for.
SCALED: Final = frozenset({"ingest-worker", "trainer-worker"})
_MOST: Final = 4
_BUSY_PERCENT: Final = 70
#: Seconds that an ended init is kept for its log.
_KEPT_SECONDS: Final = 7 * 86_400


def deployment(role: Role, pod: Manifest) -> Manifest:
    """Scaled roles say no number: it would undo what the scaler did each time this is applied."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(role.name),
        "spec": {
            **({} if role.name in SCALED else {"replicas": role.count}),
            "selector": {"matchLabels": labels(role.name)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": pod,
        },
    }


def job(name: str, pod: Manifest) -> Manifest:
    """A Job's pod cannot be changed later: its name follows from it, so that a new version runs init again."""
    pod["spec"]["restartPolicy"] = "OnFailure"
    version = sha256(json.dumps(pod, sort_keys=True).encode()).hexdigest()[:8]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {**metadata(f"{name}-{version}"), "labels": labels(name)},
        "spec": {"backoffLimit": 10, "ttlSecondsAfterFinished": _KEPT_SECONDS, "template": pod},
    }


def stateful_set(name: str, pod: Manifest, *, gib: int) -> Manifest:
    """One server with a disk of its own, of the cluster's default class."""
    disk = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": f"{gib}Gi"}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata(name),
        "spec": {
            "serviceName": name,
            "replicas": 1,
            "selector": {"matchLabels": labels(name)},
            "template": pod,
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": disk}],
        },
    }


def service(name: str, port: int, *, headless: bool = False) -> Manifest:
    """The name by which others reach it. headless: the pod's own address, for a StatefulSet."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(name),
        "spec": {
            **({"clusterIP": "None"} if headless else {}),
            "selector": labels(name),
            "ports": [{"port": port, "targetPort": port, "protocol": "TCP"}],
        },
    }


def around(role: Role) -> Iterator[Manifest]:
    """A scaler, and a guard against taking several of it away at a time when nodes are drained."""
    if role.name in SCALED:
        metric = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": _BUSY_PERCENT}}
        yield {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": metadata(role.name),
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": role.name},
                "minReplicas": role.count,
                "maxReplicas": role.count * _MOST,
                "metrics": [{"type": "Resource", "resource": metric}],
            },
        }
    if role.is_ours:
        yield {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": metadata(role.name),
            "spec": {"maxUnavailable": 1, "selector": {"matchLabels": labels(role.name)}},
        }
