"""Which hosts and addresses may be asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from service.addresses import Address, AddressBook, AddressPolicy, SystemResolver, is_public, parse_networks
from service.connections import check_url
from service.errors import (
    BlockedAddressError,
    InvalidURLError,
    PageNotFoundError,
    PageTimeoutError,
)

# This network and our own, then networks for documentation, tests and relays, then multicast and reserved
# ones, then where clouds have their metadata, then IPv6, then IPv4 in IPv6.
BARRED = """
0.0.0.0 10.0.0.1 100.64.0.1 127.0.0.1 169.254.1.1 172.16.0.1 172.31.255.255 192.168.1.1
192.0.2.1 192.88.99.1 198.18.0.1 198.51.100.1 203.0.113.1
224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255
169.254.169.254 100.100.100.200 192.0.0.192 168.63.129.16 fd00:ec2::254
:: ::1 fc00::1 fe80::1 fec0::1 ff02::1 100::1 2001::1 2001:db8::1 3fff::1 5f00::1
::127.0.0.1 ::ffff:127.0.0.1 ::ffff:1.1.1.1 64:ff9b::7f00:1 64:ff9b:1::1 2001:0:7f00:1:: 2002:7f00:1::
"""


def book(*addresses: str, policy: AddressPolicy | None = None) -> AddressBook:
    """An address book in which every name has these addresses."""

    async def resolve(_: str) -> Sequence[Address]:
        return [ip_address(a) for a in addresses]

    return AddressBook(policy or AddressPolicy(), resolve)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "172.15.0.1", "172.32.0.1", "2606:4700::1111", "64:ff9b::101:101"]
)
def test_addresses_of_the_public_internet_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", BARRED.split())
def test_other_addresses_are_not(address: str) -> None:
    assert not is_public(ip_address(address))


async def test_all_addresses_of_a_name_are_found_in_order() -> None:
    found = await book("93.184.216.34", "2606:4700::1111").find("news.example", 443)
    assert list(map(str, found)) == ["93.184.216.34", "2606:4700::1111"]


@pytest.mark.parametrize(
    "addresses", [("127.0.0.1",), ("93.184.216.34", "10.0.0.1"), ("93.184.216.34", "::1")]
)
async def test_one_address_inside_bars_the_name(addresses: tuple[str, ...]) -> None:
    with pytest.raises(BlockedAddressError) as error:
        await book(*addresses).find("news.example", 443)
    assert addresses[-1] not in str(error.value)


async def test_network_that_settings_name_is_allowed() -> None:
    policy = AddressPolicy(private_networks=parse_networks(["10.1.0.0/16", "fd12::/16"]))
    assert await book("10.1.2.3", "fd12::7", policy=policy).find("intranet", 80)
    with pytest.raises(BlockedAddressError):
        await book("10.2.0.1", policy=policy).find("intranet", 80)


@pytest.mark.parametrize("text", ["10.0.0.1/8", "ten", ""])
def test_network_that_is_none_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_networks([text])


@pytest.mark.parametrize("port", [22, 0, 8080, 65_536])
async def test_other_ports_are_barred(port: int) -> None:
    with pytest.raises(BlockedAddressError, match="allowed: 80, 443"):
        await book("93.184.216.34").find("news.example", port)


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("news.example", True),
        ("NEWS.example.", True),
        ("www.news.example", False),
        ("wire.test", True),
        ("www.wire.test", True),
        ("evilwire.test", False),
        ("bad.wire.test", False),
        ("other.example", False),
    ],
)
async def test_lists_of_hosts_hold(host: str, *, allowed: bool) -> None:
    policy = AddressPolicy(allow_hosts=("news.example", ".wire.test"), deny_hosts=("bad.wire.test",))
    finding = book("93.184.216.34", policy=policy).find(host, 443)
    if allowed:
        assert await finding
    else:
        with pytest.raises(BlockedAddressError, match="settings"):
            await finding


@pytest.mark.parametrize(
    "host", ["", ".", "a..b", "-a.example", "a-.example", "a b", "a/b", "a" * 64, "a." * 128]
)
async def test_host_that_cannot_be_one_is_an_error(host: str) -> None:
    with pytest.raises(InvalidURLError):
        await book("93.184.216.34").find(host, 443)


async def test_name_without_addresses_is_not_found() -> None:
    with pytest.raises(PageNotFoundError, match="no host"):
        await book().find("news.example", 443)


async def test_name_server_that_is_silent_is_waited_for_no_longer_than_told() -> None:
    async def resolve(_: str) -> Sequence[Address]:
        return await asyncio.Future()

    with pytest.raises(PageTimeoutError, match="resolve"):
        await AddressBook(AddressPolicy(), resolve, timeout_s=0.01).find("news.example", 443)


async def test_system_is_asked_for_names() -> None:
    resolve = SystemResolver()
    assert ip_address("127.0.0.1") in await resolve("localhost")
    assert await resolve("no-such-host.invalid") == ()


async def test_url_of_a_webhook_can_be_checked_before_it_is_called() -> None:
    await check_url("https://hooks.example/done", book("93.184.216.34"))
    with pytest.raises(BlockedAddressError):
        await check_url("https://hooks.example/done", book("10.0.0.1"))
    with pytest.raises(InvalidURLError):
        await check_url("ftp://hooks.example/done", book("93.184.216.34"))
