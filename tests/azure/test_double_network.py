"""Networks in the double, by the real SDK."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError

from tests.azure.sdk import GROUP, LOCATION, Sdk, code_of

WHERE = {"location": LOCATION}
DELEGATION = {"name": "aci", "properties": {"serviceName": "Microsoft.ContainerInstance/containerGroups"}}


def network(sdk: Sdk, *subnets: dict[str, Any], name: str = "net") -> Any:
    """Made."""
    properties: dict[str, Any] = {"addressSpace": {"addressPrefixes": ["10.1.0.0/16"]}}
    if subnets:
        properties["subnets"] = list(subnets)
    body = {**WHERE, "properties": properties}
    return sdk.network.virtual_networks.begin_create_or_update(GROUP, name, body).result()


def subnet(name: str, prefix: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "properties": {"addressPrefix": prefix, **more}}


def test_subnets_are_made_with_their_network_and_by_themselves(sdk: Sdk) -> None:
    made = network(sdk, subnet("a", "10.1.0.0/24"))
    assert [each.name for each in made.subnets] == ["a"]
    subnets = sdk.network.subnets
    subnets.begin_create_or_update(GROUP, "net", "b", {"properties": {"addressPrefix": "10.1.1.0/24"}}).result()
    assert [each.name for each in network(sdk).subnets] == ["a", "b"]
    assert [each.name for each in network(sdk, subnet("b", "10.1.1.0/24")).subnets] == ["b"]
    subnets.begin_delete(GROUP, "net", "b").result()
    assert not list(subnets.list(GROUP, "net"))
    sdk.network.virtual_networks.begin_delete(GROUP, "net").result()
    assert not list(sdk.network.virtual_networks.list(GROUP))


@pytest.mark.parametrize(
    ("prefix", "code"),
    [
        ("10.2.0.0/24", "NetcfgInvalidSubnet"),
        ("10.1.0.128/25", "NetcfgSubnetRangesOverlap"),
        ("10.1.0/24", "InvalidAddressPrefixFormat"),
    ],
)
def test_a_prefix_that_does_not_fit_is_refused(sdk: Sdk, prefix: str, code: str) -> None:
    network(sdk, subnet("a", "10.1.0.0/24"))
    with pytest.raises(HttpResponseError) as caught:
        sdk.network.subnets.begin_create_or_update(GROUP, "net", "b", {"properties": {"addressPrefix": prefix}})
    assert code_of(caught) == code


def test_two_subnets_at_once_are_one_too_many(sdk: Sdk) -> None:
    network(sdk)
    subnets = sdk.network.subnets
    first = subnets.begin_create_or_update(
        GROUP, "net", "a", {"properties": {"addressPrefix": "10.1.0.0/24"}}, polling=False
    )
    assert first.result().provisioning_state == "Creating"
    with pytest.raises(HttpResponseError) as caught:
        subnets.begin_create_or_update(GROUP, "net", "b", {"properties": {"addressPrefix": "10.1.1.0/24"}})
    assert (caught.value.status_code, code_of(caught)) == (409, "AnotherOperationInProgress")
    assert subnets.get(GROUP, "net", "a").provisioning_state == "Succeeded"


def test_a_nat_gateway_needs_a_static_address_and_is_kept_while_a_subnet_uses_it(sdk: Sdk) -> None:
    addresses, gateways = sdk.network.public_ip_addresses, sdk.network.nat_gateways
    loose = {**WHERE, "sku": {"name": "Basic"}, "properties": {"publicIPAllocationMethod": "Dynamic"}}
    fixed = {**WHERE, "sku": {"name": "Standard"}, "properties": {"publicIPAllocationMethod": "Static"}}
    wrong = addresses.begin_create_or_update(GROUP, "loose", loose).result()
    right = addresses.begin_create_or_update(GROUP, "fixed", fixed).result()
    assert right.ip_address.startswith("203.0.113.")

    def gateway(address: Any) -> dict[str, Any]:
        return {**WHERE, "sku": {"name": "Standard"}, "properties": {"publicIpAddresses": [{"id": address.id}]}}

    with pytest.raises(HttpResponseError) as caught:
        gateways.begin_create_or_update(GROUP, "nat", gateway(wrong))
    assert code_of(caught) == "NatGatewayPublicIpSkuMismatch"
    made = gateways.begin_create_or_update(GROUP, "nat", gateway(right)).result()
    network(sdk, subnet("a", "10.1.0.0/24", natGateway={"id": made.id}))
    assert gateways.get(GROUP, "nat").subnets[0].id.endswith("/subnets/a")
    for delete, name, code in (
        (gateways.begin_delete, "nat", "InUseNatGatewayCannotBeDeleted"),
        (addresses.begin_delete, "fixed", "PublicIPAddressCannotBeDeleted"),
    ):
        with pytest.raises(HttpResponseError) as caught:
            delete(GROUP, name)
        assert code_of(caught) == code
    sdk.network.virtual_networks.begin_delete(GROUP, "net").result()
    gateways.begin_delete(GROUP, "nat").result()
    addresses.begin_delete(GROUP, "fixed").result()


def test_a_subnet_refers_to_what_is_there(sdk: Sdk, double: Any) -> None:
    absent = f"/subscriptions/{double.subscription}/resourceGroups/{GROUP}/providers/Microsoft.Network/natGateways/x"
    with pytest.raises(HttpResponseError) as caught:
        network(sdk, subnet("a", "10.1.0.0/24", natGateway={"id": absent}))
    assert code_of(caught) == "InvalidResourceReference"


def test_a_security_group_is_kept_while_a_subnet_uses_it(sdk: Sdk) -> None:
    rule = {
        "name": "https",
        "properties": {
            "priority": 100,
            "direction": "Inbound",
            "access": "Allow",
            "protocol": "Tcp",
            "sourceAddressPrefix": "*",
            "sourcePortRange": "*",
            "destinationAddressPrefix": "*",
            "destinationPortRange": "443",
        },
    }
    groups = sdk.network.network_security_groups
    made = groups.begin_create_or_update(GROUP, "nsg", {**WHERE, "properties": {"securityRules": [rule]}}).result()
    assert [each.name for each in made.security_rules] == ["https"]
    network(sdk, subnet("a", "10.1.0.0/24", networkSecurityGroup={"id": made.id}))
    with pytest.raises(HttpResponseError) as caught:
        groups.begin_delete(GROUP, "nsg")
    assert code_of(caught) == "InUseNetworkSecurityGroupCannotBeDeleted"


def test_a_private_endpoint_puts_its_address_into_a_zone(sdk: Sdk, double: Any) -> None:
    body = {**WHERE, "sku": {"name": "Standard_LRS"}, "kind": "StorageV2", "properties": {}}
    account = sdk.storage.storage_accounts.begin_create(GROUP, "fpstore", body).result()
    net = network(sdk, subnet("ends", "10.1.2.0/24"))
    link = {"name": "l", "properties": {"privateLinkServiceId": account.id, "groupIds": ["file"]}}
    body = {
        **WHERE,
        "properties": {"subnet": {"id": net.subnets[0].id}, "privateLinkServiceConnections": [link]},
    }
    endpoints = sdk.network.private_endpoints
    made = endpoints.begin_create_or_update(GROUP, "pe", body).result()
    assert made.custom_dns_configs[0].fqdn == "fpstore.file.core.windows.net"
    address = made.custom_dns_configs[0].ip_addresses[0]
    assert address.startswith("10.1.2.")

    by_id, version = sdk.resources.resources, "2024-06-01"
    zone = made.id.replace("/privateEndpoints/pe", "/privateDnsZones/privatelink.file.core.windows.net")
    by_id.begin_create_or_update_by_id(zone, {"location": "global"}, api_version=version).result()
    linked = {"location": "global", "properties": {"virtualNetwork": {"id": net.id}, "registrationEnabled": False}}
    by_id.begin_create_or_update_by_id(f"{zone}/virtualNetworkLinks/l", linked, api_version=version).result()
    config = {"name": "c", "properties": {"privateDnsZoneId": zone}}
    group = {"properties": {"privateDnsZoneConfigs": [config]}}
    sdk.network.private_dns_zone_groups.begin_create_or_update(GROUP, "pe", "default", group).result()
    record = by_id.get_by_id(f"{zone}/A/fpstore", api_version=version)
    assert record.properties["aRecords"] == [{"ipv4Address": address}]

    with pytest.raises(HttpResponseError) as caught:
        sdk.network.virtual_networks.begin_delete(GROUP, "net")
    assert code_of(caught) == "InUseSubnetCannotBeDeleted"
    with pytest.raises(HttpResponseError) as caught:
        by_id.begin_delete_by_id(zone, api_version=version)
    assert code_of(caught) == "CannotDeleteResource"
    endpoints.begin_delete(GROUP, "pe").result()
    sdk.network.virtual_networks.begin_delete(GROUP, "net").result()


def test_usages_of_a_location_say_what_is_left(sdk: Sdk, double: Any) -> None:
    double.limit("VirtualNetworks", 7)
    network(sdk)
    rows = {row.name.value: row for row in sdk.network.usages.list(LOCATION)}
    assert (rows["VirtualNetworks"].current_value, rows["VirtualNetworks"].limit) == (1, 7)
