"""Registries, builds in them, and who may pull, by the real SDK."""

from __future__ import annotations

import io
import tarfile
from typing import Any

import pytest
import requests
from azure.core.exceptions import HttpResponseError

from tests.azure.sdk import GROUP, LOCATION, Sdk, code_of
from tests.azure.test_double_containers import body

PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
IMAGE = "fpacr.azurecr.io/faceproject:1"


def registry(sdk: Sdk, *, admin: bool = True) -> Any:
    """Made."""
    wanted = {"location": LOCATION, "sku": {"name": "Basic"}, "properties": {"adminUserEnabled": admin}}
    return sdk.registries.registries.begin_create(GROUP, "fpacr", wanted).result()


def context(*names: str) -> bytes:
    """A tar.gz of files."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    return packed.getvalue()


def build(sdk: Sdk, packed: bytes) -> Any:
    """Uploaded and scheduled; the run."""
    where = sdk.builds.registries.get_build_source_upload_url(GROUP, "fpacr")
    sent = requests.put(
        where.upload_url,
        data=packed,
        headers={"x-ms-blob-type": "BlockBlob"},
        verify=sdk.transport["connection_verify"],
        timeout=10,
    )
    assert sent.status_code == 201
    wanted = {
        "type": "DockerBuildRequest",
        "imageNames": ["faceproject:1"],
        "isPushEnabled": True,
        "dockerFilePath": "docker/Dockerfile",
        "platform": {"os": "Linux", "architecture": "amd64"},
        "sourceLocation": where.relative_path,
    }
    return sdk.builds.registries.schedule_run(GROUP, "fpacr", wanted)


def states(sdk: Sdk, run: Any) -> list[str]:
    """Until it ends."""
    seen = [run.properties.status.value]
    while seen[-1] in ("Queued", "Running"):
        seen.append(sdk.builds.runs.get(GROUP, "fpacr", run.properties.run_id).properties.status.value)
    return list(dict.fromkeys(seen))


def test_a_registry_has_a_name_of_its_own_and_credentials_for_its_admin(sdk: Sdk) -> None:
    ask = {"name": "fpacr", "type": "Microsoft.ContainerRegistry/registries"}
    assert sdk.registries.registries.check_name_availability(ask).name_available
    assert registry(sdk, admin=False).login_server == "fpacr.azurecr.io"
    assert not sdk.registries.registries.check_name_availability(ask).name_available
    with pytest.raises(HttpResponseError) as caught:
        sdk.registries.registries.list_credentials(GROUP, "fpacr")
    assert code_of(caught) == "UnAuthorizedForCredentialOperations"
    registry(sdk)
    assert sdk.registries.registries.list_credentials(GROUP, "fpacr").username == "fpacr"


def test_a_build_takes_the_context_and_pushes_the_image(sdk: Sdk, double: Any) -> None:
    registry(sdk)
    packed = context("docker/Dockerfile", "manage.py")
    run = build(sdk, packed)
    assert states(sdk, run) == ["Queued", "Running", "Succeeded"]
    assert double.images == {IMAGE}
    assert list(double.uploads.values()) == [packed]
    link = sdk.builds.runs.get_log_sas_url(GROUP, "fpacr", run.properties.run_id).log_link
    said = requests.get(link, verify=sdk.transport["connection_verify"], timeout=10).text
    assert "was successful" in said


@pytest.mark.parametrize(
    ("packed", "why"),
    [(context("manage.py"), "unable to find docker/Dockerfile"), (b"no archive", "no tar.gz")],
    ids=["no Dockerfile", "no archive"],
)
def test_a_context_that_cannot_be_built_fails_the_run(sdk: Sdk, double: Any, packed: bytes, why: str) -> None:
    registry(sdk)
    run = build(sdk, packed)
    assert states(sdk, run)[-1] == "Failed"
    ended = sdk.builds.runs.get(GROUP, "fpacr", run.properties.run_id)
    assert why in ended.properties.run_error_message
    assert not double.images


def test_a_subscription_with_free_credit_does_not_build(sdk: Sdk, double: Any) -> None:
    registry(sdk)
    double.refuse_tasks()
    with pytest.raises(HttpResponseError) as caught:
        sdk.builds.registries.get_build_source_upload_url(GROUP, "fpacr")
    assert code_of(caught) == "TasksOperationsNotAllowed"


def test_a_group_pulls_what_is_pushed_by_who_is_let_in(sdk: Sdk, double: Any) -> None:
    made = registry(sdk)
    identity = sdk.identities.user_assigned_identities.create_or_update(GROUP, "fpid", {"location": LOCATION})
    password = sdk.registries.registries.list_credentials(GROUP, "fpacr").passwords[0].value
    groups = sdk.containers.container_groups

    def pulled(**credential: str) -> Any:
        wanted = body(imageRegistryCredentials=[{"server": "fpacr.azurecr.io", **credential}])
        wanted["properties"]["containers"][0]["properties"]["image"] = IMAGE
        return groups.begin_create_or_update(GROUP, "web", wanted).result()

    right = {"username": "fpacr", "password": password}
    with pytest.raises(HttpResponseError) as caught:
        pulled(**right)  # nothing is pushed yet
    assert code_of(caught) == "InaccessibleImage"
    double.images.add(IMAGE)
    refused = [right | {"password": "wrong"}, {"identity": identity.id}]
    for credential in refused:
        with pytest.raises(HttpResponseError) as caught:
            pulled(**credential)
        assert code_of(caught) == "InaccessibleImage"
    assert pulled(**right).image_registry_credentials[0].password is None
    role = f"/subscriptions/{double.subscription}/providers/Microsoft.Authorization/roleDefinitions/{PULL}"
    given = {"properties": {"roleDefinitionId": role, "principalId": identity.principal_id}}
    sdk.roles.role_assignments.create(made.id, "11111111-1111-4111-8111-111111111111", given)
    assert pulled(identity=identity.id).provisioning_state == "Succeeded"


def imported(sdk: Sdk, source: str = "library/redis:8", **more: Any) -> None:
    """From Docker Hub, to the end."""
    wanted = {
        "source": {"registryUri": "docker.io", "sourceImage": source},
        "targetTags": ["imported/redis:8"],
        **more,
    }
    sdk.registries.registries.begin_import_image(GROUP, "fpacr", wanted).result()


def test_an_import_goes_on_and_overwrites_a_tag_only_by_force(sdk: Sdk, double: Any) -> None:
    registry(sdk)
    imported(sdk)
    assert double.images == {"fpacr.azurecr.io/imported/redis:8"}
    with pytest.raises(HttpResponseError, match="already exists in target registry") as caught:
        imported(sdk, mode="NoForce")
    assert code_of(caught) == "Conflict"
    imported(sdk, mode="Force")
    assert double.imports == {"fpacr.azurecr.io/imported/redis:8": 2}
    sdk.registries.registries.begin_delete(GROUP, "fpacr").result()
    assert not double.images


def test_what_is_nowhere_is_not_imported(sdk: Sdk, double: Any) -> None:
    registry(sdk)
    with pytest.raises(HttpResponseError, match=r"manifest unknown.*docker\.io/library/redis:80"):
        imported(sdk, "library/redis:80")
    assert not double.images


def test_an_import_is_held_against_what_azure_understands(sdk: Sdk, double: Any) -> None:
    registry(sdk)
    with pytest.raises(HttpResponseError):
        imported(sdk, tags=["imported/redis:8"])
    (told,) = double.violations
    assert told.startswith("importImage: the body: Additional properties are not allowed")
    double.violations.clear()


def test_a_group_gets_what_was_imported_and_nothing_before(sdk: Sdk, double: Any) -> None:
    registry(sdk)
    password = sdk.registries.registries.list_credentials(GROUP, "fpacr").passwords[0].value
    wanted = body(imageRegistryCredentials=[{"server": "fpacr.azurecr.io", "username": "fpacr", "password": password}])
    wanted["properties"]["containers"][0]["properties"]["image"] = "fpacr.azurecr.io/imported/redis:8"
    with pytest.raises(HttpResponseError) as caught:
        sdk.containers.container_groups.begin_create_or_update(GROUP, "redis", wanted).result()
    assert code_of(caught) == "InaccessibleImage"
    imported(sdk)
    made = sdk.containers.container_groups.begin_create_or_update(GROUP, "redis", wanted).result()
    assert made.provisioning_state == "Succeeded"
