"""What somebody took away past the product, as by `az group delete`: seen, made again, and cleaned up after."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from orchestration.azure.deployment import ApplyError
from orchestration.azure.nodes import Change
from tests.azure.conftest import Deploying, Stored
from tests.azure_double.double import AzureDouble
from tests.azure_double.resources import Resource


def delete(azure: AzureDouble, deploying: Deploying, *, ending: str) -> None:
    """Past the product: the resource whose id ends so."""
    run = deploying().run
    (gone,) = [each for each in azure.resources if each.lower().endswith(ending)]
    run.azure.delete(gone, "2026-04-01" if ending.startswith("/shares") else "2025-04-01")


def test_what_lay_in_a_group_that_is_gone_is_built_anew(azure: AzureDouble, deploying: Deploying) -> None:
    deploying(image="").apply()
    delete(azure, deploying, ending="/resourcegroups/faces")
    assert not azure.images
    deploying(image="").apply(purge_deleted=True)
    assert azure.images
    assert deploying(image="").plan().changes == ()


def test_a_share_that_is_gone_gets_its_training_set_again(stored: Stored) -> None:
    stored.deploying().apply()
    delete(stored.azure, stored.deploying, ending="/shares/faceproject")
    assert stored.uploaded() == set()
    planned = {step.key: step.finding.change for step in stored.deploying().plan().changes}
    assert (planned["share"], planned["training"]) == (Change.CREATE, Change.UPDATE)
    stored.deploying().apply()
    assert stored.uploaded() == {"a.jpg"}
    assert stored.deploying().plan().changes == ()


def test_a_destroy_of_what_is_gone_already_purges_and_forgets(
    azure: AzureDouble, deploying: Deploying, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deploying().apply()
    delete(azure, deploying, ending="/resourcegroups/faces")
    call_command("destroy", "--yes", "--keep-data", "--config", str(config))
    assert len(azure.deleted.all()) == 2
    state = tmp_path / "home" / "deployments" / "faces.json"
    assert state.exists()
    call_command("destroy", "--yes", "--config", str(config))
    said = capsys.readouterr().out
    assert "- deleted Key Vault faces-8a7e54, for good" in said
    assert "- deleted Face account faces-8a7e54, for good" in said
    assert azure.deleted.all() == []
    assert not state.exists()
    call_command("destroy", "--config", str(config))
    assert "There is nothing to delete." in capsys.readouterr().out


def in_another_group(kept: Resource) -> None:
    """As if it had been deleted from there."""
    kept.id = kept.id.replace("/resourceGroups/faces/", "/resourceGroups/theirs/")


def without_our_tag(kept: Resource) -> None:
    """As if somebody else had made it in a group of the same name."""
    kept.body["tags"] = {"faceproject": "others"}


@pytest.mark.parametrize("change", [in_another_group, without_our_tag])
def test_what_others_deleted_is_not_purged_under_whatever_name(
    azure: AzureDouble, deploying: Deploying, config: Path, change: Callable[[Resource], None]
) -> None:
    deploying().apply()
    delete(azure, deploying, ending="/resourcegroups/faces")
    for kept in azure.deleted.all():
        change(kept)
    problems = deploying().plan().problems
    assert len(problems) == 2
    assert not any("--purge-deleted" in each for each in problems)
    with pytest.raises(ApplyError, match="Nothing was changed"):
        deploying().apply(purge_deleted=True)
    call_command("destroy", "--yes", "--config", str(config))
    assert len(azure.deleted.all()) == 2


def test_apply_shows_what_it_will_purge_and_does_so_once_somebody_said_yes(
    azure: AzureDouble,
    deploying: Deploying,
    config: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config.write_text(f"{config.read_text()}\nprivate = true")  # nobody asks whether the web answers
    deploying(private=True).apply()
    delete(azure, deploying, ending="/resourcegroups/faces")
    with pytest.raises(SystemExit) as ended:
        call_command("provision", "--config", str(config))
    assert ended.value.code == 1
    assert capsys.readouterr().out.count("--purge-deleted") == 2
    monkeypatch.setattr("sys.stdin", Somebody("y\n"))
    call_command("provision", "--apply", "--purge-deleted", "--config", str(config))
    said = capsys.readouterr().out
    assert "- delete   deleted Key Vault faces-8a7e54, for good" in said
    assert "The web is at" in said
    assert azure.deleted.all() == []
    assert deploying(private=True).plan().changes == ()


class Somebody(StringIO):
    """At a terminal."""

    def isatty(self) -> bool:
        """See IO."""
        return True
