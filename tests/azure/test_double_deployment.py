"""A whole deployment, from nothing to pages that answer: what is deployed runs, as processes of this machine."""

from __future__ import annotations

import ssl
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import pytest

from orchestration.azure.catalogue.services import KEYSPACE
from orchestration.azure.deployment import Deployment
from orchestration.deployment.description import parse
from tests.azure.conftest import SAID
from tests.azure_double.double import AzureDouble
from tests.azure_double.gates import admit, cosmos_front
from tests.azure_double.https import Authority
from tests.azure_double.image import PUBLIC_IMAGES
from tests.azure_double.processes import LocalProcesses
from tests.azure_double.world import Login

GROUPS = "Microsoft.ContainerInstance/containerGroups"


@pytest.mark.heavy
@pytest.mark.kill
def test_what_is_applied_answers_at_its_address(tmp_path: Path, cassandra_server: Any, cassandra_driver: Any) -> None:
    account, key = f"faces-{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
    admit(cassandra_driver, account, key)
    authority, share = Authority(tmp_path), tmp_path / "share"
    share.mkdir()
    node = (cassandra_server.contact_points, cassandra_server.port)
    try:
        with (
            cosmos_front(authority, tmp_path, node) as front,
            LocalProcesses(
                tmp_path / "runtime",
                authority,
                shares=lambda account, name: share,
                public_images=PUBLIC_IMAGES | {SAID["image"]},
            ) as runtime,
            AzureDouble(
                tmp_path,
                runtime=runtime,
                authority=authority,
                cassandra=Login(host=front.host, port=front.port, username=account, password=key),
            ) as double,
        ):
            double.register_all()
            said = SAID | {"users": "bootstrap", "detector": "embedded", "names": {"cassandra": account}}
            outcome = Deployment(
                parse(said),
                home=tmp_path / "home",
                environment=double.environment | {"AZURE_POLL_SECONDS": "0.5"},
            ).apply()
            trust = ssl.create_default_context(cafile=authority.bundle)
            with urllib.request.urlopen(f"{outcome.url.rstrip('/')}/sign-in/", timeout=120, context=trust) as answer:
                assert "Sign in" in answer.read().decode()
            groups = {each.name: runtime.states(each.id) for each in double.resources.of_type(GROUPS)}
            assert {name for name, states in groups.items() if any(state.restarts for state in states)} == set()
            assert double.violations == []
    finally:
        cassandra_driver.execute(f"DROP KEYSPACE IF EXISTS {KEYSPACE}", timeout=120)
        cassandra_driver.execute(f'DROP ROLE IF EXISTS "{account}"', timeout=60)
