"""The workloads of a deployment: which containers run, with what environment, and who may talk to whom.

The one place that says so. Azure makes container groups of it, Compose services, Kubernetes Deployments; each fills
`Places` with where its own databases lie, and each keeps the secrets, which appear here by name alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from orchestration.deployment.description import Description, Size

#: Where containers find the share (originals, artefacts, training set) and their own disk.
SHARE: Final = "/share"
MEDIA: Final = f"{SHARE}/media"
TRAINING: Final = f"{SHARE}/training"
CERTIFICATES: Final = f"{SHARE}/caddy"
#: Ports inside the containers. Every role answers probes at PROBE_PORT (docker/Dockerfile).
WEB_PORT: Final = 8000
PROBE_PORT: Final = 9100
REDIS_PORT: Final = 6379
#: Secrets by name, as vaults and files call them. What makes each is said where it is made.
SECRET_KEY: Final = "secret-key"  # noqa: S105 - names, not values, here and below
ADMIN_PASSWORD: Final = "admin-password"  # noqa: S105
DATABASE_URL: Final = "database-url"
POSTGRES_PASSWORD: Final = "postgres-password"  # noqa: S105
REDIS_PASSWORD: Final = "redis-password"  # noqa: S105
REDIS_URL: Final = "redis-url"
SCORER_TOKEN: Final = "scorer-token"  # noqa: S105
CASSANDRA_PASSWORD: Final = "cassandra-password"  # noqa: S105
FACE_KEY: Final = "face-key"
#: Who may reach a workload, and whom it may reach: `inside` is the workers' network, `public` the world.
Network = Literal["inside", "public"]
Restart = Literal["always", "on-failure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the servers of one target are. Empty: the product's default, or not there."""

    web_hosts: tuple[str, ...]  #: names under which people reach the web
    redis_host: str
    cassandra: Mapping[str, str]  #: CASSANDRA_CONTACT_POINTS and its kin
    cassandra_password: bool = False  #: there is one (secret CASSANDRA_PASSWORD)
    face_endpoint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container. `secrets`: variable to name of the secret. `ready` and `alive`: commands that end with 0."""

    name: str
    image: str
    command: tuple[str, ...]  #: in place of the image's entry point
    size: Size
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    ready: tuple[str, ...] = ()
    alive: tuple[str, ...] = ()
    mounts_share: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Containers that start and end together."""

    name: str  #: "web", "ingest-0"
    role: str  #: of orchestration.roles, or "redis"
    containers: tuple[Container, ...]
    network: Network
    restart: Restart = "always"
    needs: tuple[str, ...] = ()  #: workloads that must be ready (or have ended well) before
    public_ports: tuple[int, ...] = ()


