"""Work that comes one by one, done some at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Gathering(Generic[T, R]):
    """Collects what comes while `together` is at work, and hands it over at once.

    So one transaction serves as many as there are, and one that comes alone does not wait.

    Args:
        together: Does the work; its results are in the order of what it was given.
        most: How many at once.
    """

    def __init__(self, together: Callable[[Sequence[T]], Awaitable[Sequence[R]]], most: int) -> None:
        self._together = together
        self._most = most
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, item: T) -> R:
        """The result for one item; raises what `together` raised."""
        result: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, result))
        if self._task is None:
            self._task = asyncio.create_task(self._work())
        return await result

    async def _work(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            try:
                results = await self._together([item for item, _ in group])
            except Exception as exc:  # noqa: BLE001 - it is raised where it was asked for
                for _, future in group:
                    if not future.done():
                        future.set_exception(exc)
            else:
                for (_, future), result in zip(group, results, strict=True):
                    if not future.done():
                        future.set_result(result)
        self._task = None

    async def aclose(self) -> None:
        """Give up what is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
