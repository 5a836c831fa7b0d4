from __future__ import annotations

import asyncio

import pytest

from service.errors import (
    LLMAuthenticationError,
    LLMBusyError,
    LLMConnectionError,
    LLMContextLengthError,
    LLMError,
    LLMModelNotFoundError,
    LLMRateLimitedError,
    LLMRequestError,
    LLMResponseError,
    LLMServerError,
    LLMTimeoutError,
    LLMUnavailableError,
    LLMUnsupportedError,
)
from service.llm import ChatReply
from service.resilience import Breaker, BreakerChange
from tests.resilience_fakes import (
    REPLY,
    REQUEST,
    HeldLLM,
    ManualClock,
    ScriptedLLM,
    outcome,
    reply,
    request,
    settle,
)

DOWN = LLMServerError("down")


async def opened(inner: ScriptedLLM | HeldLLM, clock: ManualClock) -> Breaker:
    """A breaker before `inner` that two failures opened; its probe is due after 15 s."""
    breaker = Breaker(inner, failures=2, open_s=15.0, clock=clock)
    for _ in range(2):
        call = asyncio.create_task(outcome(breaker.complete(REQUEST)))
        await settle()
        if isinstance(inner, HeldLLM):
            inner.answer(DOWN)
        await call
    assert breaker.state == "open"
    return breaker


async def test_open_breaker_fails_at_once_and_says_when_the_probe_is_due() -> None:
    clock = ManualClock()
    inner = ScriptedLLM(DOWN, DOWN, REPLY)
    breaker = await opened(inner, clock)
    clock.now += 5
    with pytest.raises(LLMUnavailableError) as caught:
        await breaker.complete(REQUEST)
    assert caught.value.retry_after_s == 10.0
    assert len(inner.requests) == 2


async def test_successes_between_do_not_keep_a_failing_endpoint_in_use() -> None:
    alternating: list[ChatReply | LLMError] = [DOWN, REPLY]
    breaker = Breaker(ScriptedLLM(*alternating * 5), failures=5, window=10)
    for _ in range(9):
        await outcome(breaker.complete(REQUEST))
    assert breaker.state == "open"


async def test_failures_that_left_the_window_do_not_count() -> None:
    breaker = Breaker(ScriptedLLM(DOWN, *[REPLY] * 10, DOWN), failures=2, window=10)
    for _ in range(12):
        await outcome(breaker.complete(REQUEST))
    assert breaker.state == "closed"


@pytest.mark.parametrize("error", [LLMTimeoutError, LLMConnectionError, LLMServerError, LLMResponseError])
async def test_sick_endpoint_opens_it(error: type[LLMError]) -> None:
    breaker = Breaker(ScriptedLLM(error("sick")), failures=1)
    await outcome(breaker.complete(REQUEST))
    assert breaker.state == "open"


@pytest.mark.parametrize(
    "error",
    [
        LLMRateLimitedError,
        LLMAuthenticationError,
        LLMModelNotFoundError,
        LLMRequestError,
        LLMContextLengthError,
        LLMUnsupportedError,
        LLMBusyError,
        LLMUnavailableError,
    ],
)
async def test_error_that_is_not_about_health_does_not_open_it(error: type[LLMError]) -> None:
    breaker = Breaker(ScriptedLLM(error("no")), failures=1)
    await outcome(breaker.complete(REQUEST))
    assert breaker.state == "closed"


async def test_refusal_does_not_open_it() -> None:
    breaker = Breaker(ScriptedLLM(reply(finish_reason="refusal")), failures=1)
    await breaker.complete(REQUEST)
    assert breaker.state == "closed"


async def test_timeout_of_a_caller_in_a_hurry_does_not_open_it() -> None:
    breaker = Breaker(ScriptedLLM(LLMTimeoutError("late")), failures=1, fair_timeout_s=5.0)
    await outcome(breaker.complete(request(timeout_s=4.0)))
    assert breaker.state == "closed"


async def test_one_probe_goes_through_and_closes_it() -> None:
    clock = ManualClock()
    inner = HeldLLM()
    breaker = await opened(inner, clock)
    clock.now += 15
    calls = [asyncio.create_task(outcome(breaker.complete(REQUEST))) for _ in range(5)]
    await settle()
    assert len(inner.calls) == 1
    inner.answer()
    probe, *others = await asyncio.gather(*calls)
    assert probe == REPLY
    assert all(isinstance(other, LLMUnavailableError) for other in others)
    assert breaker.state == "closed"


async def test_failed_probe_opens_it_again() -> None:
    clock = ManualClock()
    breaker = await opened(ScriptedLLM(DOWN, DOWN, DOWN), clock)
    clock.now += 15
    assert await outcome(breaker.complete(REQUEST)) is DOWN
    with pytest.raises(LLMUnavailableError) as caught:
        await breaker.complete(REQUEST)
    assert caught.value.retry_after_s == 15.0


async def test_throttled_probe_closes_it() -> None:
    clock = ManualClock()
    breaker = await opened(ScriptedLLM(DOWN, DOWN, LLMRateLimitedError("slow down")), clock)
    clock.now += 15
    await outcome(breaker.complete(REQUEST))
    assert breaker.state == "closed"


async def test_cancelled_probe_leaves_it_to_the_next_call() -> None:
    clock = ManualClock()
    inner = HeldLLM()
    breaker = await opened(inner, clock)
    clock.now += 15
    probe = asyncio.create_task(breaker.complete(REQUEST))
    await settle()
    probe.cancel()
    await asyncio.wait([probe])
    second = asyncio.create_task(breaker.complete(REQUEST))
    await settle()
    inner.answer()
    assert await second == REPLY
    assert breaker.state == "closed"


async def test_probe_that_was_not_sent_leaves_it_to_the_next_call() -> None:
    clock = ManualClock()
    breaker = await opened(ScriptedLLM(DOWN, DOWN, LLMBusyError("full"), REPLY), clock)
    clock.now += 15
    await outcome(breaker.complete(REQUEST))
    assert await breaker.complete(REQUEST) == REPLY


async def test_late_failure_from_before_the_opening_does_not_open_it_again() -> None:
    clock = ManualClock()
    inner = HeldLLM()
    breaker = Breaker(inner, failures=1, open_s=15.0, clock=clock)
    calls = [asyncio.create_task(outcome(breaker.complete(REQUEST))) for _ in range(2)]
    await settle()
    inner.answer(DOWN)
    await calls[0]
    clock.now += 15
    probe = asyncio.create_task(breaker.complete(REQUEST))
    await settle()
    inner.answer(REPLY, call=1)
    await probe
    inner.answer(DOWN)
    assert await calls[1] is DOWN
    assert breaker.state == "closed"


async def test_changes_are_reported() -> None:
    clock = ManualClock()
    changes: list[BreakerChange] = []
    breaker = Breaker(ScriptedLLM(DOWN, REPLY), failures=1, clock=clock, on_change=changes.append)
    await outcome(breaker.complete(REQUEST))
    clock.now += 15
    await breaker.complete(REQUEST)
    assert changes == [BreakerChange("open", DOWN), BreakerChange("half_open"), BreakerChange("closed")]
