"""The product's workloads as container groups of the double: processes, networks, names and secrets as on Azure."""

from __future__ import annotations

import http.client
import http.cookiejar
import os
import re
import signal
import ssl
import urllib.error
import urllib.parse
import urllib.request
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest

from orchestration.deployment.description import Description
from orchestration.deployment.workloads import Places, WorkloadBuilder
from tests.azure_double.bodies import GROUPS, workload_body
from tests.azure_double.gates import cosmos_front, postgres_front
from tests.azure_double.https import Authority
from tests.azure_double.processes import LocalProcesses
from tests.azure_double.runtime_port import Context, Neighbour, Network, Refused, Service, Subnet
from tests.processes import wait_until

pytestmark = pytest.mark.kill
HOST = "faces-web.eastus.azurecontainer.io"
REGISTRY = "faces.azurecr.io"
IMAGE = f"{REGISTRY}/faceproject:1"
PASSWORD = "of-the-administrator-4711"
NETWORK = "/s/g/virtualnetworks/workers"
INSIDE = Subnet(
    id=f"{NETWORK}/subnets/groups",
    network_id=NETWORK,
    service_endpoints=frozenset({"Microsoft.Storage", "Microsoft.AzureCosmosDB"}),
)


@dataclass
class Deployment:
    """Workloads on a runtime, by the Cassandra node behind TLS. secrets: by name."""

    runtime: LocalProcesses
    authority: Authority
    places: Places
    secrets: dict[str, str]
    services: tuple[Service, ...]
    image: str = IMAGE

    def workload(self, name: str):
        said = Description(
            name="faces",
            subscription=str(uuid.UUID(int=1)),
            location="eastus",
            users="bootstrap",
            detector="embedded",
            data="",
        )
        return next(each for each in WorkloadBuilder(said, self.places, image=self.image).all() if each.name == name)

    def start(
        self, name: str, *, subnet: Subnet | None = None, neighbours: tuple[Neighbour, ...] = (), group: str = ""
    ) -> str:
        workload = replace(self.workload(name), name=group or name)
        body = workload_body(workload, self.secrets, account="pictures", share="faces")
        network = Network(subnet=subnet, subnets=(INSIDE,), services=self.services, neighbours=neighbours)
        context = Context(
            network=network,
            images=frozenset({IMAGE}),
            registries=frozenset({REGISTRY}),
            fqdn=HOST if name == "web" else "",
        )
        self.runtime.start(body, context)
        return body["id"]

    def said(self, group_id: str) -> str:
        return "\n".join(
            f"{state}\n{self.runtime.logs(group_id, state.name, 30)}" for state in self.runtime.states(group_id)
        )

    def wait_ready(self, group_id: str) -> None:
        wait_until(lambda: self.runtime.is_ready(group_id), f"{group_id} is ready", logs=lambda: self.said(group_id))

    def neighbour(self, group_id: str, *ports: int) -> Neighbour:
        return Neighbour(
            id=group_id,
            ip=self.runtime.address(group_id).ip,
            fqdn="",
            ports=ports,
            subnet_id=INSIDE.id,
            network_id=NETWORK,
        )


