"""Headers that every response carries, so that a browser makes nothing of it but data."""

from __future__ import annotations

from typing import Final

from litestar.types import Message, Send

# No Strict-Transport-Security: whoever ends TLS in front of the service knows whether all of its host has it.
_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


def hardened(send: Send) -> Send:
    """`send`, with these headers on each response."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *_HEADERS]
        await send(message)

    return sending
