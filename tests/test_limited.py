from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from service.errors import LLMBusyError, LLMError, LLMRateLimitedError, LLMServerError, LLMTimeoutError
from service.llm import ChatReply, ChatRequest, Priority
from service.resilience import Admission, Limited
from tests.resilience_fakes import (
    BATCH,
    REPLY,
    REQUEST,
    HeldLLM,
    VirtualTimeLoop,
    in_virtual_time,
    loop_time,
    outcome,
    request,
    settle,
)

Call = asyncio.Task[ChatReply | LLMError]


def named(name: str, priority: Priority = "interactive") -> ChatRequest:
    return request(model=name, priority=priority)


def call(llm: Limited, asked: ChatRequest = REQUEST) -> Call:
    return asyncio.create_task(outcome(llm.complete(asked)))


async def order_of(inner: HeldLLM) -> list[str]:
    """Answer all calls, one after the other; returns the names in the order in which they came."""
    while inner.calls:
        inner.answer()
        await settle()
    return [asked.model for asked in inner.requests]


@in_virtual_time
async def test_no_more_calls_are_in_flight_than_the_limit() -> None:
    inner = HeldLLM()
    llm = Limited(inner, 2)
    calls = [call(llm) for _ in range(6)]
    await settle()
    assert (llm.in_flight, llm.waiting) == (2, 4)
    await order_of(inner)
    assert await asyncio.gather(*calls) == [REPLY] * 6
    assert inner.most_in_flight == 2
    assert (llm.in_flight, llm.waiting) == (0, 0)


@in_virtual_time
async def test_waiters_are_served_in_order_of_arrival() -> None:
    inner = HeldLLM()
    llm = Limited(inner, 1)
    calls = [call(llm, named(name)) for name in "abcde"]
    await settle()
    assert await order_of(inner) == list("abcde")
    await asyncio.gather(*calls)


@in_virtual_time
async def test_newcomer_does_not_overtake_a_waiter_whose_turn_has_come() -> None:
    inner = HeldLLM()
    llm = Limited(inner, 1)
    calls = [call(llm, named("first")), call(llm, named("waiter"))]
    await settle()
    inner.answer()
    calls.append(call(llm, named("newcomer")))
    await settle()
    assert await order_of(inner) == ["first", "waiter", "newcomer"]
    await asyncio.gather(*calls)


@in_virtual_time
async def test_interactive_calls_go_before_batch_calls() -> None:
    inner = HeldLLM()
    llm = Limited(inner, 1)
    arrivals = [named("first"), named("b1", "batch"), named("i1"), named("b2", "batch"), named("i2")]
    calls = [call(llm, asked) for asked in arrivals]
    await settle()
    assert await order_of(inner) == ["first", "i1", "i2", "b1", "b2"]
    await asyncio.gather(*calls)


@in_virtual_time
async def test_batch_call_is_next_after_eight_that_passed_it() -> None:
    inner = HeldLLM()
    llm = Limited(inner, 1)
    arrivals = [named("first"), named("batch", "batch"), *(named(f"i{n}") for n in range(20))]
    calls = [call(llm, asked) for asked in arrivals]
    await settle()
    assert (await order_of(inner)).index("batch") == 9
    await asyncio.gather(*calls)


@in_virtual_time
async def test_call_beyond_the_waiting_room_fails_at_once() -> None:
    inner = HeldLLM()
    llm = Limited(inner, 1, max_waiting=2)
    calls = [call(llm) for _ in range(3)]
    await settle()
    with pytest.raises(LLMBusyError):
        await llm.complete(REQUEST)
    await order_of(inner)
    assert await asyncio.gather(*calls) == [REPLY] * 3


