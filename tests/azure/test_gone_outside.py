"""What somebody took away past the product, as by `az group delete`: seen, made again, and cleaned up after."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestration.azure.nodes import Change
from tests.azure.conftest import Deploying
from tests.azure.said_to_run import SaidToRun
from tests.azure_double.double import AzureDouble
from tests.azure_double.files import FilesDouble
from tests.azure_double.https import Authority


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


def test_a_share_that_is_gone_gets_its_training_set_again(tmp_path: Path, deploying_to: Any) -> None:
    folder, authority = tmp_path / "pictures", Authority(tmp_path)
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"a")
    with (
        FilesDouble(tmp_path / "files", authority) as files,
        AzureDouble(tmp_path, runtime=SaidToRun(), authority=authority, files=files) as azure,
    ):
        azure.register_all()

        def deploying(**said: Any) -> Any:
            return deploying_to(azure, data=str(folder), **said)

        deploying().apply()
        delete(azure, deploying, ending="/shares/faceproject")
        assert not list(files.folder.rglob("*.jpg"))
        planned = {step.key: step.finding.change for step in deploying().plan().changes}
        assert (planned["share"], planned["training"]) == (Change.CREATE, Change.UPDATE)
        deploying().apply()
        assert list(files.folder.rglob("*.jpg"))
        assert deploying().plan().changes == ()
