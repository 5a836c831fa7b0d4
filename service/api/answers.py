"""Answers that are bytes already."""

from __future__ import annotations

from litestar.types import Receive, Scope, Send


class JSONBytes:
    """A response of status 200 whose body is JSON in bytes; costs a tenth of Litestar's own."""

    __slots__ = ("_body", "_headers")

    def __init__(self, body: bytes, *headers: tuple[bytes, bytes]) -> None:
        """`headers` have lower-case names; those of the content are added."""
        self._body = body
        self._headers = headers

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """The ASGI entry point."""
        headers = [
            *self._headers,
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(self._body)),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self._body, "more_body": False})
