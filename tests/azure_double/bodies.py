"""Container groups as bodies of Azure, for tests of the runtime alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestration.deployment.workloads import SHARE, Container, Workload

GROUPS = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerInstance/containerGroups"


def container_body(
    name: str, command: list[str], *, image: str = "docker.io/library/redis:8", **properties: Any
) -> dict[str, Any]:
    """A container that runs a command of this machine."""
    return {"name": name, "properties": {"image": image, "command": command, **properties}}


def group_body(name: str, *containers: Mapping[str, Any], **properties: Any) -> dict[str, Any]:
    """A group as the double hands it to a runtime."""
    return {"id": f"{GROUPS}/{name}", "properties": {"containers": list(containers), **properties}}


def workload_body(workload: Workload, secrets: Mapping[str, str], *, account: str, share: str) -> dict[str, Any]:
    """A workload of the product. secrets: values by their names."""
    ports = workload.public_ports or tuple(port for each in workload.containers for port in each.ports)
    return group_body(
        workload.name,
        *(_container(each, secrets) for each in workload.containers),
        restartPolicy="OnFailure" if workload.restart == "on-failure" else "Always",
        ipAddress={
            "type": "Public" if workload.public_ports else "Private",
            "ports": [{"port": each} for each in ports],
        },
        volumes=[{"name": "share", "azureFile": {"storageAccountName": account, "shareName": share}}],
    )


def _container(container: Container, secrets: Mapping[str, str]) -> dict[str, Any]:
    plain = [{"name": name, "value": value} for name, value in container.environment.items()]
    secret = [{"name": name, "secureValue": secrets[key]} for name, key in container.secrets.items()]
    probes = {
        kind: {"exec": {"command": list(command)}, "periodSeconds": period, "failureThreshold": 12}
        for kind, command, period in (("readinessProbe", container.ready, 1), ("livenessProbe", container.alive, 10))
        if command
    }
    return container_body(
        container.name,
        list(container.command),
        image=container.image,
        environmentVariables=plain + secret,
        ports=[{"port": port} for port in container.ports],
        volumeMounts=[{"name": "share", "mountPath": SHARE}] if container.mounts_share else [],
        **probes,
    )
