"""Headers that every response carries, so that a browser makes nothing of it but data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from litestar.types import Message, Scope, Send

# No Strict-Transport-Security: whoever ends TLS in front of the service knows whether all of its host has it.
MORE_HEADERS: Final = "standfirst.headers"
"""Key of a scope for further headers of the response, in bytes."""

_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


def hardened(scope: Scope, send: Send) -> Send:
    """`send`, with these headers on each response."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            more: Sequence[tuple[bytes, bytes]] = scope.get(MORE_HEADERS, ())  # type: ignore[assignment]
            message["headers"] = [*message["headers"], *_HEADERS, *more]
        await send(message)

    return sending
