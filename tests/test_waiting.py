from __future__ import annotations

import asyncio

import pytest

from service.api.waiting import within
from tests.resilience_fakes import in_virtual_time


async def answer(*seconds: float, error: Exception | None = None) -> str:
    for period in seconds:
        await asyncio.sleep(period)
    if error is not None:
        raise error
    return "done"


@in_virtual_time
async def test_result_comes_whether_it_was_waited_for_or_not() -> None:
    assert await within(1.0, answer()) == "done"
    assert await within(1.0, answer(0.0)) == "done"
    assert await within(1.0, answer(0.3, 0.3, 0.3)) == "done"


@in_virtual_time
async def test_work_that_takes_too_long_is_ended() -> None:
    with pytest.raises(TimeoutError):
        await within(1.0, answer(0.6, 0.6))


@in_virtual_time
async def test_error_of_the_work_is_passed_on() -> None:
    for seconds in ((), (0.5,)):
        with pytest.raises(ValueError, match="no"):
            await within(1.0, answer(*seconds, error=ValueError("no")))


@in_virtual_time
async def test_work_can_be_cancelled_and_may_clean_up() -> None:
    cleaned = []

    async def work() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            await asyncio.sleep(0.1)
            cleaned.append(True)

    task = asyncio.create_task(within(60.0, work()))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleaned == [True]
