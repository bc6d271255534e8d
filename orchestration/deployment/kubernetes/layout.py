"""The files: `base` is what every cluster runs, an overlay what one kind of cluster has of its own.

Overlays change the base by patches of mappings alone, never inside lists, so that what they give is easy to see.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, Literal

from orchestration.deployment import servers
from orchestration.deployment.description import Description
from orchestration.deployment.documents import document
from orchestration.deployment.errors import DescriptionError
from orchestration.deployment.kubernetes import controllers, policies
from orchestration.deployment.kubernetes.pods import (
    CONFIGURATION,
    SECRET,
    SHARE_CLAIM,
    Manifest,
    metadata,
    role_pod,
    server_pod,
)
from orchestration.deployment.servers import CASSANDRA_PORT, POSTGRES_PORT, ROLE_GRACE_SECONDS, Role
from orchestration.deployment.workloads import (
    CASSANDRA_PASSWORD,
    REDIS_PORT,
    WEB_PORT,
    Container,
    Places,
    WorkloadBuilder,
)
from personas.version import VERSION

Overlay = Literal["minikube", "aks"]
OVERLAYS: Final[tuple[Overlay, ...]] = ("minikube", "aks")
#: Of Azure Cosmos DB for Apache Cassandra.
COSMOS_PORT: Final = 10350
#: GiB of the databases' disks; Cassandra's is of minikube alone.
POSTGRES_GIB, CASSANDRA_GIB = 8, 20
#: Where the image has the pictures that the repository brings.
SAMPLE_DATA, SAMPLE_DATA_PLACE = "sample_data", "/app/sample_data"
#: What stands for a value in the example of the Secret.
PLACEHOLDER: Final = "REPLACE"

_HEAD: Final = "Written by `manage.py deploy --target kubernetes`; change the description, not this file."
_SECRET_COMMENT: Final = f"""\
{_HEAD}
What the Secret has in it; kustomize leaves this file out. `manage.py deploy` makes values and applies them. By hand:
  docker/make-secrets FOLDER
  kubectl --namespace {{name}} create secret generic {SECRET} --from-file=FOLDER\
"""
_OF_CLASS: Final[dict[Overlay, tuple[str, list[str], str]]] = {  # of the share; its modes; of the ingress
    "minikube": ("standard", ["ReadWriteOnce"], "nginx"),  # one node: all its pods may mount it
    "aks": ("azurefile-csi", ["ReadWriteMany"], "webapprouting.kubernetes.azure.com"),
}


def image(description: Description, overlay: Overlay) -> str:
    """The product's image as the cluster pulls it."""
    if description.image.product:
        return description.image.product
    built = f"{description.name}:{VERSION}"
    return built if overlay == "minikube" else f"{servers.registry(description)}/{built}"


def host(description: Description, overlay: Overlay) -> str:
    """The name under which people reach the web. Raises DescriptionError."""
    if description.hostname:
        return description.hostname
    if overlay == "aks":
        raise DescriptionError("hostname: must be given for aks: the name that its certificate is for.")
    return f"{description.name}.test"  # a top level that no resolver of the world ever answers (RFC 6761)


def render(description: Description, overlay: Overlay) -> dict[str, str]:
    """The files by path: `base/…` and `overlays/NAME/…`. Raises DescriptionError."""
    places = Places(
        web_hosts=(host(description, overlay),),
        redis_host="redis",
        cassandra={},  # the overlay's
        cassandra_password=True,
        face_endpoint=servers.face_endpoint(description),
    )
    workloads = WorkloadBuilder(description, places, image=image(description, overlay)).all()
    roles = tuple(_here(role, description) for role in servers.roles(workloads))
    base, top = _base(description, roles, host(description, overlay)), _overlay(description, overlay)
    files = {f"base/{path}": text for path, text in base.items()}
    return files | {f"overlays/{overlay}/{path}": text for path, text in top.items()}


def _here(role: Role, description: Description) -> Role:
    """TLS ends at the Ingress: nothing stands beside the web. Folders that are not in the image come later."""
    main = role.main
    environment = dict(main.environment)
    if role.name == "init" and description.data != SAMPLE_DATA:
        environment.pop("INIT_SOURCE", None)
    elif role.name == "init":
        environment["INIT_SOURCE"] = SAMPLE_DATA_PLACE
    ports = (WEB_PORT,) if role.name == "web" else main.ports
    return replace(
        role,
        workload=replace(role.workload, containers=(replace(main, environment=environment, ports=ports),)),
    )


def _common(roles: tuple[Role, ...]) -> dict[str, str]:
    """What all of the product's containers are told."""
    each = [role.main.environment for role in roles if role.is_ours]
    shared = {name: value for name, value in each[0].items() if all(one.get(name) == value for one in each)}
    return shared | {"STOP_GRACE_SECONDS": str(ROLE_GRACE_SECONDS)}


