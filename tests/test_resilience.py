from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from service.errors import (
    LLMAuthenticationError,
    LLMBusyError,
    LLMError,
    LLMRateLimitedError,
    LLMServerError,
    LLMUnavailableError,
)
from service.llm import LLM
from service.resilience import Breaker, Endpoint, Fallback, Hedged, Limited, RateLimited, Retry, Retrying
from tests.resilience_fakes import REPLY, REQUEST, HeldLLM, ManualClock, ScriptedLLM, Waits, settle

WRAPPERS: list[Callable[[LLM], LLM]] = [
    Retrying,
    Breaker,
    lambda llm: Limited(llm, 2),
    lambda llm: RateLimited(llm, requests_per_minute=100),
    lambda llm: Fallback([Endpoint(llm)]),
    lambda llm: Hedged(llm, observed=0),
    lambda llm: Fallback([Endpoint(Retrying(Hedged(RateLimited(Limited(Breaker(llm), 2)))))]),
]
every_wrapper = pytest.mark.parametrize(
    "wrap", WRAPPERS, ids=["retrying", "breaker", "limited", "rate_limited", "fallback", "hedged", "all"]
)


@every_wrapper
async def test_answer_passes_through(wrap: Callable[[LLM], LLM]) -> None:
    assert await wrap(ScriptedLLM(REPLY)).complete(REQUEST) == REPLY


@every_wrapper
async def test_error_passes_through(wrap: Callable[[LLM], LLM]) -> None:
    with pytest.raises(LLMAuthenticationError):
        await wrap(ScriptedLLM(LLMAuthenticationError("wrong key"))).complete(REQUEST)


@every_wrapper
async def test_inner_call_gets_no_more_time_than_the_request(wrap: Callable[[LLM], LLM]) -> None:
    inner = ScriptedLLM(REPLY)
    await wrap(inner).complete(REQUEST)
    assert 0 < inner.requests[0].timeout_s <= REQUEST.timeout_s


@every_wrapper
async def test_cancelled_caller_cancels_the_inner_call(wrap: Callable[[LLM], LLM]) -> None:
    inner = HeldLLM()
    call = asyncio.create_task(wrap(inner).complete(REQUEST))
    await settle()
    assert len(inner.calls) == 1
    call.cancel()
    await asyncio.wait([call])
    assert call.cancelled()
    assert not inner.calls
    assert asyncio.all_tasks() == {asyncio.current_task()}


@every_wrapper
async def test_closing_a_wrapper_closes_what_it_wraps(wrap: Callable[[LLM], LLM]) -> None:
    inner = ScriptedLLM()
    await wrap(inner).aclose()
    assert inner.closed


async def test_call_that_succeeds_is_made_once() -> None:
    llm = ScriptedLLM(REPLY)
    assert await Retrying(llm).complete(REQUEST) == REPLY
    assert len(llm.requests) == 1


async def test_retryable_error_is_retried() -> None:
    llm = ScriptedLLM(LLMServerError("down"), LLMServerError("down"), REPLY)
    assert await Retrying(llm, 3, sleep=Waits()).complete(REQUEST) == REPLY


@pytest.mark.parametrize("error", [LLMAuthenticationError, LLMBusyError, LLMUnavailableError])
async def test_other_error_is_not_retried(error: type[LLMError]) -> None:
    llm = ScriptedLLM(error("no"), REPLY)
    with pytest.raises(error):
        await Retrying(llm, 3, sleep=Waits()).complete(REQUEST)
    assert len(llm.requests) == 1


async def test_last_error_is_raised_after_the_last_attempt() -> None:
    llm = ScriptedLLM(LLMServerError("first"), LLMServerError("second"), REPLY)
    with pytest.raises(LLMServerError, match="second"):
        await Retrying(llm, 2, sleep=Waits()).complete(REQUEST)


async def test_waits_grow() -> None:
    waits = Waits()
    llm = ScriptedLLM(*[LLMServerError("down")] * 4, REPLY)
    await Retrying(llm, 5, sleep=waits).complete(REQUEST)
    assert all(0.25 * 2**i <= wait <= 0.5 * 2**i for i, wait in enumerate(waits.seconds))
    assert len(waits.seconds) == 4


async def test_provider_decides_on_the_wait() -> None:
    waits = Waits()
    await Retrying(
        ScriptedLLM(LLMRateLimitedError("slow down", retry_after_s=7.0), REPLY), sleep=waits
    ).complete(REQUEST)
    assert 7.0 <= waits.seconds[0] <= 7.5


async def test_wait_longer_than_the_time_left_is_not_begun() -> None:
    waits = Waits()
    llm = ScriptedLLM(LLMRateLimitedError("come back tomorrow", retry_after_s=86400.0), REPLY)
    with pytest.raises(LLMRateLimitedError):
        await Retrying(llm, sleep=waits).complete(REQUEST)
    assert waits.seconds == []


async def test_each_attempt_gets_the_time_that_is_left() -> None:
    clock = ManualClock()

    async def sleep(seconds: float) -> None:
        clock.now += seconds

    llm = ScriptedLLM(LLMServerError("down", retry_after_s=20.0), REPLY)
    await Retrying(llm, sleep=sleep, clock=clock).complete(REQUEST)
    first, second = (request.timeout_s for request in llm.requests)
    assert first == 60.0
    assert 39.5 <= second <= 40.0


async def test_time_that_earlier_attempts_took_is_not_waited_again() -> None:
    clock = ManualClock()

    async def sleep(seconds: float) -> None:
        clock.now += seconds

    llm = ScriptedLLM(*[LLMServerError("down", retry_after_s=25.0)] * 3, REPLY)
    with pytest.raises(LLMServerError):
        await Retrying(llm, 4, sleep=sleep, clock=clock).complete(REQUEST)
    assert len(llm.requests) == 3
    assert clock.now < 1060.0


async def test_retry_is_reported() -> None:
    reports: list[Retry] = []
    waits = Waits()
    error = LLMServerError("down")
    await Retrying(ScriptedLLM(error, REPLY), sleep=waits, on_retry=reports.append).complete(REQUEST)
    assert reports == [Retry(attempt=2, wait_s=waits.seconds[0], error=error)]
