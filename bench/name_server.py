"""A name server on loopback with answers as told, and a resolver that asks it: RFC 1035 over UDP."""

from __future__ import annotations

import asyncio
import secrets
import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Self

_A, _AAAA = 1, 28
_NXDOMAIN = 3

Answers = Mapping[str, Sequence[str]]


class NameServer(asyncio.DatagramProtocol):
    """Answers for `names`: the n-th question for a name gets its n-th answer, addresses parted by blanks.

    The last answer is repeated; an empty one is never sent. `asked` counts the questions for each name.
    """

    def __init__(self, names: Answers) -> None:
        self._names = names
        self.asked: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, ("127.0.0.1", 0))
        self.address: tuple[str, int] = self._transport.get_extra_info("sockname")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer one question."""
        name, end = _read_name(data, 12)
        (kind,) = struct.unpack_from("!H", data, end)
        question = data[12 : end + 4]
        if kind == _A:
            self.asked[name] += 1
        answers = self._names.get(name)
        if answers is None:
            self._transport.sendto(
                data[:2] + struct.pack("!5H", 0x8180 | _NXDOMAIN, 1, 0, 0, 0) + question, addr
            )
            return
        turn = answers[min(max(self.asked[name], 1), len(answers)) - 1]
        if not turn:
            return
        records = [a.packed for a in map(ip_address, turn.split()) if (a.version == 4) == (kind == _A)]
        body = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 0, len(r)) + r for r in records)
        self._transport.sendto(
            data[:2] + struct.pack("!5H", 0x8180, 1, len(records), 0, 0) + question + body, addr
        )

    async def resolve(self, host: str) -> list[IPv4Address | IPv6Address]:
        """The addresses of `host`, as this server tells them."""
        found: list[IPv4Address | IPv6Address] = []
        for kind in (_A, _AAAA):
            found += await self._ask(host, kind)
        return found

    async def _ask(self, host: str, kind: int) -> list[IPv4Address | IPv6Address]:
        labels = b"".join(bytes((len(label),)) + label.encode() for label in host.split("."))
        query = (
            secrets.token_bytes(2)
            + struct.pack("!5H", 0x0100, 1, 0, 0, 0)
            + labels
            + struct.pack("!BHH", 0, kind, 1)
        )
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        class Client(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002
                answer.set_result(data)

        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Client, remote_addr=self.address)
        try:
            transport.sendto(query)
            return list(_read_addresses(await answer))
        finally:
            transport.close()


def _read_name(data: bytes, at: int) -> tuple[str, int]:
    labels = []
    while length := data[at]:
        labels.append(data[at + 1 : at + 1 + length].decode())
        at += 1 + length
    return ".".join(labels).lower(), at + 1


def _read_addresses(data: bytes) -> list[IPv4Address | IPv6Address]:
    (count,) = struct.unpack_from("!H", data, 6)
    _, at = _read_name(data, 12)
    at += 4
    found: list[IPv4Address | IPv6Address] = []
    for _ in range(count):
        (length,) = struct.unpack_from("!H", data, at + 10)
        found.append(ip_address(data[at + 12 : at + 12 + length]))
        at += 12 + length
    return found
