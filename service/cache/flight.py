"""Single flight: however many ask at once, the work is done once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Flights(Protocol):
    """What `SingleFlight` and `SharedFlight` have in common."""

    async def run(
        self,
        key: str,
        make: Callable[[], Awaitable[T]],
        find: Callable[[], Awaitable[T | None]] | None = None,
    ) -> tuple[T, bool]:
        """The result of `make()`, and whether it is that of work which another caller had started.

        `find` looks in the shared store for the result of equal work that another process has done; without
        it, as where nothing may be kept or an older result will not do, callers of this process alone are
        joined. An exception of the work reaches every caller of this process, and no other. Work that
        `aclose` ended raises `asyncio.CancelledError`.
        """
        ...

    async def aclose(self) -> None:
        """Cancel all work and wait for its end."""
        ...


class _Flight:
    """Work under way, and how many wait for it."""

    __slots__ = ("task", "traceback", "waiters")

    task: asyncio.Task[Any]  # flights of one table differ in type

    def __init__(self) -> None:
        self.waiters = 0
        self.traceback: TracebackType | None = None


class SingleFlight:
    """Runs the work of equal keys once while it is under way, and gives all callers its outcome.

    The work is a task of the SingleFlight's own: it outlives a caller that is cancelled or times out, and is
    cancelled when the last one has left; whoever asks after that starts anew. It sees the context variables
    of the caller that started it, but not that caller's cancellation or timeouts.
    """

    def __init__(self) -> None:
        self._flights: dict[str, _Flight] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        """How many keys have work under way that somebody waits for."""
        return len(self._flights)

    async def run(
        self,
        key: str,
        make: Callable[[], Awaitable[T]],
        find: Callable[[], Awaitable[T | None]] | None = None,  # noqa: ARG002 - there are no other processes
    ) -> tuple[T, bool]:
        """See `Flights.run`; no other process is joined."""
        flight = self._flights.get(key)
        joined = flight is not None
        if flight is None:
            flight = self._start(key, make)
        flight.waiters += 1
        try:
            await asyncio.wait([flight.task])
        except asyncio.CancelledError:
            if flight.waiters == 1:
                self._forget(key, flight)
                flight.task.cancel()
                await asyncio.wait([flight.task])
            raise
        finally:
            flight.waiters -= 1
        error = None if flight.task.cancelled() else flight.task.exception()
        if error is not None:
            # All callers raise one object; without this each would add its frames to the traceback of the
            # others.
            raise error.with_traceback(flight.traceback)
        return flight.task.result(), joined

    async def aclose(self) -> None:
        """Cancel all work and wait for its end."""
        self._flights.clear()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _start(self, key: str, make: Callable[[], Awaitable[T]]) -> _Flight:
        flight = self._flights[key] = _Flight()
        flight.task = asyncio.create_task(self._work(key, flight, make))
        self._tasks.add(flight.task)
        flight.task.add_done_callback(self._end)
        return flight

    async def _work(self, key: str, flight: _Flight, make: Callable[[], Awaitable[T]]) -> T:
        try:
            return await make()
        except Exception as exc:
            flight.traceback = exc.__traceback__
            raise
        finally:
            self._forget(key, flight)

    def _forget(self, key: str, flight: _Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]

    def _end(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # read, so that asyncio does not warn where every caller has left
