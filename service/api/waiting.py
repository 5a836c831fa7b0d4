"""Waiting with a limit, at no cost where there is nothing to wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def within(limit_s: float, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`; a timer is set only if it has to wait, as a body mostly has arrived already.

    A timer costs 7 µs, a twentieth of a cache hit. (Python 3.12 starts eager tasks in the same way.)

    Raises:
        TimeoutError: it took longer than `limit_s`.
    """
    try:
        awaited = work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    async with asyncio.timeout(limit_s):
        return await _go_on(work, awaited)


@coroutine
def _go_on(work: Coroutine[Any, Any, T], awaited: object) -> Generator[Any, Any, T]:
    """The rest of `work`, which was begun and waits for `awaited`."""
    while True:
        try:
            try:
                sent = yield awaited
            except BaseException as exc:  # noqa: BLE001 - a coroutine takes every error that awaiting raises
                awaited = work.throw(exc)
            else:
                awaited = work.send(sent)
        except StopIteration as done:
            result: T = done.value
            return result
