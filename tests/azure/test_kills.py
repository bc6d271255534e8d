"""kill -9 at random moments of an apply, then apply again: the same as if nobody had disturbed it."""

from __future__ import annotations

import difflib
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from orchestration.azure.comparison import DIGEST_TAG
from tests.azure.conftest import SAID
from tests.azure.said_to_run import SaidToRun
from tests.azure_double.double import AzureDouble

#: In all; more by hand: DEPLOY_KILLS=40 pytest tests/azure/test_kills.py
KILLS = int(os.environ.get("DEPLOY_KILLS", "6"))
KILLS_A_ROUND = 4
REPO = Path(__file__).resolve().parents[2]


def applying(azure: AzureDouble, home: Path) -> subprocess.Popen[bytes]:
    """A process that applies."""
    command = [sys.executable, "-m", "tests.azure.applying", str(home), json.dumps(SAID | {"image": ""})]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AZURE_")}
    return subprocess.Popen(command, cwd=REPO, env=kept | azure.environment, stderr=subprocess.PIPE)


def applied(azure: AzureDouble, home: Path) -> None:
    """Apply to the end."""
    process = applying(azure, home)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said.decode()


def picture(azure: AzureDouble) -> dict[str, Any]:
    """Every resource as Azure has it, less what differs from one run to the next: made-up values and their digest."""
    found = {}
    for resource in azure.resources.all():
        text = json.dumps(resource.body, sort_keys=True)
        body = json.loads(text)
        body.get("tags", {}).pop(DIGEST_TAG, None)
        found[resource.id] = (_without_secrets(body), resource.state)
    return {id_: value for id_, value in found.items() if "/runs/" not in id_}


def differing(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Ids that are in one alone, or what differs, as text."""
    told = [f"{id_} is in one alone" for id_ in one.keys() ^ other.keys()]
    for id_ in one.keys() & other.keys():
        if one[id_] != other[id_]:
            lines = (json.dumps(each[id_], indent=1, sort_keys=True).splitlines() for each in (one, other))
            told += [id_, *difflib.unified_diff(*lines, lineterm="", n=1)]
    return told


def _without_secrets(part: Any) -> Any:
    if isinstance(part, dict):
        dropped = {"secureValue", "storageAccountKey", "workspaceKey", "administratorLoginPassword"}
        dropped |= {"principalId", "workspaceId"}  # made anew by each double
        return {key: _without_secrets(value) for key, value in part.items() if key not in dropped}
    return [_without_secrets(each) for each in part] if isinstance(part, list) else part


@pytest.mark.kill
def test_an_apply_that_is_killed_again_and_again_ends_as_one_that_was_not(azure_specs: Path, tmp_path: Path) -> None:
    seed = int(os.environ.get("DEPLOY_SEED", random.randrange(10_000)))
    chance = random.Random(seed)
    (tmp_path / "calm").mkdir()
    with AzureDouble(tmp_path / "calm", runtime=SaidToRun()) as calm:
        calm.register_all()
        applied(calm, tmp_path / "calm-home")
        undisturbed = picture(calm)
        requests = len(calm.requests)
    kills = number = 0
    while kills < KILLS:
        folder = tmp_path / f"round-{number}"
        folder.mkdir()
        number += 1
        with AzureDouble(folder, runtime=SaidToRun()) as azure:
            azure.register_all()
            home = folder / "home"
            for _ in range(KILLS_A_ROUND):
                kills += not killed_within(azure, home, chance, requests)
            applied(azure, home)
            assert not (told := differing(undisturbed, picture(azure))), "\n".join([f"seed {seed}", *told])
            assert {id_: n for id_, n in azure.creations.items() if n != 1} == {}, f"seed {seed}"
            assert azure.imports == calm.imports, f"seed {seed}"
            assert azure.violations == []
            state = json.loads((home / "deployments" / "faces.json").read_text())
            assert state["in_flight"] == {}, f"seed {seed}"


def killed_within(azure: AzureDouble, home: Path, chance: random.Random, requests: int) -> bool:
    """Start an apply, kill it after so many requests as chance has it; True when it was done before."""
    limit = len(azure.requests) + chance.randrange(requests)
    process = applying(azure, home)
    while process.poll() is None and len(azure.requests) < limit:
        time.sleep(0.002)
    ended = process.poll() is not None
    process.kill()
    process.communicate()
    return ended