@pytest.fixture(scope="module")
def deployment(tmp_path_factory, cassandra_server, cassandra_driver):
    folder: Path = tmp_path_factory.mktemp("double")
    authority = Authority(folder)
    share = folder / "share"
    share.mkdir()
    keyspace = f"test_{uuid.uuid4().hex[:12]}"
    node = (cassandra_server.contact_points, cassandra_server.port)
    with (
        cosmos_front(authority, folder, node) as cosmos,
        LocalProcesses(
            folder / "runtime",
            authority,
            shares=lambda account, name: share if (account, name) == ("pictures", "faces") else None,
        ) as runtime,
    ):
        yield Deployment(
            runtime=runtime,
            authority=authority,
            places=Places(
                web_hosts=(HOST,),
                redis_host="",
                cassandra={
                    "CASSANDRA_FLAVOUR": "cosmos",
                    "CASSANDRA_CONTACT_POINTS": cosmos.host,
                    "CASSANDRA_PORT": str(cosmos.port),
                    "CASSANDRA_USERNAME": cassandra_server.username,
                    "CASSANDRA_KEYSPACE": keyspace,
                },
                cassandra_password=True,
            ),
            secrets={
                "secret-key": "of-the-tests" * 6,
                "admin-password": PASSWORD,
                "cassandra-password": cassandra_server.password,
                "redis-password": "of-redis-4711",
                "redis-url": "redis://:of-redis-4711@127.64.0.1:6379/0",
                "scorer-token": "of-the-scorer-of-the-tests",
            },
            services=(
                Service(
                    id="/s/g/databaseaccounts/cosmos",
                    type="Microsoft.DocumentDB/databaseAccounts",
                    hosts=((cosmos.host, cosmos.port),),
                    service_endpoint="Microsoft.AzureCosmosDB",
                ),
                Service(
                    id="/s/g/storageaccounts/pictures",
                    type="Microsoft.Storage/storageAccounts",
                    hosts=(("127.0.0.1", 1),),
                    service_endpoint="Microsoft.Storage",
                ),
            ),
        )
    cassandra_driver.execute(f"DROP KEYSPACE IF EXISTS {keyspace}", timeout=120)


@pytest.fixture(scope="module")
def prepared(deployment):
    """init has ended well."""
    group = deployment.start("init")

    def ended():
        (state,) = deployment.runtime.states(group)
        return state if state.state == "Terminated" or state.restarts else None

    state = wait_until(ended, "init ends", logs=lambda: deployment.said(group))
    assert (state.state, state.exit_code, state.restarts) == ("Terminated", 0, 0), deployment.said(group)
    return deployment


@pytest.fixture(scope="module")
def web(prepared):
    group = prepared.start("web")
    prepared.wait_ready(group)
    yield group
    prepared.runtime.stop(group)


class Browser:
    """A session at the group's address, over TLS, whose certificate is checked."""

    def __init__(self, deployment: Deployment, group: str) -> None:
        address = deployment.runtime.address(group)
        self.url = f"https://{address.fqdn}"
        context = ssl.create_default_context(cafile=deployment.authority.bundle)
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=context),
            urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()),
        )

    def ask(self, path: str, fields: dict[str, str] | None = None, **headers: str) -> tuple[int, str]:
        """Status and text, after redirects; 0 while nobody answers."""
        data = urllib.parse.urlencode(fields).encode() if fields else None
        sent = {"Referer": self.url + path, **headers}
        try:
            with self._opener.open(urllib.request.Request(self.url + path, data, sent), timeout=120) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def sign_in(self) -> None:
        _, page = self.ask("/sign-in/")
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[1]
        fields = {"username": "admin", "password": PASSWORD, "csrfmiddlewaretoken": token}
        status, page = self.ask("/sign-in/", fields)
        assert (status, "Sign out" in page) == (200, True), page

    def is_let_in(self) -> bool:
        status, page = self.ask("/")
        return status == 200 and "Sign out" in page


def test_the_web_answers_over_tls_at_its_address_on_cassandra_behind_tls(prepared, web):
    browser = Browser(prepared, web)
    assert browser.ask("/healthz")[0] == 200
    status, said = browser.ask("/readyz")
    assert status == 200, said
    assert browser.ask("/healthz", Host="elsewhere.example")[0] == 421
    plain = http.client.HTTPConnection(prepared.runtime.address(web).ip, 80, timeout=60)
    plain.request("GET", "/people/?page=2", headers={"Host": HOST})
    answer = plain.getresponse()
    assert (answer.status, answer.headers["Location"]) == (308, f"https://{HOST}/people/?page=2")