@in_virtual_time
async def test_busy_error_tells_when_the_room_will_be_empty_by_the_throughput_so_far() -> None:
    inner = HeldLLM()
    llm = Limited(inner, 2, max_waiting=5, clock=loop_time)
    answered = call(llm)
    await asyncio.sleep(4.0)
    inner.answer()
    await answered
    calls = [call(llm) for _ in range(7)]
    await settle()
    with pytest.raises(LLMBusyError) as caught:
        await llm.complete(REQUEST)
    assert caught.value.retry_after_s == pytest.approx(6 * 4.0 / 2)
    await order_of(inner)
    await asyncio.gather(*calls)


@in_virtual_time
async def test_interactive_call_takes_the_place_of_the_last_batch_call_in_a_full_room() -> None:
    inner = HeldLLM()
    llm = Limited(inner, 1, max_waiting=2)
    arrivals = [named("first"), named("b1", "batch"), named("b2", "batch"), named("interactive")]
    calls = [call(llm, asked) for asked in arrivals]
    await settle()
    assert isinstance(await calls[2], LLMBusyError)
    assert await order_of(inner) == ["first", "interactive", "b1"]
    await asyncio.gather(*calls)


@in_virtual_time
async def test_batch_call_finds_no_place_in_a_full_room() -> None:
    inner = HeldLLM()
    llm = Limited(inner, 1, max_waiting=1)
    calls = [call(llm), call(llm)]
    await settle()
    with pytest.raises(LLMBusyError):
        await llm.complete(BATCH)
    await order_of(inner)
    await asyncio.gather(*calls)


@in_virtual_time
async def test_waiter_whose_time_runs_out_leaves() -> None:
    inner = HeldLLM()
    llm = Limited(inner, 1)
    first = call(llm)
    await settle()
    with pytest.raises(LLMTimeoutError):
        await llm.complete(request(timeout_s=3.0))
    assert loop_time() == pytest.approx(3.0)
    assert llm.waiting == 0
    inner.answer()
    await first


@in_virtual_time
async def test_call_gets_the_time_that_waiting_left() -> None:
    inner = HeldLLM()
    llm = Limited(inner, 1, clock=loop_time)
    calls = [call(llm), call(llm)]
    await asyncio.sleep(20.0)
    inner.answer()
    await settle()
    assert inner.requests[1].timeout_s == pytest.approx(40.0)
    inner.answer()
    await asyncio.gather(*calls)


@in_virtual_time
async def test_cancelled_waiter_leaves_no_ghost() -> None:
    inner = HeldLLM()
    llm = Limited(inner, 1, max_waiting=1)
    first, waiter = call(llm), call(llm)
    await settle()
    waiter.cancel()
    await asyncio.wait([waiter])
    third = call(llm)
    await settle()
    await order_of(inner)
    assert [await first, await third] == [REPLY, REPLY]
    assert len(inner.requests) == 2


@in_virtual_time
async def test_waiter_cancelled_as_its_turn_comes_passes_the_turn_on() -> None:
    inner = HeldLLM()
    llm = Limited(inner, 1)

    async def call_then_cancel_waiter() -> None:
        await llm.complete(REQUEST)
        waiter.cancel()

    first = asyncio.create_task(call_then_cancel_waiter())
    await settle()
    waiter, third = call(llm), call(llm)
    await settle()
    inner.answer()
    await asyncio.wait([first, waiter])
    await settle()
    await order_of(inner)
    assert await third == REPLY
    assert llm.in_flight == 0


@in_virtual_time
async def test_cancelled_call_gives_its_place_back() -> None:
    inner = HeldLLM()
    llm = Limited(inner, 1)
    first, second = call(llm), call(llm)
    await settle()
    first.cancel()
    await settle()
    inner.answer()
    assert await second == REPLY


@in_virtual_time
async def test_failed_call_gives_its_place_back() -> None:
    inner = HeldLLM()
    llm = Limited(inner, 1)
    first, second = call(llm), call(llm)
    await settle()
    inner.answer(LLMServerError("down"))
    await settle()
    inner.answer()
    assert isinstance(await first, LLMServerError)
    assert await second == REPLY


