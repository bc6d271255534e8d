"""Workloads as container groups of Azure Container Instances: one a role, because an update restarts all of a group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from orchestration.azure.catalogue import machine_learning, network, services
from orchestration.azure.catalogue.place import Place
from orchestration.azure.comparison import secret
from orchestration.azure.container_group import ContainerGroup
from orchestration.azure.imported_image import IMPORTED, key_of
from orchestration.azure.nodes import Facts
from orchestration.azure.secret_book import LOG_KEY, REGISTRY_PASSWORD, STORAGE_KEY
from orchestration.deployment.workloads import SHARE, Container, Places, Workload, WorkloadBuilder

GROUPS: Final = "Microsoft.ContainerInstance/containerGroups"
#: What a group cannot change in place: it is deleted and made again.
#: https://learn.microsoft.com/azure/container-instances/container-instances-update#properties-that-require-container-delete
FIXED: Final = (
    *("containers.*.resources.*", "containers.*.ports*", "ipAddress*", "restartPolicy", "osType", "subnetIds*"),
    *("containers.redis", "containers.web", "containers.caddy"),
)
#: Where a public group is found, before it is there: its own answer is what counts.
PUBLIC_SUFFIX: Final = {"public": "azurecontainer.io", "government": "azurecontainer.us"}
#: Of probes, in seconds; a role loads models while it starts.
_START, _PERIOD, _TIMEOUT, _FAILURES = 20, 15, 10, 4


def nodes(place: Place, *, image: str) -> Iterator[ContainerGroup]:
    """One node a workload. image: the product's; "": what the node `image` says."""
    for workload in _workloads(place, None, image=image or "unknown"):
        yield _node(place, workload, image)


def _workloads(place: Place, facts: Facts | None, *, image: str) -> tuple[Workload, ...]:
    return WorkloadBuilder(place.said, _places(place, facts), image=image).all()


def _places(place: Place, facts: Facts | None) -> Places:
    """Where the servers are. facts None: it is asked for names and needs alone, not for addresses."""
    said, name = place.said, place.said.global_name("cassandra", longest=44)
    known, place_key = facts or Facts(), services.CASSANDRA_PLACE
    return Places(
        web_hosts=_web_hosts(place, known),
        redis_host="",  # within the secret REDIS_URL
        cassandra={
            "CASSANDRA_FLAVOUR": "cosmos",
            "CASSANDRA_KEYSPACE": services.KEYSPACE,
            "CASSANDRA_SIDE_KEYSPACE": services.SIDE_KEYSPACE,
            "CASSANDRA_USERNAME": name,
            **({"CASSANDRA_CONTACT_POINTS": facts.of(place_key, "host")} if facts else {}),
            **({"CASSANDRA_PORT": facts.of(place_key, "port")} if facts else {}),
        },
        cassandra_password=True,
        face_endpoint=str(known.of("face", "properties", "endpoint")) if facts and said.detector == "azure" else "",
    )


def _web_hosts(place: Place, facts: Facts) -> tuple[str, ...]:
    """The description's own name first, then the group's."""
    said = place.said
    address: Mapping[str, Any] = (facts.find("group:web") or {}).get("properties", {}).get("ipAddress") or {}
    guess = f"{said.global_name('web')}.{said.location}.{PUBLIC_SUFFIX[said.cloud]}"
    group = str(address.get("ip") or "localhost") if said.private else str(address.get("fqdn") or guess)
    return (said.hostname, group) if said.hostname else (group,)


def _node(place: Place, workload: Workload, image: str) -> ContainerGroup:
    def body(facts: Facts) -> dict[str, Any]:
        known = _workloads(place, facts, image=image or "unknown")
        same = next(each for each in known if each.name == workload.name)
        if not image:
            same = replace(same, containers=tuple(_pulled(each, facts) for each in same.containers))
        if _rolls_out(place, workload):
            (only,) = same.containers
            told, secrets = machine_learning.environment(place, facts, image=only.image)
            only = replace(only, environment={**only.environment, **told}, secrets={**only.secrets, **secrets})
            same = replace(same, containers=(only,))
        return _body(place, same, facts, own_registry=not image)

    return ContainerGroup(
        resource=place.resource(
            f"group:{workload.name}",
            "container group",
            GROUPS,
            f"{place.said.name}-{workload.name}",
            body=body,
            needs=tuple(_needs(place, workload, own_registry=not image)),
            replaced_on=("*",) if workload.role == "init" else FIXED,
            replaced_if_failed=True,
        ),
        workload=workload,
        private=place.said.private,
    )


def _pulled(container: Container, facts: Facts) -> Container:
    """With its image as the own registry has it."""
    key = key_of(container.name) if container.name in IMPORTED else "image"
    return replace(container, image=str(facts.of(key, "reference")))


