"""Key vaults and the secrets in them, by the real SDK."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.keyvault.secrets import SecretClient

from tests.azure.sdk import GROUP, LOCATION, Sdk, Token, code_of

OFFICER = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7"


def vault(sdk: Sdk, double: Any, **properties: Any) -> Any:
    """Made."""
    usual = {"tenantId": double.tenant, "sku": {"family": "A", "name": "standard"}, "enableRbacAuthorization": True}
    wanted = {"location": LOCATION, "properties": usual | properties}
    made = sdk.vaults.vaults.begin_create_or_update(GROUP, "fpvault", wanted).result()
    let_in(sdk, double, made.id)
    return made


def let_in(sdk: Sdk, double: Any, vault_id: str) -> None:
    """Whoever deploys may read and write secrets."""
    role = f"/subscriptions/{double.subscription}/providers/Microsoft.Authorization/roleDefinitions/{OFFICER}"
    given = {"properties": {"roleDefinitionId": role, "principalId": double.principal}}
    sdk.roles.role_assignments.create(vault_id, "11111111-1111-4111-8111-111111111111", given)


def secrets(sdk: Sdk, made: Any, token: Any = None) -> SecretClient:
    """A client of its secrets."""
    return SecretClient(
        made.properties.vault_uri, token or sdk.credential, verify_challenge_resource=False, **sdk.transport
    )


def test_secrets_are_kept_by_version_and_deleted_softly(sdk: Sdk, double: Any) -> None:
    client = secrets(sdk, vault(sdk, double))
    first = client.set_secret("SECRET-KEY", "one", content_type="text/plain")
    client.set_secret("SECRET-KEY", "two")
    assert client.get_secret("SECRET-KEY").value == "two" == double.secret("fpvault", "SECRET-KEY")
    assert client.get_secret("SECRET-KEY", first.properties.version).value == "one"
    assert [each.name for each in client.list_properties_of_secrets()] == ["SECRET-KEY"]
    client.begin_delete_secret("SECRET-KEY").result()
    with pytest.raises(ResourceNotFoundError):
        client.get_secret("SECRET-KEY")
    with pytest.raises(HttpResponseError) as caught:
        client.set_secret("SECRET-KEY", "three")
    assert caught.value.status_code == 409
    client.purge_deleted_secret("SECRET-KEY")
    assert client.set_secret("SECRET-KEY", "three").value == "three"


def test_whoever_is_not_signed_in_reads_no_secret(sdk: Sdk, double: Any) -> None:
    made = vault(sdk, double)
    secrets(sdk, made).set_secret("A", "hush")
    with pytest.raises(HttpResponseError) as caught:
        secrets(sdk, made, Token("somebody.else.here")).get_secret("A")
    assert caught.value.status_code == 401


def test_an_owner_who_is_not_let_in_reads_no_secret(sdk: Sdk, double: Any) -> None:
    made = vault(sdk, double)
    secrets(sdk, made).set_secret("A", "hush")
    sdk.roles.role_assignments.delete(made.id, "11111111-1111-4111-8111-111111111111")
    with pytest.raises(HttpResponseError) as caught:
        secrets(sdk, made).get_secret("A")
    assert caught.value.status_code == 403


def test_an_access_policy_lets_in_where_roles_do_not_count(sdk: Sdk, double: Any) -> None:
    policy = {"tenantId": double.tenant, "objectId": double.principal, "permissions": {"secrets": ["get", "set"]}}
    made = vault(sdk, double, enableRbacAuthorization=False, accessPolicies=[policy])
    assert secrets(sdk, made).set_secret("A", "hush").value == "hush"


def test_a_deleted_vault_keeps_its_name_and_its_secrets(sdk: Sdk, double: Any) -> None:
    made = vault(sdk, double)
    secrets(sdk, made).set_secret("A", "hush")
    vaults = sdk.vaults.vaults
    ask = {"name": "fpvault", "type": "Microsoft.KeyVault/vaults"}
    vaults.delete(GROUP, "fpvault")
    assert not vaults.check_name_availability(ask).name_available
    with pytest.raises(HttpResponseError) as caught:
        vault(sdk, double)
    assert (caught.value.status_code, code_of(caught)) == (409, "ConflictError")
    assert [each.name for each in vaults.list_deleted()] == ["fpvault"]
    again = vault(sdk, double, createMode="recover")
    assert secrets(sdk, again).get_secret("A").value == "hush"
    vaults.delete(GROUP, "fpvault")
    vaults.begin_purge_deleted("fpvault", LOCATION).result()
    assert vaults.check_name_availability(ask).name_available
    with pytest.raises(ResourceNotFoundError):
        secrets(sdk, vault(sdk, double)).get_secret("A")


def test_a_vault_of_the_government_cloud_challenges_in_its_name(make_double: Callable[..., Any]) -> None:
    double = make_double(government=True)
    double.register_all()
    sdk = Sdk(double)
    sdk.group()
    made = vault(sdk, double)
    answer = requests.get(
        f"{made.properties.vault_uri}secrets/A", verify=sdk.transport["connection_verify"], timeout=10
    )
    assert answer.status_code == 401
    assert f'authorization="https://login.microsoftonline.us/{double.tenant}"' in answer.headers["WWW-Authenticate"]
    assert secrets(sdk, made).set_secret("A", "hush").value == "hush"
