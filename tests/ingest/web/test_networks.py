"""Whom the crawler may speak to."""

from __future__ import annotations

import pytest

from ingest.rejections import FORBIDDEN_ADDRESS, UNREACHABLE, RejectedError
from ingest.web.addresses import parse
from ingest.web.networks import Networks, resolve

PUBLIC = ["93.184.216.34", "2606:4700::1111", "2002:5db8:d822::1", "64:ff9b::5db8:d822", "::ffff:5db8:d822"]
NOT_PUBLIC = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "ff0e::1",
    "2001:db8::1",
    "3fff::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::808:808",
    "2001:0:5db8:d822:0:0:f5ff:fffe",
]


def forbidden(networks: Networks, address: str, *found: str) -> bool:
    try:
        networks.checked(parse(address), lambda host, port: found)
    except RejectedError as error:
        assert error.reason == FORBIDDEN_ADDRESS
        return True
    return False


@pytest.mark.parametrize("found", PUBLIC)
def test_public_addresses_are_asked(found: str) -> None:
    assert str(Networks().checked(parse("http://site.test/"), lambda host, port: [found])) == found


@pytest.mark.parametrize("found", NOT_PUBLIC)
def test_others_are_not_also_where_a_public_one_stands_beside(found: str) -> None:
    assert forbidden(Networks(), "http://site.test/", found)
    assert forbidden(Networks(), "http://site.test/", "93.184.216.34", found)


@pytest.mark.parametrize(
    "host", ["localhost", "localhost.", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "[::1]", "0"]
)
def test_odd_spellings_are_what_the_system_makes_of_them(host: str) -> None:
    with pytest.raises(RejectedError) as caught:
        Networks().checked(parse(f"http://{host}/"), resolve)
    assert caught.value.reason in (FORBIDDEN_ADDRESS, UNREACHABLE)  # a resolver may know fewer spellings


def test_networks_that_the_settings_name_are_asked_and_no_others() -> None:
    networks = Networks.of(allowed=["10.1.0.0/16", "fd00::/8"], ports=[80])
    assert not forbidden(networks, "http://site.test/", "10.1.2.3")
    assert not forbidden(networks, "http://site.test/", "fd00::5")
    assert forbidden(networks, "http://site.test/", "10.2.0.1")
    assert forbidden(networks, "http://site.test/", "10.1.2.3", "127.0.0.1")


def test_only_ports_that_the_settings_name_are_asked() -> None:
    assert not forbidden(Networks(), "https://site.test/", "93.184.216.34")
    assert forbidden(Networks(), "http://site.test:8080/", "93.184.216.34")
    assert not forbidden(Networks.of(allowed=[], ports=[8080]), "http://site.test:8080/", "93.184.216.34")
    assert forbidden(Networks.of(allowed=[], ports=[8080]), "http://site.test/", "93.184.216.34")
