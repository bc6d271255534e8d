"""kill -9 at random moments of an apply, then apply again: the same as if nobody had disturbed it."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
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


def applied(azure: AzureDouble, home: Path, *, kill_after: float | None) -> bool:
    """One process applies; True when it came to its end by itself."""
    command = [sys.executable, "-m", "tests.azure.applying", str(home), json.dumps(SAID | {"image": ""})]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AZURE_")}
    process = subprocess.Popen(command, cwd=REPO, env=kept | azure.environment, stderr=subprocess.PIPE)
    try:
        _, said = process.communicate(timeout=kill_after)
        assert process.returncode == 0, said.decode()
        return True
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return False


def picture(azure: AzureDouble) -> dict[str, Any]:
    """Every resource as Azure has it, less what differs from one run to the next: made-up values and their digest."""
    found = {}
    for resource in azure.resources.all():
        text = json.dumps(resource.body, sort_keys=True)
        body = json.loads(text)
        body.get("tags", {}).pop(DIGEST_TAG, None)
        found[resource.id] = (_without_secrets(body), resource.state)
    return {id_: value for id_, value in found.items() if "/runs/" not in id_}


def _without_secrets(part: Any) -> Any:
    if isinstance(part, dict):
        dropped = {"secureValue", "storageAccountKey", "workspaceKey", "administratorLoginPassword", "principalId"}
        return {key: _without_secrets(value) for key, value in part.items() if key not in dropped}
    return [_without_secrets(each) for each in part] if isinstance(part, list) else part


@pytest.mark.kill
def test_an_apply_that_is_killed_again_and_again_ends_as_one_that_was_not(tmp_path: Path) -> None:
    seed = int(os.environ.get("DEPLOY_SEED", random.randrange(10_000)))
    chance = random.Random(seed)
    (tmp_path / "calm").mkdir()
    with AzureDouble(tmp_path / "calm", runtime=SaidToRun()) as calm:
        calm.register_all()
        assert applied(calm, tmp_path / "calm-home", kill_after=None)
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
            assert applied(azure, home, kill_after=None), f"seed {seed}"
            assert picture(azure) == undisturbed, f"seed {seed}"
            assert {id_: n for id_, n in azure.creations.items() if n != 1} == {}, f"seed {seed}"
            assert azure.violations == []
            state = json.loads((home / "deployments" / "faces.json").read_text())
            assert state["in_flight"] == {}, f"seed {seed}"


def killed_within(azure: AzureDouble, home: Path, chance: random.Random, requests: int) -> bool:
    """Start an apply, kill it after so many requests as chance has it; True when it was done before."""
    command = [sys.executable, "-m", "tests.azure.applying", str(home), json.dumps(SAID | {"image": ""})]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AZURE_")}
    limit = len(azure.requests) + chance.randrange(requests)
    process = subprocess.Popen(command, cwd=REPO, env=kept | azure.environment, stderr=subprocess.DEVNULL)
    while process.poll() is None and len(azure.requests) < limit:
        try:
            process.wait(0.002)
        except subprocess.TimeoutExpired:
            continue
    ended = process.poll() is not None
    process.kill()
    process.wait()
    return ended