def _base(description: Description, roles: tuple[Role, ...], host: str) -> dict[str, str]:
    common = _common(roles)
    manifests: dict[str, list[Manifest]] = {
        "namespace": [_namespace(description)],
        "configuration": [_configuration(common)],
        "share": [_share(description)],
        "network-policies": list(policies.policies(roles)),
    }
    for role in roles:
        pod = role_pod(role, common)
        if role.name == "init":
            manifests[role.name] = [controllers.job(role.name, pod)]
            continue
        manifests[role.name] = [controllers.deployment(role, pod), *controllers.around(role)]
    manifests["redis"].append(controllers.service("redis", REDIS_PORT))
    manifests["scorer"].append(controllers.service("scorer", WEB_PORT))
    manifests["web"] += [controllers.service("web", WEB_PORT), _ingress(host)]
    if description.users == "postgresql":
        postgres = servers.postgres(description)
        manifests["postgres"] = [
            controllers.stateful_set("postgres", server_pod(postgres), gib=POSTGRES_GIB),
            controllers.service("postgres", POSTGRES_PORT, headless=True),
        ]
    return _written(description, manifests) | {"secret.example.yaml": _example(description, roles)}


def _overlay(description: Description, overlay: Overlay) -> dict[str, str]:
    share, modes, ingress = _OF_CLASS[overlay]
    local = overlay == "minikube"
    where = {"CASSANDRA_CONTACT_POINTS": "cassandra"} if local else servers.cosmos(description)
    if local:
        state = [
            controllers.stateful_set("cassandra", server_pod(servers.cassandra(description)), gib=CASSANDRA_GIB),
            controllers.service("cassandra", CASSANDRA_PORT, headless=True),
            *policies.product_to("cassandra", CASSANDRA_PORT),
        ]
    else:
        state = [policies.product_to_outside("cosmos", COSMOS_PORT)]
    patches = {
        "configuration": {**_named("v1", "ConfigMap", CONFIGURATION), "data": where},
        "share": {
            **_named("v1", "PersistentVolumeClaim", SHARE_CLAIM),
            "spec": {"storageClassName": share, "accessModes": modes},
        },
        "ingress": {**_named("networking.k8s.io/v1", "Ingress", "web"), "spec": {"ingressClassName": ingress}},
    }
    return _written(description, {"state": state}, base="../../base", patches=patches)


def _written(
    description: Description,
    manifests: Mapping[str, list[Manifest]],
    *,
    base: str = "",
    patches: Mapping[str, Manifest] | None = None,
) -> dict[str, str]:
    """Each list of manifests as a file, patches likewise, and the kustomization that names them."""
    content: dict[str, Any] = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": description.name,
        "resources": [*([base] if base else []), *(f"{name}.yaml" for name in manifests)],
    }
    files = {f"{name}.yaml": document(*parts, comment=_HEAD) for name, parts in manifests.items()}
    if patches:
        content["patches"] = [{"path": f"patch-{name}.yaml"} for name in patches]
        files |= {f"patch-{name}.yaml": document(patch, comment=_HEAD) for name, patch in patches.items()}
    return files | {"kustomization.yaml": document(content, comment=_HEAD)}


def _named(version: str, kind: str, name: str) -> Manifest:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}}


def _namespace(description: Description) -> Manifest:
    """The strictest of Kubernetes' own standards for pods holds in it."""
    strict = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    name = description.name
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": strict}}


def _configuration(common: Mapping[str, str]) -> Manifest:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(CONFIGURATION), "data": dict(common)}


def _share(description: Description) -> Manifest:
    """Originals, artefacts: all roles read and write it. The overlay says of which class it is."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata(SHARE_CLAIM),
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": f"{description.sku.share_gib}Gi"}},
        },
    }


def _ingress(host: str) -> Manifest:
    backend = {"service": {"name": "web", "port": {"number": WEB_PORT}}}
    unlimited = {"nginx.ingress.kubernetes.io/proxy-body-size": "0"}  # the product has limits of its own
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": metadata("web", annotations=unlimited),
        "spec": {
            "tls": [{"hosts": [host], "secretName": "faceproject-tls"}],
            "rules": [{"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}],
        },
    }


def secret_names(description: Description, overlay: Overlay) -> tuple[str, ...]:
    """Keys that the Secret of a cluster must have."""
    places = Places(web_hosts=("",), redis_host="redis", cassandra={}, cassandra_password=overlay == "aks")
    containers = [part for one in WorkloadBuilder(description, places, image="").all() for part in one.containers]
    if description.users == "postgresql":
        containers.append(servers.postgres(description).container)
    return _keys(containers)


def _keys(containers: list[Container]) -> tuple[str, ...]:
    return tuple(sorted({key for container in containers for key in container.secrets.values()}))


def _example(description: Description, roles: tuple[Role, ...]) -> str:
    containers = [role.main for role in roles]
    if description.users == "postgresql":
        containers.append(servers.postgres(description).container)
    of_cosmos = {CASSANDRA_PASSWORD: f"{PLACEHOLDER} (the account's key; aks alone)"}
    values = {key: of_cosmos.get(key, PLACEHOLDER) for key in _keys(containers)}
    secret = {**_named("v1", "Secret", SECRET), "type": "Opaque", "stringData": values}
    return document(secret, comment=_SECRET_COMMENT.format(name=description.name))
