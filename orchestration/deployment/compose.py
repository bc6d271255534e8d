"""The workloads as a compose file: the whole product on one machine.

Each workload is a service named as its role; containers that stand beside its first one share that one's network, as
on Azure. Secrets are files, which Compose mounts at /run/secrets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from orchestration.deployment import servers
from orchestration.deployment.description import Description, Size
from orchestration.deployment.documents import document
from orchestration.deployment.servers import PRODUCT_USER, Role, Server
from orchestration.deployment.workloads import SHARE, TRAINING, WEB_PORT, Container, Places, WorkloadBuilder

FILE: Final = "compose.yaml"
#: The folder of the secrets, beside the file.
SECRETS: Final = "secrets"
#: Names of the product's image as it is built here, and of the port on this machine where the scorer answers.
BUILT_IMAGE: Final = "faceproject"
SCORER_PORT: Final = 8001
#: Of the file's folder, in docker/.
CHECKOUT: Final = PurePosixPath("..")
_COMMENT: Final = """\
The whole product on one machine. Written by `manage.py deploy --target compose`; change the description, not this file.

  docker/make-secrets        # once: passwords and keys, as files in {secrets}/ beside this file
  docker compose -f {file} up --build --detach

Then {address}. Networks: Redis is reached on `broker`, databases on `state`; neither leads outside.\
"""

Service = dict[str, Any]


def render(description: Description, *, checkout: PurePosixPath = CHECKOUT) -> dict[str, str]:
    """The compose file, by its name. checkout: the product's source, as seen from the file's folder."""
    databases = _databases(description)
    services: dict[str, Service] = {name: _database(server) for name, server in databases.items()}
    for role in _roles(description):
        services.update(_services(description, role, tuple(databases), checkout))
    content = {
        "name": description.name,
        "services": services,
        "networks": {"edge": {}, "state": {"internal": True}, "broker": {"internal": True}},
        "volumes": {name: {} for name in ("share", "cache", *databases)},
        "secrets": {name: {"file": f"./{SECRETS}/{name}"} for name in secret_names(description)},
    }
    comment = _COMMENT.format(file=FILE, secrets=SECRETS, address=f"https://{host(description)}/")
    return {FILE: document(content, comment=comment)}


def host(description: Description) -> str:
    """The name under which people reach the web."""
    return description.hostname or "localhost"


def secret_names(description: Description) -> tuple[str, ...]:
    """Secrets that must be there, as files."""
    databases = (server.container for server in _databases(description).values())
    ours = (part for role in _roles(description) for part in role.workload.containers)
    return tuple(sorted({key for container in (*databases, *ours) for key in container.secrets.values()}))


def _roles(description: Description) -> tuple[Role, ...]:
    places = Places(
        web_hosts=(host(description),),
        redis_host="redis",
        cassandra={"CASSANDRA_CONTACT_POINTS": "cassandra"},
        face_endpoint=servers.face_endpoint(description),
    )
    image = description.image.product or BUILT_IMAGE
    return servers.roles(WorkloadBuilder(description, places, image=image).all())


def _databases(description: Description) -> dict[str, Server]:
    found = {"cassandra": servers.cassandra(description)}
    if description.users == "postgresql":
        found["postgres"] = servers.postgres(description)
    return found


def _database(server: Server) -> Service:
    container = server.container
    return {
        **_of_container(container, user=server.user),
        "volumes": [f"{container.name}:{server.data}"],
        "networks": ["state"],
        "stop_grace_period": "120s",  # a database that is killed has more to do when it starts again
    }


def _services(
    description: Description, role: Role, databases: tuple[str, ...], checkout: PurePosixPath
) -> Iterator[tuple[str, Service]]:
    """The service of a role, and those of the containers beside it."""
    service = _of_container(role.main, user=PRODUCT_USER)
    service["networks"] = list(_networks(role))
    waits = {name: {"condition": "service_healthy"} for name in databases} if role.name == "init" else {}
    for need in role.workload.needs:
        done = "service_completed_successfully" if need == "init" else "service_healthy"
        waits[need] = {"condition": done}
    if waits:
        service["depends_on"] = waits
    if role.is_ours:
        service["environment"]["STOP_GRACE_SECONDS"] = str(servers.ROLE_GRACE_SECONDS)
        service["volumes"] += ["cache:/cache"]
    if role.name == "init":
        service["restart"] = "no"
        if not description.image.product:
            base = {"BASE_IMAGE": description.image.base}
            service["build"] = {"context": str(checkout), "dockerfile": "docker/Dockerfile", "args": base}
        if description.data:
            service["volumes"].append(f"{checkout / description.data}:{TRAINING}:ro")
    if role.count > 1:
        service["deploy"]["replicas"] = role.count
    if role.name == "scorer":
        service["ports"] = [f"127.0.0.1:{SCORER_PORT}:{WEB_PORT}"]
    if role.workload.public_ports:
        service["ports"] = [_published(port, description) for port in role.workload.public_ports]
        service["sysctls"] = {"net.ipv4.ip_unprivileged_port_start": 0}  # ports below 1024, without being root
    if role.name == "web" and not description.hostname:
        service["environment"]["SECURE_HSTS_SECONDS"] = "0"  # nobody wants https of all of localhost for a year
    yield role.name, service
    for beside in role.workload.containers[1:]:
        yield (
            beside.name,
            {
                **_of_container(beside, user=PRODUCT_USER),
                "network_mode": f"service:{role.name}",
                "cap_add": ["NET_BIND_SERVICE"],  # the program's file asks for it, and does not start without
                "depends_on": {role.name: {"condition": "service_started"}},
            },
        )


def _networks(role: Role) -> Iterator[str]:
    if role.is_ours:
        yield "state"
    if role.uses_broker or not role.is_ours:
        yield "broker"
    if role.goes_outside or role.name in {"web", "scorer"}:
        yield "edge"


def _published(port: int, description: Description) -> str:
    """To the world under a name that it knows; else to this machine."""
    return f"{port}:{port}" if description.hostname else f"127.0.0.1:{port}:{port}"


def _of_container(container: Container, *, user: int) -> Service:
    """What every service has."""
    service: Service = {"image": container.image, "restart": "unless-stopped", "user": str(user)}
    service |= _commands(container)
    service["environment"] = dict(container.environment)
    if container.secrets:
        if not _reads_in_shell(container):
            service["environment"] |= {f"{name}_FILE": f"/run/secrets/{key}" for name, key in container.secrets.items()}
        service["secrets"] = sorted(set(container.secrets.values()))
    if not service["environment"]:
        del service["environment"]
    service["deploy"] = {"resources": {"limits": _limits(container.size)}}
    service["stop_grace_period"] = f"{servers.GRACE_SECONDS}s"
    service["cap_drop"] = ["ALL"]
    service["security_opt"] = ["no-new-privileges:true"]
    if container.name != "cassandra":  # it writes its configuration when it starts
        service["read_only"] = True
        service["tmpfs"] = ["/tmp", *_SCRATCH.get(container.name, _OURS if container.mounts_share else ())]  # noqa: S108
    if container.mounts_share:
        service["volumes"] = [f"share:{SHARE}"]
    return service


#: Folders that programs write and nobody keeps.
_OURS: Final = ("/state",)
_SCRATCH: Final = {"postgres": ("/var/run/postgresql",), "caddy": ("/config",)}


def _commands(container: Container) -> Service:
    """Command and health check. The product keeps its image's entry point, for `run web createsuperuser`."""
    words: Service = {}
    entry, *rest = container.command or ("",)
    if entry == "/app/docker/role":
        words["command"] = rest
    elif container.command:
        words["entrypoint"] = [_literal(word) for word in _with_secrets(container, container.command)]
    if container.ready:
        words["healthcheck"] = {
            "test": ["CMD", *(_literal(word) for word in _with_secrets(container, container.ready))],
            "interval": "10s",
            "timeout": "15s" if container.name == "cassandra" else "5s",
            "retries": 12,
            "start_period": "60s",
        }
    return words


def _reads_in_shell(container: Container) -> bool:
    """Whether it wants its secrets in variables, and has a shell that can put them there."""
    return container.command[:2] == ("sh", "-c")


def _with_secrets(container: Container, command: tuple[str, ...]) -> tuple[str, ...]:
    """A shell's script that reads its secrets from files first."""
    if not (_reads_in_shell(container) and command[:2] == ("sh", "-c")):
        return command
    reading = "".join(f'{name}="$(cat /run/secrets/{key})"; ' for name, key in container.secrets.items())
    return (*command[:2], reading + command[2])


def _literal(word: str) -> str:
    """Compose puts variables in where it sees a dollar."""
    return word.replace("$", "$$")


def _limits(size: Size) -> Mapping[str, str]:
    return {"cpus": f"{size.cpu:g}", "memory": f"{round(size.memory * 1024)}M"}
