"""What the commands that deploy to Azure say: to newcomers, when there is nothing to do, when they are ended."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError
from django.core.management import CommandError, call_command

from orchestration import provisioning
from orchestration.azure.clients import Azure
from orchestration.azure.deployment import Deployment
from orchestration.azure.errors import RefusedError, StoppedError
from orchestration.azure.nodes import Node
from orchestration.deployment.description import parse
from tests.azure.conftest import SAID
from tests.azure_double.double import AzureDouble

EXAMPLE = Path(__file__).resolve().parents[2] / "deployment.example.toml"


def deployment(azure: AzureDouble, home: Path) -> Deployment:
    return Deployment(parse(SAID), home=home, environment=azure.environment, ask_web=lambda host, ca_bundle: "")


def test_the_example_as_it_is_is_told_to_name_a_subscription() -> None:
    with pytest.raises(CommandError, match="still the example's"):
        call_command("provision", "--config", str(EXAMPLE))


def test_a_missing_package_is_named_with_what_to_do(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provisioning, "find_spec", lambda name: None if name == "azure.mgmt.cosmosdb" else name)
    with pytest.raises(CommandError, match=r"azure\.mgmt\.cosmosdb.*pip install -r requirements-deploy\.txt"):
        call_command("status", "--config", str(config))


class NobodySignedIn:
    """A credential as DefaultAzureCredential is where nobody signed in."""

    def get_token(self, *scopes: str) -> None:
        """Raises."""
        raise ClientAuthenticationError(
            "DefaultAzureCredential failed to retrieve a token from the included credentials.\nAttempted credentials:\n"
            "\tEnvironmentCredential: EnvironmentCredential authentication unavailable. Not configured.\n"
            "\tBrokerCredential: not installed\n\tAzureCliCredential: Please run 'az login' to set up an account"
        )


def test_nobody_signed_in_is_told_what_az_said_and_not_what_nobody_uses() -> None:
    azure = Azure(cloud="public", subscription=AzureDouble.subscription, environment={"AZURE_STATIC_TOKEN": "x"})
    azure.credential = NobodySignedIn()
    with pytest.raises(RefusedError, match="Please run 'az login' to set up an account") as found:
        azure.identity()
    assert "Broker" not in str(found.value)
    assert "EnvironmentCredential" not in str(found.value)


def test_commands_quieten_the_vendor_s_log_of_sign_ins_that_failed(config: Path) -> None:
    logging.getLogger("azure.identity").setLevel(logging.NOTSET)
    with pytest.raises(SystemExit):
        call_command("provision", "--config", str(config))
    assert not logging.getLogger("azure.identity").isEnabledFor(logging.WARNING)


def test_where_nothing_is_to_be_done_nobody_is_asked(
    azure: AzureDouble, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deployment(azure, tmp_path / "home").apply()
    call_command("provision", "--apply", "--config", str(config))
    assert "Nothing to do." in capsys.readouterr().out


@pytest.mark.parametrize("command", [["provision", "--apply"], ["destroy"]])
def test_json_asks_nobody_and_says_so(azure: AzureDouble, config: Path, tmp_path: Path, command: list[str]) -> None:
    deployment(azure, tmp_path / "home").run.azure.put(
        f"/subscriptions/{azure.subscription}/resourceGroups/faces",
        "2025-04-01",
        {"location": "westeurope", "tags": {"faceproject": "faces"}},
    )
    with pytest.raises(CommandError, match="say --yes") as found:
        call_command(*command, "--json", "--config", str(config))
    assert found.value.returncode == 2


def test_a_command_that_is_ended_stops_waiting_and_the_next_one_goes_on(
    azure: AzureDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = deployment(azure, tmp_path / "home")
    azure.world.polls = 150  # looks that an operation takes: long, for a double
    put = first.run.azure.put

    def ended_after_it(resource_id: str, api_version: str, body: dict[str, Any]) -> Any:
        sent = put(resource_id, api_version, body)
        if "/databaseAccounts/" in resource_id:
            first.stop()
        return sent

    monkeypatch.setattr(first.run.azure, "put", ended_after_it)
    with pytest.raises(Exception, match="ended before it was done"):
        first.apply()
    assert azure.creations  # Azure is at it
    azure.world.polls = 2
    second = deployment(azure, tmp_path / "home")
    assert "cassandra" in second.run.state.items("in_flight")
    second.apply()
    assert {id_: count for id_, count in azure.creations.items() if count != 1} == {}
    assert second.run.state.items("in_flight") == {}


def test_a_node_is_not_begun_once_the_command_is_ended(azure: AzureDouble, tmp_path: Path) -> None:
    ended = deployment(azure, tmp_path / "home")
    ended.stop()
    group: Node = ended.nodes[0]
    with pytest.raises(StoppedError):
        group.ensure(ended.run)
    assert azure.resources.all() == []