def _needs(place: Place, workload: Workload, *, own_registry: bool) -> Iterator[str]:
    said = place.said
    yield from ("secrets", "logs", "share", "throughput", "throughput:side")
    if own_registry:
        yield "image"  # Redis, too: meanwhile the permission to pull, a moment old, comes to be known everywhere
        yield from (key_of(each.name) for each in workload.containers if each.name in IMPORTED)
    yield from ("face",) if said.detector == "azure" else ()
    yield from ("network",) if workload.network == "inside" or said.private else ()
    if said.users == "postgresql":
        yield "database" if said.private else "database-access"
    if said.private:
        present = {"cassandra", "storage", *(["postgresql"] if said.users == "postgresql" else [])}
        present |= {"face"} if said.detector == "azure" else set()
        yield from (f"endpoint-zone:{target}" for target in sorted(present))
    if workload.role == "init" and said.data:
        yield "training"
    if _rolls_out(place, workload):
        yield from ("ml-share", "ml-work")
    yield from (f"group:{name}" for name in workload.needs)


def _body(place: Place, workload: Workload, facts: Facts, *, own_registry: bool) -> dict[str, Any]:
    said = place.said
    properties: dict[str, Any] = {
        "osType": "Linux",
        "restartPolicy": "OnFailure" if workload.restart == "on-failure" else "Always",
        "containers": [_container(container) for container in workload.containers],
        "diagnostics": {
            "logAnalytics": {
                "workspaceId": facts.of("logs", "properties", "customerId"),
                "workspaceKey": secret(LOG_KEY),
                "logType": "ContainerInsights",
            }
        },
    }
    if any(container.mounts_share for container in workload.containers):
        share = {
            "shareName": services.SHARE,
            "storageAccountName": str(facts.of("storage", "id")).rsplit("/", 1)[-1],
            "storageAccountKey": secret(STORAGE_KEY),
        }
        properties["volumes"] = [{"name": "share", "azureFile": share}]
    if workload.network == "inside" or said.private:
        properties["subnetIds"] = [{"id": network.subnet_id(place)}]
    if address := _address(place, workload):
        properties["ipAddress"] = address
    body: dict[str, Any] = {"location": said.location, "properties": properties}
    if workload.role == "init" and said.data:  # other pictures: it is made again, and takes them in
        body["tags"] = {"faceproject-training": facts.of("training", "digest")}
    if own_registry:
        _pull(place, properties, facts)
    if (own_registry and said.cloud != "government") or _rolls_out(place, workload):
        known = services.identity_id(place)
        body["identity"] = {"type": "UserAssigned", "userAssignedIdentities": {known: {}}}
    return body


def _rolls_out(place: Place, workload: Workload) -> bool:
    """To Azure Machine Learning: the dispatcher's work."""
    return place.said.machine_learning.enabled and workload.role == "dispatcher"


def _address(place: Place, workload: Workload) -> dict[str, Any]:
    """Public for what people reach; in the network for what others there reach."""
    if workload.public_ports and not place.said.private:
        ports = workload.public_ports
        named = {"type": "Public", "dnsNameLabel": place.said.global_name("web")}
    else:
        ports = workload.public_ports or tuple(port for each in workload.containers for port in each.ports)
        named = {"type": "Private"}
    return {"ports": [{"port": port, "protocol": "TCP"} for port in ports], **named} if ports else {}


def _pull(place: Place, properties: dict[str, Any], facts: Facts) -> None:
    """How the group may pull from the deployment's own registry."""
    server = facts.of("registry", "properties", "loginServer")
    credential: dict[str, Any] = {"server": server, "identity": services.identity_id(place)}
    if place.said.cloud == "government":
        user = str(facts.of("registry", "id")).rsplit("/", 1)[-1]
        credential = {"server": server, "username": user, "password": secret(REGISTRY_PASSWORD)}
    properties["imageRegistryCredentials"] = [credential]


def _container(container: Container) -> dict[str, Any]:
    environment: list[dict[str, Any]] = [
        {"name": name, "value": value} for name, value in sorted(container.environment.items())
    ]
    environment += [{"name": name, "secureValue": secret(kept)} for name, kept in sorted(container.secrets.items())]
    properties: dict[str, Any] = {
        "image": container.image,
        "command": list(container.command),
        "environmentVariables": environment,
        "resources": {"requests": {"cpu": container.size.cpu, "memoryInGB": container.size.memory}},
    }
    if container.ports:
        properties["ports"] = [{"port": port, "protocol": "TCP"} for port in container.ports]
    if container.mounts_share:
        properties["volumeMounts"] = [{"name": "share", "mountPath": SHARE}]
    if container.ready:
        properties["readinessProbe"] = _probe(container.ready)
    if container.alive:
        properties["livenessProbe"] = _probe(container.alive)
    return {"name": container.name, "properties": properties}


def _probe(command: tuple[str, ...]) -> dict[str, Any]:
    return {
        "exec": {"command": list(command)},
        "initialDelaySeconds": _START,
        "periodSeconds": _PERIOD,
        "timeoutSeconds": _TIMEOUT,
        "failureThreshold": _FAILURES,
    }
