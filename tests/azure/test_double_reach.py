"""The double refuses addresses that a container group could not reach on Azure."""

from __future__ import annotations

import pytest

from tests.azure_double.reach import destinations, require_reach, require_share
from tests.azure_double.runtime_port import Neighbour, Network, Refused, Service, Subnet

NETWORK = "/s/virtualNetworks/workers"
REDIS = Neighbour(
    id="/s/containerGroups/redis",
    ip="127.64.1.2",
    fqdn="",
    ports=(6379,),
    subnet_id=f"{NETWORK}/subnets/inside",
    network_id=NETWORK,
)
WEB = Neighbour(
    id="/s/containerGroups/web", ip="127.64.1.3", fqdn="web.example", ports=(443,), subnet_id=None, network_id=None
)
REDIS_URL = {"REDIS_URL": "redis://:of-the-tests@127.64.1.2:6379/0"}
COSMOS = {"CASSANDRA_CONTACT_POINTS": "127.0.0.1", "CASSANDRA_PORT": "10350"}


def subnet(*endpoints: str, nat: bool = False, network: str = NETWORK) -> Subnet:
    return Subnet(id=f"{network}/subnets/inside", network_id=network, service_endpoints=frozenset(endpoints), nat=nat)


def cosmos(**how: object) -> Service:
    return Service(
        id="/s/databaseAccounts/cosmos",
        type="Microsoft.DocumentDB/databaseAccounts",
        hosts=(("127.0.0.1", 10350),),
        service_endpoint="Microsoft.AzureCosmosDB",
        **how,  # type: ignore[arg-type]
    )


STORAGE = Service(
    id="/s/storageAccounts/Pictures",
    type="Microsoft.Storage/storageAccounts",
    hosts=(("127.0.0.1", 4444),),
    service_endpoint="Microsoft.Storage",
)


def around(own: Subnet | None, *services: Service) -> Network:
    return Network(subnet=own, subnets=(subnet(),), services=services, neighbours=(REDIS, WEB))


def test_addresses_are_found_in_urls_contact_points_and_endpoints_but_not_in_own_names():
    found = destinations(
        {
            "REDIS_URL": "redis://:p%40ss@10.0.0.4/0",
            "DATABASE_URL": "postgres://user:pass@db.example/faces?sslmode=require",
            "CASSANDRA_CONTACT_POINTS": "one.example,two.example",
            "CASSANDRA_PORT": "10350",
            "AZURE_FACE_ENDPOINT": "https://face.example/",
            "ALLOWED_HOSTS": "web.example",
            "CSRF_TRUSTED_ORIGINS": "https://web.example",
            "PROBE_HOST": "0.0.0.0",
            "LOG_FORMAT": "json",
        }
    )
    assert [str(each) for each in found] == [
        "10.0.0.4:6379",
        "db.example:5432",
        "one.example:10350",
        "two.example:10350",
        "face.example:443",
    ]


@pytest.mark.parametrize(
    ("own", "services", "environment"),
    [
        (subnet(), [], REDIS_URL),
        (None, [cosmos()], COSMOS),
        (subnet("Microsoft.AzureCosmosDB"), [cosmos()], COSMOS),
        (
            subnet("Microsoft.AzureCosmosDB"),
            [cosmos(public=False, allowed_subnets=frozenset({subnet().id.lower()}))],
            COSMOS,
        ),
        (subnet(), [cosmos(public=False, private_networks=frozenset({NETWORK.lower()}))], COSMOS),
        (subnet(nat=True), [cosmos()], COSMOS),
        (None, [], {"X_ENDPOINT": "https://elsewhere.example"}),
        (subnet(nat=True), [], {"X_ENDPOINT": "https://web.example"}),
    ],
)
def test_what_can_be_reached_is_let_through(own, services, environment):
    require_reach(around(own, *services), environment)


@pytest.mark.parametrize(
    ("own", "services", "environment", "said"),
    [
        (None, [], REDIS_URL, "REDIS_URL names 127.64.1.2:6379.*inside the virtual network workers"),
        (subnet(network="/s/virtualNetworks/other"), [], REDIS_URL, "REDIS_URL names 127.64.1.2:6379"),
        (subnet(), [], {"REDIS_URL": "redis://127.64.1.2:6380"}, "does not listen at port 6380"),
        (subnet(), [cosmos()], COSMOS, "no service endpoint Microsoft.AzureCosmosDB, no NAT gateway"),
        (subnet("Microsoft.AzureCosmosDB"), [cosmos(public=False)], COSMOS, "does not let in the subnet inside"),
        (subnet(nat=True), [cosmos(public=False)], COSMOS, "no private endpoint"),
        (None, [cosmos(public=False)], COSMOS, "lets in nobody from the internet"),
        (subnet(), [], {"X_ENDPOINT": "https://elsewhere.example"}, "X_ENDPOINT names elsewhere.example:443.*NAT"),
        (subnet(), [], {"X_ENDPOINT": "https://web.example"}, "web is public.*NAT"),
        (None, [cosmos()], {**COSMOS, "CASSANDRA_PORT": "9042"}, "127.0.0.1:9042.*nobody listens"),
    ],
)
def test_what_cannot_be_reached_is_refused_by_variable_and_address(own, services, environment, said):
    with pytest.raises(Refused, match=said) as refused:
        require_reach(around(own, *services), environment)
    assert refused.value.code == "AddressUnreachable"
    assert "of-the-tests" not in refused.value.message


def test_a_share_is_mounted_by_service_endpoint_only():
    require_share(around(None, STORAGE), "pictures")
    require_share(around(subnet("Microsoft.Storage"), STORAGE), "pictures")
    with pytest.raises(Refused, match=r"share of pictures.*no service endpoint Microsoft\.Storage"):
        require_share(around(subnet(), STORAGE), "pictures")
    with pytest.raises(Refused, match="not there"):
        require_share(around(None), "pictures")
