"""The service with a pulse: how long its event loop was held, and by whom. Started by `bench.footprint`."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

import msgspec
import uvicorn
from litestar.types import ASGIApp, Receive, Scope, Send

from service.app import create_app
from service.settings import Settings

_INTERVAL_S = 0.001


class Heartbeat:
    """An ASGI application around another; `GET /heartbeat` tells the longest delay since the last one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._beating: asyncio.Task[None] | None = None
        self._forget()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope.get("path") != "/heartbeat":
            await self._app(scope, receive, send)
            return
        self._beating = self._beating or asyncio.create_task(self._beat())
        body = msgspec.json.encode(
            {"held_s": self._held_s, "own_s": self._own_s, "delays_s": self._delays[-5:]}
        )
        self._forget()
        headers: Any = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    def _forget(self) -> None:
        self._held_s = self._own_s = 0.0
        self._delays: list[float] = []

    async def _beat(self) -> None:
        """Sleep shortly, over and over: what a sleep takes longer than asked for, the loop was held.

        The CPU time of the loop's thread in that time tells its own work from waiting for the interpreter's
        lock, or for a core.
        """
        while True:
            start, cpu = time.perf_counter(), time.thread_time()
            await asyncio.sleep(_INTERVAL_S)
            held_s = time.perf_counter() - start - _INTERVAL_S
            self._held_s = max(self._held_s, held_s)
            self._own_s = max(self._own_s, min(held_s, time.thread_time() - cpu))
            if held_s > 0.01:
                self._delays = sorted([*self._delays, held_s])[-5:]


def main() -> None:
    """Serve as `standfirst serve` does."""
    settings = Settings.from_env(os.environ)
    app: Any = Heartbeat(create_app(settings))
    uvicorn.run(app, host=settings.host, port=settings.port, log_level=settings.log_level)
