"""Which hosts and addresses this service may ask, for pages and for webhooks alike.

A name is resolved once, all its addresses must be allowed, and the connection is made to one of these very
addresses: a name that answers differently the second time (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

from service.errors import BlockedAddressError, InvalidURLError, PageNotFoundError, PageTimeoutError

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
Resolver: TypeAlias = Callable[[str], Awaitable[Sequence[Address]]]

WEB_PORTS: Final = (80, 443)

# IANA IPv4 Special-Purpose Address Registry, multicast, and the address at which Azure's machines find their
# platform. Written out, as what `ipaddress` calls global differs between releases of Python.
_IPV4_BARRED = tuple(
    IPv4Network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24"),
        *("192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
        *("224.0.0.0/3", "168.63.129.16/32"),
    )
)
# Of IPv6, the one block of global unicast addresses without those parts of it that are something else:
# protocol assignments (Teredo among them), documentation, 6to4.
_IPV6_ALLOWED = IPv6Network("2000::/3")
_IPV6_BARRED = tuple(
    IPv6Network(network)
    for network in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)
# Where a network without IPv4 has its own resolver put the IPv4 internet (RFC 6052).
_NAT64 = IPv6Network("64:ff9b::/96")

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


def is_public(address: Address) -> bool:
    """Whether `address` is one of the public internet: nobody's own network, machine or platform."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _IPV4_BARRED)
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
    return address in _IPV6_ALLOWED and not any(address in network for network in _IPV6_BARRED)


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """What may be asked. In lists of hosts, `example.org` is that host, `.example.org` also all below it.

    `allow_hosts` names the only hosts allowed, where it names any; `private_networks` are allowed although
    they are not of the public internet.
    """

    ports: Sequence[int] = WEB_PORTS
    allow_hosts: Sequence[str] = ()
    deny_hosts: Sequence[str] = ()
    private_networks: Sequence[Network] = ()

    def check_host(self, host: str, port: int) -> None:
        """Raise BlockedAddressError if this host, by its name, or this port may not be asked."""
        if port not in self.ports:
            allowed = ", ".join(map(str, self.ports))
            raise BlockedAddressError(f"port {port} may not be asked; allowed: {allowed}")
        if any(_within(host, pattern) for pattern in self.deny_hosts) or (
            self.allow_hosts and not any(_within(host, pattern) for pattern in self.allow_hosts)
        ):
            raise BlockedAddressError("the settings of this service do not allow this host")

    def check_address(self, address: Address) -> None:
        """Raise BlockedAddressError if this address may not be asked; the message does not tell it."""
        if not is_public(address) and not any(address in network for network in self.private_networks):
            raise BlockedAddressError("this host is not on the public internet")


class AddressBook:
    """Finds the addresses of hosts, and gives out none that the policy bars.

    Args:
        policy: What may be asked.
        resolve: Finds the addresses of a name; by default, the system does.
        timeout_s: Seconds that a name may take.
    """

    def __init__(
        self, policy: AddressPolicy, resolve: Resolver | None = None, *, timeout_s: float = 5.0
    ) -> None:
        self.policy = policy
        self._resolve = resolve or SystemResolver()
        self._timeout_s = timeout_s

    async def find(self, host: str, port: int) -> Sequence[Address]:
        """The addresses of `host`, at least one, in the order in which to try them.

        Raises:
            InvalidURLError: no host of the internet can have such a name.
            BlockedAddressError: it, or one of its addresses, may not be asked.
            PageNotFoundError: there is no such host.
            PageTimeoutError: the name was not resolved in time.
        """
        host = host.lower().removesuffix(".")
        literal = _literal(host)
        if literal is None:
            _check_name(host)
        self.policy.check_host(host, port)
        if literal is not None:
            addresses: Sequence[Address] = (literal,)
        else:
            try:
                async with asyncio.timeout(self._timeout_s):
                    addresses = await self._resolve(host)
            except TimeoutError as exc:
                raise PageTimeoutError(f"the host's name took over {self._timeout_s:g} s to resolve") from exc
        if not addresses:
            raise PageNotFoundError("there is no host of this name", remedy="check the URL")
        for address in addresses:
            self.policy.check_address(address)
        return addresses


class SystemResolver:
    """Asks the system, in threads of its own: those that wait for a dead name server hold up nothing else."""

    def __init__(self, threads: int = 8) -> None:
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None

    async def __call__(self, host: str) -> Sequence[Address]:
        """The addresses of `host`, none if it has none."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="resolver")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, _ask_system, host)


def _ask_system(host: str) -> Sequence[Address]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(ip_address(str(place[0]).partition("%")[0]) for *_, place in found))


def parse_networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Networks such as `10.0.0.0/8`; raises ValueError."""
    return tuple(ip_network(text) for text in texts)


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _check_name(host: str) -> None:
    """Names only: what some resolvers take for an address, such as `0x7f.1`, `2130706433`, is none."""
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise InvalidURLError("the URL's host is no name of the internet", remedy="check the URL")
    if _NUMBER.fullmatch(labels[-1]):
        raise InvalidURLError("the URL's host is a number in disguise", remedy="give the host's name")


def _within(host: str, pattern: str) -> bool:
    pattern = pattern.lower()
    return host == pattern.removeprefix(".") or (pattern.startswith(".") and host.endswith(pattern))
