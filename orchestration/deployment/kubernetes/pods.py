"""Pods: containers with probes, limits, rights and folders, as Deployments, a StatefulSet and a Job have them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from orchestration.deployment.description import Size
from orchestration.deployment.servers import GRACE_SECONDS, PRODUCT_USER, Role, Server
from orchestration.deployment.workloads import CASSANDRA_PASSWORD, SHARE, Container

Manifest = dict[str, Any]

#: Names of what pods refer to.
CONFIGURATION: Final = "faceproject"
SECRET: Final = "faceproject"  # noqa: S105 - a name
SHARE_CLAIM: Final = "share"
#: Secrets that only some overlays have.
_OPTIONAL: Final = frozenset({CASSANDRA_PASSWORD})
#: Folders that programs write and nobody keeps, beside /tmp; of a container that mounts the share, the product's.
_OURS: Final = ("/state", "/cache")
_SCRATCH: Final = {"postgres": ("/var/run/postgresql",)}
#: What is reserved, of what is allowed at most: most of the time a role waits.
_RESERVED: Final = 0.25


def labels(name: str) -> dict[str, str]:
    """By which Services, policies and people find the pods of a role."""
    return {"app.kubernetes.io/part-of": "faceproject", "app.kubernetes.io/name": name}


def metadata(name: str, **more: Any) -> Manifest:
    """Of anything that is named."""
    return {"name": name, "labels": labels(name), **more}


def role_pod(role: Role, common: Mapping[str, str]) -> Manifest:
    """The template of a role's pods. common: what the ConfigMap says, to each."""
    container = role.main
    own = {name: value for name, value in container.environment.items() if common.get(name) != value}
    return _pod(
        role.name,
        _container(container, environment=own, configured=role.is_ours),
        user=PRODUCT_USER,
        volumes=[{"name": "share", "persistentVolumeClaim": {"claimName": SHARE_CLAIM}}] if role.is_ours else [],
        more={"faceproject/product": "yes"} if role.is_ours else {},
    )


def server_pod(server: Server) -> Manifest:
    """The template of a database's pod; its disk is called `data`."""
    container = _container(server.container, environment=server.container.environment)
    container["volumeMounts"] = [*container.get("volumeMounts", ()), {"name": "data", "mountPath": server.data}]
    return _pod(server.container.name, container, user=server.user, volumes=[], more={})


def _pod(name: str, container: Manifest, *, user: int, volumes: list[Manifest], more: Mapping[str, str]) -> Manifest:
    scratch = [mount["name"] for mount in container.get("volumeMounts", ()) if mount["name"].startswith("scratch")]
    return {
        "metadata": {"labels": labels(name) | dict(more)},
        "spec": {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,  # they set CASSANDRA_PORT and REDIS_PORT to addresses; settings want numbers
            "terminationGracePeriodSeconds": GRACE_SECONDS,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": user,
                "runAsGroup": user,
                "fsGroup": user,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": [*volumes, *({"name": name, "emptyDir": {}} for name in scratch)],
        },
    }


def _container(container: Container, *, environment: Mapping[str, str], configured: bool = False) -> Manifest:
    """configured: it gets the variables of the ConfigMap too."""
    read_only = container.name != "cassandra"  # it writes its configuration when it starts
    made: Manifest = {"name": container.name, "image": container.image}
    if container.command:
        made["command"] = list(container.command)
    if configured:
        made["envFrom"] = [{"configMapRef": {"name": CONFIGURATION}}]
    made["env"] = [
        *({"name": name, "value": value} for name, value in environment.items()),
        *(_secret(name, key) for name, key in container.secrets.items()),
    ]
    made["ports"] = [{"containerPort": port} for port in container.ports]
    made |= _probes(container)
    made["resources"] = _resources(container.size)
    made["securityContext"] = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": read_only,
        "capabilities": {"drop": ["ALL"]},
    }
    mounts = [{"name": "share", "mountPath": SHARE}] if container.mounts_share else []
    if read_only:
        folders = ("/tmp", *_SCRATCH.get(container.name, _OURS if container.mounts_share else ()))  # noqa: S108
        mounts += [{"name": f"scratch-{number}", "mountPath": folder} for number, folder in enumerate(folders)]
    made["volumeMounts"] = mounts
    return {key: value for key, value in made.items() if value != []}


def _secret(variable: str, key: str) -> Manifest:
    reference: Manifest = {"name": SECRET, "key": key}
    if key in _OPTIONAL:
        reference["optional"] = True
    return {"name": variable, "valueFrom": {"secretKeyRef": reference}}


def _probes(container: Container) -> Manifest:
    """Five minutes to start in; then away from visitors after half a minute, and started again after one."""
    if not container.ready:
        return {}

    def asked(command: Iterable[str], seconds: int, failures: int) -> Manifest:
        return {
            "exec": {"command": list(command)},
            "periodSeconds": seconds,
            "timeoutSeconds": 15 if container.name == "cassandra" else 5,
            "failureThreshold": failures,
        }

    return {
        "startupProbe": asked(container.alive, 5, 60),
        "readinessProbe": asked(container.ready, 10, 3),
        "livenessProbe": asked(container.alive, 20, 3),
    }


def _resources(size: Size) -> Manifest:
    memory = f"{round(size.memory * 1024)}Mi"
    return {
        "requests": {"cpu": f"{round(size.cpu * 1000 * _RESERVED)}m", "memory": memory},
        "limits": {"cpu": f"{round(size.cpu * 1000)}m", "memory": memory},
    }
