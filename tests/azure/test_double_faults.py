"""What goes wrong on purpose, what goes on for a while, and what Azure would not have understood."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ServiceResponseError

from tests.azure.sdk import GROUP, LOCATION, Sdk, code_of

STORE = {"location": LOCATION, "sku": {"name": "Standard_LRS"}, "kind": "StorageV2", "properties": {}}
ACCOUNT = "*/storageAccounts/fpstore"
ADDRESS = {"location": LOCATION, "sku": {"name": "Standard"}, "properties": {"publicIPAllocationMethod": "Static"}}


def create(sdk: Sdk, **more: Any) -> Any:
    """A storage account."""
    return sdk.storage.storage_accounts.begin_create(GROUP, "fpstore", STORE, **more)


def state(sdk: Sdk) -> str:
    """How its provisioning goes; each look takes it one step further."""
    found = sdk.storage.storage_accounts.get_properties(GROUP, "fpstore").provisioning_state
    return str(getattr(found, "value", found))


# ---- faults ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("conflict", 409, "Conflict"),
        ("forbidden", 403, "AuthorizationFailed"),
        ("quota", 409, "QuotaExceeded"),
        ("principal_not_found", 400, "PrincipalNotFound"),
        ("refused", 400, "BadRequest"),
    ],
)
def test_a_scripted_refusal_is_met_as_often_as_it_is_scripted(
    sdk: Sdk, double: Any, kind: str, status: int, code: str
) -> None:
    fault = double.faults.add("PUT", ACCOUNT, kind=kind, times=2)
    for _ in range(2):
        with pytest.raises(HttpResponseError) as caught:
            create(sdk)
        assert (caught.value.status_code, code_of(caught)) == (status, code)
    assert create(sdk).result().name == "fpstore"
    assert fault.met == 2


@pytest.mark.parametrize("fault", [{"kind": "throttled"}, {"kind": "server_error", "status": 503}], ids=["429", "503"])
def test_the_sdk_tries_again_by_itself_when_azure_is_busy(sdk: Sdk, double: Any, fault: dict[str, Any]) -> None:
    double.faults.add("PUT", ACCOUNT, times=2, **fault)
    create(sdk).result()
    sent = [each.status for each in double.requests if each.method == "PUT" and each.path.endswith("/fpstore")]
    assert sent == [fault.get("status", 429), fault.get("status", 429), 202]


def test_a_connection_dropped_after_the_effect_leaves_one_resource(sdk: Sdk, double: Any) -> None:
    double.faults.add("PUT", ACCOUNT, kind="dropped_after")
    with pytest.raises(ServiceResponseError):
        create(sdk, retry_total=0)
    assert state(sdk) == "Creating"
    assert state(sdk) == "Succeeded"
    create(sdk).result()
    (account,) = sdk.storage.storage_accounts.list()
    assert double.creations[account.id.lower()] == 1


def test_a_connection_dropped_before_the_effect_leaves_nothing(sdk: Sdk, double: Any) -> None:
    double.faults.add("PUT", ACCOUNT, kind="dropped_before")
    with pytest.raises(ServiceResponseError):
        create(sdk, retry_total=0)
    assert not list(sdk.storage.storage_accounts.list())


def test_a_name_that_somebody_has_is_said_to_be_taken(sdk: Sdk, double: Any) -> None:
    double.take_name("Microsoft.Storage/storageAccounts", "fpstore")
    ask = {"name": "fpstore", "type": "Microsoft.Storage/storageAccounts"}
    assert not sdk.storage.storage_accounts.check_name_availability(ask).name_available
    with pytest.raises(HttpResponseError) as caught:
        create(sdk)
    assert code_of(caught) == "StorageAccountAlreadyTaken"
    double.faults.add("HEAD", "*/databaseAccountNames/*", kind="name_taken")
    assert sdk.cosmos.database_accounts.check_name_exists("anything")


@pytest.mark.parametrize("by", ["Azure-AsyncOperation", "Location"])
def test_an_operation_may_end_as_failed(sdk: Sdk, double: Any, by: str) -> None:
    where = "*/publicIPAddresses/ip" if by == "Azure-AsyncOperation" else ACCOUNT
    double.faults.add("PUT", where, kind="fails_later", code="SkuNotAvailable", message="Not here.")
    with pytest.raises(HttpResponseError) as caught:
        if by == "Location":
            create(sdk).result()
        else:
            sdk.network.public_ip_addresses.begin_create_or_update(GROUP, "ip", ADDRESS).result()
    assert "SkuNotAvailable" in str(caught.value)
    (made,) = [each for each in double.resources.values() if each.name in ("ip", "fpstore")]
    assert made.state == "Failed"


# ---- what goes on ----------------------------------------------------------------------------------------------------
def test_another_client_goes_on_with_what_one_began(sdk: Sdk, double: Any) -> None:
    first = sdk.network.public_ip_addresses.begin_create_or_update(GROUP, "ip", ADDRESS)
    token = first.continuation_token()
    second = Sdk(double).network.public_ip_addresses.begin_create_or_update(
        GROUP, "ip", ADDRESS, continuation_token=token
    )
    assert second.result().ip_address
    assert sum(each.method == "PUT" and each.path.endswith("/ip") for each in double.requests) == 1


def test_what_is_being_made_is_not_changed_meanwhile(make_double: Callable[..., Any]) -> None:
    double = make_double(polls=4)
    double.register_all()
    sdk = Sdk(double)
    sdk.group()
    create(sdk, polling=False)
    with pytest.raises(HttpResponseError) as caught:
        create(sdk)
    assert code_of(caught) == "StorageAccountOperationInProgress"
    assert [state(sdk) for _ in range(3)] == ["Creating", "Creating", "Succeeded"]


def test_a_group_that_is_being_deleted_takes_nothing_new(sdk: Sdk) -> None:
    sdk.resources.resource_groups.begin_delete(GROUP, polling=False)
    with pytest.raises(HttpResponseError) as caught:
        create(sdk)
    assert code_of(caught) == "ResourceGroupBeingDeleted"


# ---- rules of the control plane --------------------------------------------------------------------------------------
def test_ids_are_the_same_in_any_case_of_letters(sdk: Sdk) -> None:
    made = create(sdk).result()
    found = sdk.resources.resources.get_by_id(made.id.upper(), api_version="2026-04-01")
    assert found.id == made.id


def test_parents_must_be_there(sdk: Sdk) -> None:
    for group, code in (("other", "ResourceGroupNotFound"), (GROUP, "ParentResourceNotFound")):
        with pytest.raises(HttpResponseError) as caught:
            sdk.storage.file_shares.create(group, "absent", "media", {})
        assert (caught.value.status_code, code_of(caught)) == (404, code)


def test_a_resource_stays_where_it_is(sdk: Sdk) -> None:
    create(sdk).result()
    with pytest.raises(HttpResponseError) as caught:
        sdk.storage.storage_accounts.begin_create(GROUP, "fpstore", STORE | {"location": "eastus"})
    assert code_of(caught) == "InvalidResourceLocation"


def test_deleting_what_is_not_there_is_fine(sdk: Sdk) -> None:
    sdk.network.virtual_networks.begin_delete(GROUP, "absent").result()


def test_a_wrong_token_is_refused(double: Any) -> None:
    from tests.azure.sdk import Token

    stranger = Sdk(double)
    stranger.credential = Token("somebody.else.here")
    with pytest.raises(HttpResponseError) as caught:
        stranger.group()
    assert caught.value.status_code == 401


@pytest.mark.parametrize(
    ("body", "version", "said"),
    [
        (STORE | {"properties": {"minimumTlsVersions": "TLS1_2"}}, "2026-04-01", "minimumTlsVersions"),
        (STORE | {"kind": "StorageV9"}, "2026-04-01", "StorageV9"),
        (STORE, "2019-01-01", "2019-01-01"),
        (STORE, "2025-08-01", "no schema of version 2025-08-01"),
    ],
    ids=["unknown property", "unknown value", "unknown version", "version without a schema"],
)
def test_what_azure_would_not_understand_is_refused_and_kept_as_a_violation(
    double: Any, body: dict[str, Any], version: str, said: str
) -> None:
    sdk = Sdk(double)
    where = f"{sdk.group()}/providers/Microsoft.Storage/storageAccounts/fpstore"
    with pytest.raises(HttpResponseError) as caught:
        sdk.resources.resources.begin_create_or_update_by_id(where, body, api_version=version)
    assert caught.value.status_code == 400
    assert [said in text for text in double.violations] == [True]


def test_an_operation_that_azure_does_not_have_is_a_violation(double: Any) -> None:
    sdk = Sdk(double)
    where = f"{sdk.group()}/providers/Microsoft.Storage/storageAccountz/fpstore"
    with pytest.raises(HttpResponseError):
        sdk.resources.resources.get_by_id(where, api_version="2026-04-01")
    assert ["storageAccountz" in text for text in double.violations] == [True]


@pytest.mark.parametrize(("government", "name"), [(True, "fp.azurecr.io"), (False, "fp.azurecr.us")])
def test_a_name_of_the_other_cloud_in_a_body_is_a_violation(
    make_double: Callable[..., Any], government: bool, name: str
) -> None:
    double = make_double(government=government)
    double.register_all()
    sdk = Sdk(double)
    sdk.group()
    sdk.storage.storage_accounts.begin_create(GROUP, "fpstore", STORE | {"tags": {"registry": name}}).result()
    assert [name in text for text in double.violations] == [True]
