"""What Compose and Kubernetes have to bring themselves: on Azure these are services that are bought.

Also what follows from a description for both: how many of a role, and which addresses people use.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from orchestration.deployment.description import Description, Size
from orchestration.deployment.workloads import POSTGRES_PASSWORD, REDIS_URL, Container, Workload

#: The user of the product's image, and of what writes to its share.
PRODUCT_USER: Final = 10001
#: Seconds that a container has to end, and what the roles make of them: the rest is for ending in order.
GRACE_SECONDS, ROLE_GRACE_SECONDS = 60, 50
POSTGRES_PORT: Final = 5432
CASSANDRA_PORT: Final = 9042
#: Roles that ask sites on the internet whatever detects faces: pictures of the web are fetched by ingest-workers.
CRAWLERS: Final = frozenset({"ingest-worker"})
#: By cloud, what the names of Azure's services end with.
_SUFFIXES: Final = {"public": "azure.com", "government": "azure.us"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A database with a disk of its own."""

    container: Container
    user: int  #: whom its official image runs as
    data: str  #: the folder that is to be kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A workload and how many there are of it at first."""

    workload: Workload
    count: int

    @property
    def name(self) -> str:
        """Of services: the role's, which other containers use as a host name."""
        return self.workload.role

    @property
    def main(self) -> Container:
        """The container that the others stand beside."""
        return self.workload.containers[0]

    @property
    def is_ours(self) -> bool:
        """Whether it runs the product's image."""
        return self.name != "redis"

    @property
    def uses_broker(self) -> bool:
        """Whether it talks to Redis."""
        return REDIS_URL in self.main.secrets.values()

    @property
    def goes_outside(self) -> bool:
        """Whether it asks anything on the internet: sites with pictures, or Azure's face detection."""
        return self.name in CRAWLERS or "AZURE_FACE_ENDPOINT" in self.main.environment


def roles(workloads: Iterable[Workload]) -> tuple[Role, ...]:
    """One of each: what Azure numbers (`ingest-0`, `ingest-1`) others scale."""
    each = tuple(workloads)
    counts = Counter(workload.role for workload in each)
    first = {workload.role: workload for workload in reversed(each)}
    return tuple(Role(workload=first[role], count=count) for role, count in counts.items())


def postgres(description: Description) -> Server:
    """Users, sessions, the administration's log."""
    return Server(
        container=Container(
            name="postgres",
            image=description.image.postgres,
            command=(),
            size=Size(cpu=1, memory=1),
            environment={
                "POSTGRES_USER": "faceproject",
                "POSTGRES_DB": "faceproject",
                "PGDATA": "/var/lib/postgresql/data/pgdata",  # a disk's own folder may have a lost+found in it
            },
            secrets={"POSTGRES_PASSWORD": POSTGRES_PASSWORD},
            ports=(POSTGRES_PORT,),
            ready=("pg_isready", "--username", "faceproject", "--host", "127.0.0.1"),
            alive=("pg_isready", "--username", "faceproject", "--host", "127.0.0.1"),
        ),
        user=999,
        data="/var/lib/postgresql/data",
    )


def cassandra(description: Description) -> Server:
    """The state repository: one node, without a password; networks keep others away from it."""
    asked = ("cqlsh", "--execute", "DESCRIBE CLUSTER")
    return Server(
        container=Container(
            name="cassandra",
            image=description.image.cassandra,
            command=(),
            size=Size(cpu=2, memory=3),
            environment={"CASSANDRA_CLUSTER_NAME": "faceproject", "MAX_HEAP_SIZE": "1G", "HEAP_NEWSIZE": "200M"},
            ports=(CASSANDRA_PORT,),
            ready=asked,
            alive=asked,
        ),
        user=999,
        data="/var/lib/cassandra",
    )


def face_endpoint(description: Description) -> str:
    """Of the Face account that the description names, or that deploying to Azure makes of it; "" when embedded."""
    if description.detector == "embedded":
        return ""
    return f"https://{description.global_name('face')}.cognitiveservices.{_SUFFIXES[description.cloud]}/"


def cosmos(description: Description) -> dict[str, str]:
    """Where the Cassandra account of Azure Cosmos DB is, likewise; its key is the secret `cassandra-password`."""
    account = description.global_name("cassandra", longest=44)
    return {
        "CASSANDRA_CONTACT_POINTS": f"{account}.cassandra.cosmos.{_SUFFIXES[description.cloud]}",
        "CASSANDRA_USERNAME": account,
        "CASSANDRA_FLAVOUR": "cosmos",
        "CASSANDRA_SIDE_KEYSPACE": "faceproject_side",
        "CASSANDRA_TLS": "true",
    }


def registry(description: Description) -> str:
    """The host of the deployment's own registry on Azure."""
    suffix = {"public": "azurecr.io", "government": "azurecr.us"}[description.cloud]
    return f"{description.global_name('registry', plain=True)}.{suffix}"
