"""A few at a time, with a bound on how many wait, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from service.errors import IntakeBusyError


class Turns:
    """Lets `at_once` callers through; of the others, `max_waiting` wait, for `wait_s` seconds at most."""

    def __init__(self, at_once: int, *, max_waiting: int, wait_s: float) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._max_waiting = max_waiting
        self._wait_s = wait_s
        self.waiting = 0

    @asynccontextmanager
    async def turn(self, field: str) -> AsyncIterator[None]:
        """A turn; raises IntakeBusyError, which names the request's `field`, if it would come too late."""
        if self._free.locked() and self.waiting >= self._max_waiting:
            raise IntakeBusyError(field=field, retry_after_s=self._wait_s)
        self.waiting += 1
        try:
            async with asyncio.timeout(self._wait_s):
                await self._free.acquire()
        except TimeoutError as exc:
            raise IntakeBusyError(field=field, retry_after_s=self._wait_s) from exc
        finally:
            self.waiting -= 1
        try:
            yield
        finally:
            self._free.release()