@in_virtual_time
async def test_throttling_lowers_the_limit() -> None:
    inner = HeldLLM()
    llm = Limited(inner, 10)
    calls = [call(llm) for _ in range(20)]
    await settle()
    for _ in range(10):
        inner.answer(LLMRateLimitedError("slow down"))
        await settle()
    assert llm.limit == 7
    assert len(inner.calls) == 7
    await order_of(inner)
    await asyncio.gather(*calls)


@in_virtual_time
async def test_limit_without_room_to_adapt_stays() -> None:
    inner = HeldLLM()
    llm = Limited(inner, 5, min_concurrent=5)
    throttled = call(llm)
    await settle()
    inner.answer(LLMRateLimitedError("slow down"))
    await throttled
    assert llm.limit == 5


@in_virtual_time
async def test_admissions_are_reported() -> None:
    inner = HeldLLM()
    admissions: list[Admission] = []
    llm = Limited(inner, 1, clock=loop_time, on_admission=admissions.append)
    calls = [call(llm), call(llm, BATCH)]
    await asyncio.sleep(2.0)
    await order_of(inner)
    await asyncio.gather(*calls)
    assert admissions == [Admission("interactive", 0.0, waiting=0), Admission("batch", 2.0, waiting=0)]


class LimitedUnderLoad(RuleBasedStateMachine):
    """Calls come, end, fail, are cancelled and run out of time in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=VirtualTimeLoop)
        self.inner = HeldLLM()
        self.calls: list[Call] = []
        self.passed: dict[str, int] = {}
        self.llm = Limited(self.inner, 3, max_waiting=4, clock=self.runner.get_loop().time)

    def run(self, steps: Any) -> None:
        self.runner.run(steps)
        self.calls = [c for c in self.calls if not c.done()]

    @rule(priority=st.sampled_from(["interactive", "batch"]), timeout_s=st.sampled_from([1.0, 50.0]))
    def arrive(self, priority: Priority, timeout_s: float) -> None:
        async def steps() -> None:
            self.calls.append(call(self.llm, request(priority=priority, timeout_s=timeout_s)))
            await settle()

        self.run(steps())

    @rule(which=st.integers(0, 2), answer=st.sampled_from([REPLY, "429", "500"]), settled=st.booleans())
    def end_call(self, which: int, answer: ChatReply | str, settled: bool) -> None:
        errors = {"429": LLMRateLimitedError("slow down"), "500": LLMServerError("down")}

        async def steps() -> None:
            if self.inner.calls:
                result = errors[answer] if isinstance(answer, str) else answer
                self.inner.answer(result, call=which % len(self.inner.calls))
                await settle() if settled else await asyncio.sleep(0)

        self.run(steps())

    @rule(which=st.integers(0, 20), more=st.integers(0, 3), ticks=st.integers(0, 4))
    def cancel(self, which: int, more: int, ticks: int) -> None:
        async def steps() -> None:
            for number in range(which, min(which + more + 1, len(self.calls))):
                self.calls[number].cancel()
            for _ in range(ticks):
                await asyncio.sleep(0)

        self.run(steps())

    @rule()
    def let_time_pass(self) -> None:
        self.run(asyncio.sleep(2.0))

    @invariant()
    def no_more_in_flight_than_the_ceiling(self) -> None:
        assert self.inner.most_in_flight <= 3
        assert 1 <= self.llm.limit <= 3

    @invariant()
    def nobody_waits_while_a_place_is_free(self) -> None:
        self.run(settle())
        assert self.llm.in_flight == len(self.inner.calls)
        assert self.llm.waiting == 0 or self.llm.in_flight >= self.llm.limit
        assert self.llm.in_flight + self.llm.waiting == len(self.calls)

    def teardown(self) -> None:
        async def steps() -> None:
            while self.inner.calls:
                self.inner.answer()
                await settle()

        self.run(steps())
        assert self.calls == []
        assert (self.llm.in_flight, self.llm.waiting) == (0, 0)
        self.runner.close()


LimitedUnderLoad.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestLimitedUnderLoad = LimitedUnderLoad.TestCase
