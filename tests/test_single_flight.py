"""The contract of every single flight: one call for many callers, and what happens when some leave."""

import asyncio
import gc
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from typing import TypeAlias, TypeVar

import pytest

from service.cache import SingleFlight
from service.cache.redis_link import RedisLink
from service.cache.shared_flight import SharedFlight


class Work:
    """Work that starts, ends and fails when the test says so."""

    def __init__(self) -> None:
        self.calls = 0
        self.started = asyncio.Event()
        self.finish = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.tidy = asyncio.Event()
        self.tidy.set()
        self.error: Exception | None = None

    async def __call__(self) -> int:
        self.calls += 1
        self.started.set()
        try:
            await self.finish.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            await self.tidy.wait()
            raise
        if self.error is not None:
            raise self.error
        return self.calls


T = TypeVar("T")
AnyFlight: TypeAlias = SingleFlight | SharedFlight


class Seeking(SharedFlight):
    """A shared flight whose callers look for what other processes made, and never find it."""

    async def run(
        self,
        key: str,
        make: Callable[[], Awaitable[T]],
        find: Callable[[], Awaitable[T | None]] | None = None,
    ) -> tuple[T, bool]:
        assert find is None
        return await super().run(key, make, self._find)

    async def _find(self) -> None:
        return None


@pytest.fixture(params=["local", "shared"])
async def flights(request: pytest.FixtureRequest) -> AsyncIterator[AnyFlight]:
    if request.param == "local":
        flights = SingleFlight()
        yield flights
        await flights.aclose()
    else:
        link = RedisLink(request.getfixturevalue("redis_url"), timeout_s=10)
        shared = Seeking(link)
        yield shared
        await shared.aclose()
        await link.aclose()


@pytest.fixture
def work() -> Work:
    return Work()


async def join(flights: AnyFlight, work: Work, callers: int) -> list[asyncio.Task[tuple[int, bool]]]:
    """Callers that all wait for the work."""
    tasks = [asyncio.create_task(flights.run("key", work)) for _ in range(callers)]
    await work.started.wait()
    return tasks


async def test_callers_at_once_share_one_call(flights: AnyFlight, work: Work) -> None:
    callers = await join(flights, work, 50)
    work.finish.set()
    results = await asyncio.gather(*callers)
    assert [value for value, _ in results] == [1] * 50
    assert sorted(joined for _, joined in results) == [False] + [True] * 49


async def test_a_call_after_the_end_works_anew(flights: AnyFlight, work: Work) -> None:
    work.finish.set()
    assert await flights.run("key", work) == (1, False)
    assert await flights.run("key", work) == (2, False)


async def test_other_keys_do_not_wait(flights: AnyFlight, work: Work) -> None:
    await join(flights, work, 1)
    other = Work()
    other.finish.set()
    assert await flights.run("other", other) == (1, False)


async def test_a_caller_that_leaves_does_not_disturb_the_others(flights: AnyFlight, work: Work) -> None:
    first, second = await join(flights, work, 2)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    work.finish.set()
    assert await second == (1, True)


async def test_a_timeout_of_the_first_caller_does_not_bind_the_work(flights: AnyFlight, work: Work) -> None:
    limit = asyncio.timeout(None)

    async def impatient() -> None:
        async with limit:
            await flights.run("key", work)

    first = asyncio.create_task(impatient())
    (second,) = await join(flights, work, 1)
    limit.reschedule(0)
    with pytest.raises(TimeoutError):
        await first
    work.finish.set()
    assert await second == (1, True)


async def test_work_that_nobody_waits_for_is_cancelled(flights: AnyFlight, work: Work) -> None:
    callers = await join(flights, work, 2)
    for caller in callers:
        caller.cancel()
    results = await asyncio.gather(*callers, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results)
    assert work.cancelled.is_set()


async def test_the_last_caller_leaves_after_the_work_has_ended(flights: AnyFlight, work: Work) -> None:
    work.tidy.clear()
    (caller,) = await join(flights, work, 1)
    caller.cancel()
    await work.cancelled.wait()
    assert not caller.done()
    work.tidy.set()
    with pytest.raises(asyncio.CancelledError):
        await caller


# A shared flight keeps its lease until its work has tidied up, so that whoever comes then waits for that.
in_one_process = pytest.mark.parametrize("flights", ["local"], indirect=True)


@in_one_process
async def test_a_caller_during_the_cancellation_starts_anew(flights: AnyFlight, work: Work) -> None:
    work.tidy.clear()
    (left,) = await join(flights, work, 1)
    left.cancel()
    await work.cancelled.wait()
    fresh = Work()
    fresh.finish.set()
    assert await flights.run("key", fresh) == (1, False)
    work.tidy.set()
    with pytest.raises(asyncio.CancelledError):
        await left


@in_one_process
async def test_a_cancelled_flight_does_not_end_the_one_after_it(flights: AnyFlight, work: Work) -> None:
    work.tidy.clear()
    (left,) = await join(flights, work, 1)
    left.cancel()
    await work.cancelled.wait()
    fresh = Work()
    (newer,) = await join(flights, fresh, 1)
    work.tidy.set()
    await asyncio.wait([left])
    joiner = asyncio.create_task(flights.run("key", fresh))
    fresh.finish.set()
    assert (await newer, await joiner) == ((1, False), (1, True))


async def test_an_exception_reaches_every_caller_with_the_traceback_of_the_work_alone(
    flights: AnyFlight, work: Work
) -> None:
    work.error = ValueError("no")
    frames: list[list[str]] = []

    async def caller() -> None:
        try:
            await flights.run("key", work)
        except ValueError as exc:
            frames.append([frame.name for frame in traceback.extract_tb(exc.__traceback__)])

    callers = [asyncio.create_task(caller()) for _ in range(20)]
    await work.started.wait()
    work.finish.set()
    await asyncio.gather(*callers)
    assert len(frames) == 20
    assert all(names == frames[0] for names in frames)
    assert frames[0][-1] == "__call__"


async def test_a_failure_is_not_remembered(flights: AnyFlight, work: Work) -> None:
    work.error = ValueError("no")
    work.finish.set()
    with pytest.raises(ValueError, match="no"):
        await flights.run("key", work)
    work.error = None
    assert await flights.run("key", work) == (2, False)


async def test_a_failure_that_nobody_waits_for_is_not_reported_as_unhandled(
    flights: AnyFlight, work: Work
) -> None:
    reports: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))

    async def fail_when_cancelled() -> int:
        try:
            return await work()
        except asyncio.CancelledError:
            raise ValueError("while leaving") from None

    caller = asyncio.create_task(flights.run("key", fail_when_cancelled))
    await work.started.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    gc.collect()
    assert reports == []


async def test_the_work_sees_the_context_of_the_caller_that_started_it(flights: AnyFlight) -> None:
    trace: ContextVar[str] = ContextVar("trace")
    trace.set("first")

    async def read() -> str:
        return trace.get()

    assert await flights.run("key", read) == ("first", False)


async def test_closing_cancels_all_work_and_frees_its_callers(flights: AnyFlight, work: Work) -> None:
    callers = await join(flights, work, 3)
    await flights.aclose()
    assert work.cancelled.is_set()
    results = await asyncio.gather(*callers, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results)


@pytest.mark.parametrize("leaves", [False, True])
async def test_nothing_is_kept_of_a_flight_that_has_ended(
    flights: AnyFlight, work: Work, leaves: bool
) -> None:
    (caller,) = await join(flights, work, 1)
    assert len(flights) == 1
    if leaves:
        caller.cancel()
    else:
        work.finish.set()
    await asyncio.wait([caller])
    assert len(flights) == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}
