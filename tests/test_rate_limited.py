from __future__ import annotations

import asyncio

import pytest

from service.errors import LLMBusyError, LLMConnectionError, LLMError, LLMTimeoutError, LLMUnavailableError
from service.llm import ChatReply, ChatRequest
from service.models import Message
from service.resilience import Admission, RateLimited
from tests.resilience_fakes import (
    BATCH,
    REPLY,
    HeldLLM,
    ScriptedLLM,
    in_virtual_time,
    loop_time,
    outcome,
    reply,
    request,
    settle,
    usage,
)

ASKED = request(input_tokens=90)  # and 10 of output: 100 tokens


class TimedLLM(ScriptedLLM):
    """Answers at once, and writes down when it was asked."""

    def __init__(self, *answers: ChatReply | LLMError) -> None:
        super().__init__(*answers or [REPLY] * 1000)
        self.times: list[float] = []

    async def complete(self, request: ChatRequest) -> ChatReply:
        self.times.append(round(loop_time(), 3))
        return await super().complete(request)


def by_requests(inner: TimedLLM, per_minute: int, burst_s: float = 0.0) -> RateLimited:
    return RateLimited(inner, requests_per_minute=per_minute, burst_s=burst_s, clock=loop_time)


def by_tokens(inner: TimedLLM, per_minute: int, burst_s: float = 10.0) -> RateLimited:
    return RateLimited(inner, tokens_per_minute=per_minute, burst_s=burst_s, clock=loop_time)


def call(llm: RateLimited, asked: ChatRequest = ASKED) -> asyncio.Task[ChatReply | LLMError]:
    return asyncio.create_task(outcome(llm.complete(asked)))


@in_virtual_time
async def test_calls_keep_to_the_requests_a_minute() -> None:
    inner = TimedLLM()
    llm = by_requests(inner, 60)
    await asyncio.gather(*[call(llm) for _ in range(5)])
    assert inner.times == [0, 1, 2, 3, 4]


@in_virtual_time
async def test_pause_earns_a_burst_and_no_more() -> None:
    inner = TimedLLM()
    llm = by_requests(inner, 60, burst_s=3.0)
    await asyncio.sleep(100)
    await asyncio.gather(*[call(llm) for _ in range(5)])
    assert inner.times == [100, 100, 100, 101, 102]


@in_virtual_time
async def test_no_minute_sees_more_than_the_rate_and_one_burst() -> None:
    inner = TimedLLM()
    llm = by_requests(inner, 60, burst_s=5.0)
    await asyncio.gather(*[call(llm, request(timeout_s=600)) for _ in range(200)])
    assert max(sum(start <= t < start + 60 for t in inner.times) for start in inner.times) < 65


@in_virtual_time
async def test_calls_keep_to_the_tokens_a_minute() -> None:
    inner = TimedLLM()
    llm = by_tokens(inner, 600)
    await asyncio.gather(*[call(llm) for _ in range(3)])
    assert inner.times == [0, 10, 20]


@in_virtual_time
async def test_prompt_is_estimated_where_nobody_says_how_long_it_is() -> None:
    inner = TimedLLM()
    llm = by_tokens(inner, 600)
    asked = request(messages=(Message(role="user", content="word" * 90),))
    await asyncio.gather(call(llm, asked), call(llm, asked))
    assert inner.times == [0, 10]


@in_virtual_time
async def test_usage_puts_the_estimate_right() -> None:
    inner = TimedLLM(reply(usage=usage(30, 20)), reply(usage=usage(180, 20)), REPLY)
    llm = by_tokens(inner, 600)
    for _ in range(3):
        await llm.complete(ASKED)
    assert inner.times == [0, 5, 25]


@in_virtual_time
async def test_waiter_goes_sooner_when_a_call_took_less_than_estimated() -> None:
    inner = HeldLLM()
    llm = RateLimited(inner, tokens_per_minute=600, clock=loop_time)
    calls = [call(llm), call(llm)]
    await asyncio.sleep(1)
    inner.answer(reply(usage=usage(5, 5)))
    await settle()
    assert len(inner.requests) == 2
    inner.answer()
    await asyncio.gather(*calls)


@in_virtual_time
async def test_call_larger_than_a_burst_goes_and_is_waited_for_by_the_next() -> None:
    inner = TimedLLM()
    llm = by_tokens(inner, 600)
    await asyncio.gather(call(llm, request(input_tokens=290)), call(llm))
    assert inner.times == [0, 30]


@in_virtual_time
async def test_call_that_cannot_go_in_time_is_told_so_at_once() -> None:
    llm = by_requests(TimedLLM(), 1)
    await llm.complete(ASKED)
    await asyncio.sleep(20)
    with pytest.raises(LLMBusyError) as caught:
        await llm.complete(request(timeout_s=30))
    assert caught.value.retry_after_s == pytest.approx(40)
    assert loop_time() == 20


