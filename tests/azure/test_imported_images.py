"""Images of others in the deployment's own registry: brought there once, pulled from there, told where that fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from orchestration.azure.deployment import ApplyError, Plan
from orchestration.azure.imported_image import PERMISSION, Source
from orchestration.azure.nodes import Change
from tests.azure.conftest import SAID, Deploying
from tests.azure_double.double import AzureDouble
from tests.azure_double.faults import Fault
from tests.conftest import REPOSITORY

GROUPS = "Microsoft.ContainerInstance/containerGroups"
SERVER = "faces8a7e54.azurecr.io"
REDIS, CADDY = (f"{SERVER}/imported/docker.io/library/{name}" for name in ("redis:8", "caddy:2"))
#: A newer Redis, in a deployment whose image is built.
NEWER = "docker.io/library/redis:8.2"
NEWER_HERE = f"{SERVER}/imported/{NEWER}"
#: The least that can be built: what else there is does not matter here.
BUILT: dict[str, Any] = {"image": "", "detector": "embedded", "users": "bootstrap"}
IMPORT = "*/importImage"


def built(**images: str) -> dict[str, Any]:
    """BUILT with other images."""
    return BUILT | {"image": {"product": "", **images}}


def imports_asked(azure: AzureDouble, since: int = 0) -> int:
    return sum(request.path.endswith("/importImage") for request in azure.requests[since:])


def pulled(azure: AzureDouble) -> dict[str, str]:
    """By container, the image that its group has."""
    return {
        container["name"]: container["properties"]["image"]
        for group in azure.resources.of_type(GROUPS)
        for container in group.properties["containers"]
    }


def changes(plan: Plan) -> dict[str, tuple[Change, tuple[str, ...]]]:
    return {step.key: (step.finding.change, step.finding.reasons) for step in plan.changes}


def state(tmp_path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((tmp_path / "home" / "deployments" / "faces.json").read_text())
    return found


@pytest.mark.parametrize(
    ("reference", "registry", "image", "target"),
    [
        ("docker.io/library/redis:8", "docker.io", "library/redis:8", "docker.io/library/redis:8"),
        ("redis", "docker.io", "library/redis:latest", "docker.io/library/redis:latest"),
        ("valkey/valkey:9", "docker.io", "valkey/valkey:9", "docker.io/valkey/valkey:9"),
        ("localhost/redis:8", "localhost", "redis:8", "localhost/redis:8"),
        ("mcr.example.org:5000/a/b", "mcr.example.org:5000", "a/b:latest", "mcr.example.org-5000/a/b:latest"),
        ("redis:8@sha256:00ff", "docker.io", "library/redis@sha256:00ff", "docker.io/library/redis:digest-00ff"),
    ],
)
def test_a_reference_is_read_as_container_engines_do_and_its_target_tells_it(
    reference: str, registry: str, image: str, target: str
) -> None:
    source = Source.of(reference)
    assert (source.registry, source.image, source.target) == (registry, image, f"imported/{target}")


def test_groups_pull_from_the_own_registry_what_came_there_once(azure: AzureDouble, deploying: Deploying) -> None:
    deploying(**BUILT).apply()
    since = len(azure.requests)
    deploying(**BUILT).apply()
    assert {pulled(azure)[name] for name in ("redis", "caddy")} == {REDIS, CADDY}
    assert all(reference.startswith(f"{SERVER}/") for reference in pulled(azure).values())
    assert azure.imports == {REDIS: 1, CADDY: 1}
    assert imports_asked(azure, since) == 0
    assert azure.violations == []


def test_groups_of_government_pull_it_by_the_registry_s_own_user(
    government: AzureDouble, deploying_to: Deploying
) -> None:
    said = BUILT | {"cloud": "government", "location": "usgovvirginia"}
    deploying_to(government, **said).apply()
    (redis,) = [each for each in government.resources.of_type(GROUPS) if each.name == "faces-redis"]
    (credential,) = redis.properties["imageRegistryCredentials"]
    assert set(credential) == {"server", "username", "password"}
    assert pulled(government)["redis"] == f"{credential['server']}/imported/docker.io/library/redis:8"
    assert "docker.io" not in {request.host.partition(":")[0] for request in government.requests}
    assert government.violations == []


def test_without_a_registry_of_its_own_a_deployment_pulls_where_the_description_says(
    azure: AzureDouble, deploying: Deploying
) -> None:
    deploying().apply()
    assert pulled(azure)["redis"] == "docker.io/library/redis:8"
    assert imports_asked(azure) == 0


def test_another_reference_is_one_import_and_one_group(azure: AzureDouble, deploying: Deploying) -> None:
    deploying(**BUILT).apply()
    azure.public_images.add(NEWER)
    assert changes(deploying(**built(redis=NEWER)).plan()) == {
        "image:redis": (Change.UPDATE, (f"docker.io/library/redis:8 → {NEWER}",)),
        "group:redis": (Change.UPDATE, (f"containers.redis.image: {REDIS} → {NEWER_HERE}",)),
    }
    deploying(**built(redis=NEWER)).deploy()
    assert pulled(azure)["redis"] == NEWER_HERE
    assert changes(deploying(**built(redis=NEWER)).plan()) == {}
    deploying(**BUILT).deploy()  # and back: the image of then is there still
    assert pulled(azure)["redis"] == REDIS
    assert azure.imports == {REDIS: 1, CADDY: 1, NEWER_HERE: 1}


def test_what_lies_in_the_own_registry_is_left_as_it_is(azure: AzureDouble, deploying: Deploying) -> None:
    own = f"{SERVER}/mirrors/redis:8"
    azure.images.add(own)
    deploying(**built(redis=own)).apply()
    assert pulled(azure)["redis"] == own
    assert azure.imports == {CADDY: 1}
    assert changes(deploying(**built(redis=own)).plan()) == {}


def test_destroy_leaves_nothing_of_it(azure: AzureDouble, deploying: Deploying, tmp_path: Path) -> None:
    deploying(**BUILT).apply()
    deploying(**BUILT).destroy(keep_data=True)
    assert azure.images == set()
    assert state(tmp_path)["facts"] == {}
    deploying(**BUILT).apply()
    assert azure.imports == {REDIS: 1, CADDY: 1}  # into the registry that is there now
    deploying(**BUILT).destroy()
    assert azure.resources.all() == []


# ---- cut short -------------------------------------------------------------------------------------------------------
def killed_while_it_imports(azure: AzureDouble, tmp_path: Path) -> None:
    """A process that brings NEWER, killed once it has written down that this is under way."""
    command = [
        sys.executable,
        "-m",
        "tests.azure.applying",
        str(tmp_path / "home"),
        json.dumps(SAID | built(redis=NEWER)),
    ]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AZURE_")}
    with subprocess.Popen(command, cwd=REPOSITORY, env=kept | azure.environment) as process:
        while "image:redis" not in state(tmp_path)["in_flight"]:
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()


@pytest.mark.kill
@pytest.mark.parametrize("noted", [True, False], ids=["noted", "killed before it was noted"])
def test_an_import_whose_process_was_killed_is_gone_on_with(
    azure: AzureDouble, deploying: Deploying, tmp_path: Path, noted: bool
) -> None:
    deploying(**BUILT).apply()
    azure.public_images.add(NEWER)
    since, azure.world.polls = len(azure.requests), 500  # looks that an operation takes: long, for a double
    killed_while_it_imports(azure, tmp_path)
    azure.world.polls = 2
    (begun,) = [each for name, each in azure.world.importing.items() if name == NEWER_HERE]
    begun.steps = 2
    again = deploying(**built(redis=NEWER))
    if not noted:
        again.run.state.drop("in_flight", "image:redis")
    again.apply()
    assert azure.imports[NEWER_HERE] == 1
    assert imports_asked(azure, since) == (1 if noted else 2)
    assert pulled(azure)["redis"] == NEWER_HERE
    assert state(tmp_path)["in_flight"] == {}


def test_an_import_that_an_earlier_description_began_is_left_alone(
    azure: AzureDouble, deploying: Deploying, tmp_path: Path
) -> None:
    deploying(**BUILT).apply()
    azure.public_images.add(NEWER)
    lost = azure.faults.add("GET", "*/operationResults/*", kind=Fault.DROPPED_BEFORE, times=100)
    with pytest.raises(ApplyError, match="did not answer when asked to import"):
        deploying(**built(redis=NEWER)).apply()
    assert list(state(tmp_path)["in_flight"]) == ["image:redis"]
    azure.faults.scripted.remove(lost)
    third = "docker.io/library/redis:7"
    azure.public_images.add(third)
    deploying(**built(redis=third)).apply()
    assert pulled(azure)["redis"] == f"{SERVER}/imported/{third}"
    assert state(tmp_path)["in_flight"] == {}
    assert changes(deploying(**built(redis=third)).plan()) == {}


@pytest.mark.parametrize("token", ["no token", "e30="])
def test_an_import_that_another_version_of_the_packages_noted_is_asked_for_again(
    azure: AzureDouble, deploying: Deploying, tmp_path: Path, token: str
) -> None:
    deploying(**BUILT).apply()
    known = deploying(**BUILT).run.state
    known.put("in_flight", "image:redis", {**known.fact("image:redis"), "token": token})
    known.drop("facts", "image:redis")
    deploying(**BUILT).apply()
    assert azure.imports == {REDIS: 1, CADDY: 1}
    assert state(tmp_path)["in_flight"] == {}


def test_a_state_file_that_is_lost_costs_a_question_and_no_copy(
    azure: AzureDouble, deploying: Deploying, tmp_path: Path
) -> None:
    deploying(**BUILT).apply()
    (tmp_path / "home" / "deployments" / "faces.json").unlink()
    planned = changes(deploying(**BUILT).plan())
    assert planned == dict.fromkeys(("image", "image:redis", "image:caddy"), (Change.CREATE, ()))
    deploying(**BUILT).apply()
    assert azure.imports == {REDIS: 1, CADDY: 1}
    assert changes(deploying(**BUILT).plan()) == {}


# ---- what goes wrong -------------------------------------------------------------------------------------------------
BY_HAND = (
    "az acr import --name faces8a7e54 --source docker.io/library/redis:8.2 "
    "--image imported/docker.io/library/redis:8.2 --username YOU"
)
LIMIT = "toomanyrequests: You have reached your unauthenticated pull rate limit."


@pytest.mark.parametrize(
    ("method", "path", "fault", "told"),
    [
        (
            "POST",
            IMPORT,
            {"kind": Fault.FORBIDDEN},
            [f"You need the permission {PERMISSION} on the registry faces8a7e54"],
        ),
        (
            *("POST", IMPORT),
            {"kind": Fault.FAILS_LATER, "code": "TooManyRequests", "message": LIMIT},
            ["Run the same command again in some hours", BY_HAND],
        ),
        (
            *("GET", "*/operationResults/*"),
            {"kind": Fault.REFUSED, "status": 429, "code": "TooManyRequests", "message": LIMIT, "times": 100},
            ["Run the same command again in some hours", BY_HAND],
        ),
        (
            *("POST", IMPORT),
            {"kind": Fault.FAILS_LATER, "code": "Failed", "message": "MANIFEST_UNKNOWN: manifest unknown"},
            ["Look whether `redis` under [image] is right", BY_HAND],
        ),
        (
            *("POST", IMPORT),
            {"kind": Fault.FAILS_LATER, "code": "ServiceUnavailable", "message": "The registry is busy."},
            ["The registry is busy (ServiceUnavailable)", "name another image, key redis under [image]", BY_HAND],
        ),
    ],
    ids=["permission", "limit", "limit while it is waited for", "source", "else"],
)
def test_an_import_that_is_refused_is_told_with_what_to_do_and_a_later_run_goes_on(
    azure: AzureDouble,
    deploying: Deploying,
    tmp_path: Path,
    method: str,
    path: str,
    fault: dict[str, Any],
    told: list[str],
) -> None:
    deploying(**BUILT).apply()
    azure.public_images.add(NEWER)
    azure.faults.add(method, path, **fault)
    with pytest.raises(ApplyError) as caught:
        deploying(**built(redis=NEWER)).deploy()
    assert [each for each in told if each not in str(caught.value)] == []
    assert state(tmp_path)["in_flight"] == {}
    assert pulled(azure)["redis"] == REDIS
    azure.faults.scripted.clear()
    deploying(**built(redis=NEWER)).deploy()
    assert pulled(azure)["redis"] == NEWER_HERE


def test_a_reference_that_is_nowhere_is_told_by_its_key(azure: AzureDouble, deploying: Deploying) -> None:
    with pytest.raises(
        ApplyError, match=r"there is no docker\.io/library/caddy:22.*Look whether `caddy` under \[image\]"
    ):
        deploying(**built(caddy="caddy:22")).apply()


def test_azure_that_is_busy_itself_is_not_taken_for_docker_hub(azure: AzureDouble, deploying: Deploying) -> None:
    azure.faults.add("POST", IMPORT, kind=Fault.THROTTLED, times=100)
    with pytest.raises(ApplyError) as caught:
        deploying(**BUILT).apply()
    assert "TooManyRequests" in str(caught.value)
    assert "in some hours" not in str(caught.value)


@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "when it has ended"])
def test_what_somebody_brought_there_by_hand_is_taken_as_it_is(
    azure: AzureDouble, deploying: Deploying, at_once: bool
) -> None:
    azure.faults.add("POST", IMPORT, kind=Fault.FAILS_LATER, code="TooManyRequests", message=LIMIT, times=2)
    with pytest.raises(ApplyError, match="--username YOU"):
        deploying(**BUILT).apply()
    azure.images.update({REDIS, CADDY})
    if at_once:
        said = {"status": 409, "code": "Conflict", "message": "Tag x already exists in target registry."}
        azure.faults.add("POST", IMPORT, kind=Fault.REFUSED, times=2, **said)
    deploying(**BUILT).apply()
    assert azure.imports == {}
    assert changes(deploying(**BUILT).plan()) == {}


def test_the_permission_to_import_is_asked_for_as_long_as_something_is_to_be_imported(
    azure: AzureDouble, deploying: Deploying
) -> None:
    all_but_this: list[dict[str, Any]] = [{"actions": ["*"], "notActions": [PERMISSION]}]
    azure.world.permissions, all_of_it = all_but_this, azure.world.permissions
    with pytest.raises(ApplyError, match=rf"You lack permissions at .*: {PERMISSION}\. "):
        deploying(**BUILT).apply()
    assert azure.resources.all() == []
    assert deploying().plan().problems == ()
    azure.world.permissions = all_of_it
    deploying(**BUILT).apply()
    azure.world.permissions = all_but_this
    assert deploying(**BUILT).plan().problems == ()
    (problem,) = deploying(**built(redis=NEWER)).plan().problems
    assert f"/resourceGroups/faces: {PERMISSION}. " in problem
