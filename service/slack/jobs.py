"""Work that goes on after Slack's request was acknowledged: bounded, owned, and ended with the service."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

_END_S = 5.0


class Jobs:
    """Runs at most `most` coroutines at once; none after `aclose`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def full(self) -> bool:
        """Whether nothing more is taken on."""
        return self._closed or len(self._tasks) >= self._most

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin work that handles its own errors."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        """Cancel all work and wait for its end, five seconds at most."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_END_S)