def test_the_web_answers_by_its_own_name_and_by_the_platform_s(prepared, monkeypatch):
    monkeypatch.setattr(prepared, "places", replace(prepared.places, web_hosts=("faces.example.org", HOST)))
    group = prepared.start("web", group="named")
    try:
        prepared.wait_ready(group)
        browser = Browser(prepared, group)
        assert browser.ask("/healthz")[0] == 200, prepared.said(group)
        assert browser.ask("/healthz", Host="faces.example.org")[0] == 200
        assert browser.ask("/healthz", Host="elsewhere.example")[0] == 421
    finally:
        prepared.runtime.stop(group)


def test_a_web_process_that_is_killed_is_started_again_and_the_session_holds(prepared, web):
    browser = Browser(prepared, web)
    browser.sign_in()
    before = prepared.runtime.states(web)[0].restarts
    killed = prepared.runtime.pid(web, "web")
    os.kill(killed, signal.SIGKILL)
    wait_until(
        lambda: prepared.runtime.states(web)[0].restarts == before + 1 and prepared.runtime.is_ready(web),
        "it was started again",
        logs=lambda: prepared.said(web),
    )
    assert prepared.runtime.pid(web, "web") != killed
    assert browser.is_let_in()  # its users were on a disk that is gone
    assert PASSWORD not in prepared.runtime.logs(web, "web", None)


def test_workers_and_redis_find_each_other_inside_one_network(prepared):
    redis = prepared.start("redis", subnet=INSIDE)
    prepared.wait_ready(redis)
    neighbour = prepared.neighbour(redis, 6379)
    prepared.secrets["redis-url"] = f"redis://:of-redis-4711@{neighbour.ip}:6379/0"
    dispatcher = prepared.start("dispatcher", subnet=INSIDE, neighbours=(neighbour,))
    prepared.wait_ready(dispatcher)
    assert "of-redis-4711" not in prepared.said(dispatcher)
    with pytest.raises(Refused, match=rf"REDIS_URL names {re.escape(neighbour.ip)}:6379.*inside") as refused:
        prepared.start("ingest-0", neighbours=(neighbour,))
    assert "of-redis-4711" not in refused.value.message
    assert prepared.runtime.states(f"{GROUPS}/ingest-0") == ()
    for group in (dispatcher, redis):
        prepared.runtime.stop(group)


def test_a_group_inside_mounts_the_share_by_a_service_endpoint_only(deployment):
    without = Subnet(id=INSIDE.id, network_id=NETWORK, service_endpoints=frozenset({"Microsoft.AzureCosmosDB"}))
    with pytest.raises(Refused, match=r"share of pictures.*Microsoft\.Storage"):
        deployment.start("scorer", subnet=without)


def test_an_image_that_was_never_pushed_leaves_the_group_waiting(deployment):
    deployment.image = f"{REGISTRY}/faceproject:never-pushed"
    try:
        group = deployment.start("scorer")
    finally:
        deployment.image = IMAGE
    wait_until(lambda: deployment.runtime.states(group)[0].events, "it says so")
    (state,) = deployment.runtime.states(group)
    assert (state.state, state.detail, state.restarts) == ("Waiting", "ImagePullBackOff", 0)
    assert not deployment.runtime.is_ready(group)
    deployment.runtime.stop(group)


def test_postgresql_takes_tls_and_nothing_else(tmp_path, postgres_server):
    authority = Authority(tmp_path)
    parts = urllib.parse.urlsplit(postgres_server.new_database())
    with postgres_front(authority, tmp_path, (parts.hostname, parts.port)) as front:
        url = parts._replace(netloc=f"{parts.username}@{front.host}:{front.port}").geturl()
        trusted = f"{url}?sslmode=verify-full&sslrootcert={authority.bundle}"
        for each in (f"{url}?sslmode=require", f"{url}?sslmode=prefer", trusted):
            with psycopg.connect(each, connect_timeout=30) as connection:
                assert connection.pgconn.ssl_in_use
                assert connection.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(f"{url}?sslmode=disable", connect_timeout=30)