@in_virtual_time
async def test_those_who_wait_already_are_counted_in() -> None:
    llm = by_requests(TimedLLM(), 60)
    calls = [call(llm) for _ in range(10)]
    await settle()
    with pytest.raises(LLMBusyError) as caught:
        await llm.complete(request(timeout_s=5))
    assert caught.value.retry_after_s == pytest.approx(10)
    await asyncio.gather(*calls)


@in_virtual_time
async def test_call_beyond_the_waiting_room_fails_at_once() -> None:
    llm = RateLimited(TimedLLM(), requests_per_minute=60, burst_s=0, max_waiting=1, clock=loop_time)
    calls = [call(llm), call(llm)]
    await settle()
    with pytest.raises(LLMBusyError):
        await llm.complete(ASKED)
    await asyncio.gather(*calls)


@in_virtual_time
async def test_interactive_call_goes_before_batch_calls_that_wait() -> None:
    inner = TimedLLM()
    llm = by_requests(inner, 60)
    calls = [call(llm, BATCH) for _ in range(4)]
    await settle()
    calls.append(call(llm))
    await asyncio.gather(*calls)
    assert [asked.priority for asked in inner.requests] == ["batch", "interactive", "batch", "batch", "batch"]


@in_virtual_time
async def test_batch_call_that_others_passed_for_too_long_times_out() -> None:
    llm = by_requests(TimedLLM(), 60)
    calls = [call(llm), call(llm, request(priority="batch", timeout_s=1.5)), call(llm), call(llm)]
    assert isinstance((await asyncio.gather(*calls))[1], LLMTimeoutError)


@in_virtual_time
async def test_cancelled_waiter_takes_nothing() -> None:
    inner = TimedLLM()
    llm = by_requests(inner, 60)
    first, waiter, third = call(llm), call(llm), call(llm)
    await settle()
    waiter.cancel()
    await asyncio.gather(first, third)
    assert inner.times == [0, 1]
    assert llm.waiting == 0


@in_virtual_time
async def test_small_call_goes_when_the_large_one_before_it_is_cancelled() -> None:
    inner = TimedLLM()
    llm = by_tokens(inner, 600)
    await llm.complete(ASKED)
    large, small = call(llm), call(llm, request(input_tokens=0))
    await asyncio.sleep(1)
    large.cancel()
    await small
    assert inner.times == [0, 1]


@in_virtual_time
async def test_waiter_cancelled_as_its_turn_comes_gives_back_what_it_took() -> None:
    inner = HeldLLM()
    llm = RateLimited(inner, requests_per_minute=60, burst_s=0, clock=loop_time)

    async def call_then_cancel_waiter() -> None:
        await outcome(llm.complete(ASKED))
        waiter.cancel()

    first = asyncio.create_task(call_then_cancel_waiter())
    await settle()
    waiter, third = call(llm), call(llm)
    await settle()
    inner.answer(LLMBusyError("nothing was sent, so it is the next one's turn"))
    await asyncio.wait([first, waiter])
    await settle()
    assert len(inner.requests) == 2
    inner.answer()
    assert await third == REPLY
    assert loop_time() == 0


@pytest.mark.parametrize("error", [LLMBusyError("full"), LLMUnavailableError("open")])
@in_virtual_time
async def test_call_that_was_not_sent_counts_for_nothing(error: LLMError) -> None:
    inner = TimedLLM(error, REPLY)
    llm = by_requests(inner, 60)
    await outcome(llm.complete(ASKED))
    await llm.complete(ASKED)
    assert inner.times == [0, 0]


@in_virtual_time
async def test_call_that_failed_on_the_way_counts() -> None:
    inner = TimedLLM(LLMConnectionError("reset"), REPLY)
    llm = by_requests(inner, 60)
    await outcome(llm.complete(ASKED))
    await llm.complete(ASKED)
    assert inner.times == [0, 1]


@in_virtual_time
async def test_call_gets_the_time_that_waiting_left() -> None:
    inner = TimedLLM()
    llm = by_requests(inner, 2)
    await asyncio.gather(call(llm), call(llm))
    assert [asked.timeout_s for asked in inner.requests] == pytest.approx([60, 30])


@in_virtual_time
async def test_admissions_are_reported() -> None:
    admissions: list[Admission] = []
    llm = RateLimited(
        TimedLLM(), requests_per_minute=60, burst_s=0, clock=loop_time, on_admission=admissions.append
    )
    await asyncio.gather(call(llm), call(llm, BATCH))
    assert admissions == [Admission("interactive", 0.0, waiting=0), Admission("batch", 1.0, waiting=0)]