class WorkloadBuilder:
    """Makes the workloads of one description at one target's places."""

    def __init__(self, description: Description, places: Places, *, image: str) -> None:
        """image: the product's, as the target pulls it."""
        self._said, self._places, self._image = description, places, image

    def all(self) -> tuple[Workload, ...]:
        """In an order in which they can be started."""
        return tuple(self._each())

    def _each(self) -> Iterator[Workload]:
        said = self._said
        yield self.redis()
        yield self.init()
        yield self._inside("dispatcher", "dispatcher", said.size.dispatcher)
        for number in range(said.scale.trainer):
            yield self._inside(f"trainer-{number}", "trainer-worker", said.size.trainer)
        for number in range(said.scale.ingest):
            yield self._inside(f"ingest-{number}", "ingest-worker", said.size.ingest)
        yield self.scorer()
        yield self.web()

    def redis(self) -> Workload:
        """Messages are hints and may be lost: nothing is written to a disk. The password comes by standard input: an
        argument would stand in every list of processes.
        """
        server = (
            'exec redis-server --save "" --appendonly no --maxmemory-policy noeviction - <<END\n'
            'requirepass "$REDIS_PASSWORD"\n'
            "END\n"
        )
        ping = 'REDISCLI_AUTH="$REDIS_PASSWORD" redis-cli ping | grep -q PONG'
        container = Container(
            name="redis",
            image=self._said.image.redis,
            command=("sh", "-c", server),
            size=self._said.size.redis,
            secrets={"REDIS_PASSWORD": REDIS_PASSWORD},
            ports=(REDIS_PORT,),
            ready=("sh", "-c", ping),
            alive=("sh", "-c", ping),
        )
        return Workload(name="redis", role="redis", containers=(container,), network="inside")

    def init(self) -> Workload:
        """Prepares databases, takes in the training set, fits a first version; ends."""
        container = self._role(
            "init",
            self._said.size.init,
            environment=({"INIT_SOURCE": TRAINING} if self._said.data else {}) | self._detection(),
            secrets={"ADMIN_PASSWORD": ADMIN_PASSWORD} | self._face_key(),
            knows_users=True,
            probed=False,
        )
        return Workload(name="init", role="init", containers=(container,), network="public", restart="on-failure")

    def scorer(self) -> Workload:
        """Scores faces over HTTP for the other systems in the network."""
        container = self._role(
            "scorer",
            self._said.size.scorer,
            environment={
                "ALLOWED_HOSTS": "*",
                **self._detection(),
            },  # its address is not known before; it wants a token
            secrets={"SCORER_TOKEN": SCORER_TOKEN} | self._face_key(),
            ports=(WEB_PORT,),
        )
        return Workload(name="scorer", role="scorer", containers=(container,), network="inside", needs=("init",))

    def web(self) -> Workload:
        """The pages, with TLS before them. It never talks to Redis."""
        bootstrap, hosts = self._said.users == "bootstrap", self._places.web_hosts
        container = self._role(
            "web",
            self._said.size.web,
            environment={
                "ALLOWED_HOSTS": ",".join(hosts),
                "CSRF_TRUSTED_ORIGINS": ",".join(f"https://{host}" for host in hosts),
                **self._detection(),
            },
            secrets=self._face_key() | ({"ADMIN_PASSWORD": ADMIN_PASSWORD} if bootstrap else {}),
            knows_users=True,
        )
        caddy = Container(
            name="caddy",
            image=self._said.image.caddy,
            command=_proxy(hosts),
            size=self._said.size.caddy,
            environment={"XDG_DATA_HOME": CERTIFICATES},  # certificates outlive the container: issuers limit new ones
            ports=(80, 443),
            mounts_share=True,
        )
        return Workload(
            name="web",
            role="web",
            containers=(container, caddy),
            network="public",
            needs=("init",),
            public_ports=(80, 443),
        )

    def _inside(self, name: str, role: str, size: Size) -> Workload:
        """A role that takes tasks from Redis."""
        detects = role == "ingest-worker"
        container = self._role(
            role,
            size,
            environment=self._detection() if detects else {},
            secrets={"REDIS_URL": REDIS_URL} | (self._face_key() if detects else {}),
        )
        return Workload(name=name, role=role, containers=(container,), network="inside", needs=("redis", "init"))

    def _role(
        self,
        role: str,
        size: Size,
        *,
        environment: Mapping[str, str],
        secrets: Mapping[str, str],
        ports: tuple[int, ...] = (),
        knows_users: bool = False,
        probed: bool = True,
    ) -> Container:
        """knows_users: it works with the users' database; workers need none, and may have no way to it."""
        healthy = ("/app/docker/role", "healthy")
        serving = (*healthy, role) if role in {"web", "scorer"} else healthy
        return Container(
            name=role,
            image=self._image,
            command=("/app/docker/role", role),
            size=size,
            environment={**self._common(), **({"USERS": self._said.users} if knows_users else {}), **environment},
            secrets={**self._common_secrets(knows_users=knows_users), **secrets},
            ports=ports,
            ready=serving if probed else (),
            alive=healthy if probed else (),
            mounts_share=True,
        )

    def _common(self) -> dict[str, str]:
        return {
            "ALLOWED_HOSTS": "localhost",
            "STATE_STORE": "cassandra",
            **self._places.cassandra,
            "MEDIA_ROOT": MEDIA,
            "LOG_FORMAT": "json",
        }

    def _common_secrets(self, *, knows_users: bool) -> dict[str, str]:
        return {
            "SECRET_KEY": SECRET_KEY,
            **({"DATABASE_URL": DATABASE_URL} if knows_users and self._said.users == "postgresql" else {}),
            **({"CASSANDRA_PASSWORD": CASSANDRA_PASSWORD} if self._places.cassandra_password else {}),
        }

    def _detection(self) -> dict[str, str]:
        if self._said.detector == "embedded":
            return {"FACE_DETECTOR": "embedded"}
        tier = self._said.sku.face
        told = {"FACE_DETECTOR": "azure", "AZURE_FACE_ENDPOINT": self._places.face_endpoint, "AZURE_FACE_TIER": tier}
        fallback = self._said.detector_fallback
        return told | ({"FACE_DETECTOR_FALLBACK": fallback} if fallback else {})

    def _face_key(self) -> dict[str, str]:
        return {"AZURE_FACE_KEY": FACE_KEY} if self._said.detector == "azure" else {}


def _proxy(hosts: tuple[str, ...]) -> tuple[str, ...]:
    """Caddy before the web, with a certificate for each of the hosts. On the command line it takes one alone; a file of
    its own would have to be there before the container is, so several come on standard input.

    https://caddyserver.com/docs/command-line#caddy-run
    """
    web = f"127.0.0.1:{WEB_PORT}"
    if len(hosts) == 1:
        return ("caddy", "reverse-proxy", "--from", hosts[0], "--to", web)
    caddyfile = f"{{\n\tadmin off\n\tpersist_config off\n}}\n{', '.join(hosts)} {{\n\treverse_proxy {web}\n}}"
    return ("sh", "-c", f"exec caddy run --adapter caddyfile --config - <<'END'\n{caddyfile}\nEND\n")
