"""Callers who go away before they have their answer, and a service that stops before it has given one."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from litestar import Request
from litestar.exceptions import HTTPException, ServiceUnavailableException
from litestar.types import ASGIApp, Receive, Scope, Send

T = TypeVar("T")

# What proxies log for a client that closed the connection; nobody receives it.
_CLIENT_CLOSED_REQUEST = 499
_RESTART_S = "5"


def answer_when_stopped(app: ASGIApp) -> ASGIApp:
    """Middleware: a request that the server cuts off, because it stops, is a 503 that may be sent again."""

    async def answering(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError as exc:
            raise stopping() from exc

    return answering


def stopping() -> HTTPException:
    """The error of whoever is not answered because the server stops."""
    headers = {"Retry-After": _RESTART_S, "Connection": "close"}
    return ServiceUnavailableException("The service is stopping.", headers=headers)


def caller_gone() -> HTTPException:
    """The error that ends what is done for a caller who has closed the connection."""
    return HTTPException("the caller has gone", status_code=_CLIENT_CLOSED_REQUEST)


async def unless_gone(request: Request[Any, Any, Any], work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled when the caller closes the connection.

    The request's body must have been read: what is received after it is the end of the connection.

    Raises:
        HTTPException: the caller has gone.
    """
    working = asyncio.create_task(work)
    watching = asyncio.create_task(wait_until_gone(request.receive))
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise caller_gone()
        return working.result()
    finally:
        watching.cancel()
        working.cancel()


async def wait_until_gone(receive: Receive) -> None:
    """Wait until the caller closes the connection; the request's body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass
