from __future__ import annotations

import asyncio

import pytest

from service.errors import LLMBusyError, LLMServerError
from service.resilience import Hedge, Hedged
from tests.resilience_fakes import (
    REPLY,
    REQUEST,
    HeldLLM,
    SlowLLM,
    in_virtual_time,
    loop_time,
    outcome,
    reply,
    request,
    settle,
)

USUAL = [1.0] * 19 + [2.0]
DOWN = LLMServerError("down")


async def warm(llm: Hedged) -> None:
    """Answer as many calls as it takes before the first hedge; the slowest is the 95th percentile."""
    for _ in USUAL:
        await llm.complete(REQUEST)


@in_virtual_time
async def test_call_slower_than_most_is_sent_again_and_the_first_answer_wins() -> None:
    inner = SlowLLM(*USUAL, 30.0, 1.0)
    llm = Hedged(inner, clock=loop_time)
    await warm(llm)
    began = loop_time()
    assert (await llm.complete(REQUEST)).text == "answer 22"
    assert loop_time() - began == pytest.approx(3.0)
    assert inner.ended[-2:] == ["22 answered", "21 cancelled"]


@in_virtual_time
async def test_first_call_may_still_win() -> None:
    inner = SlowLLM(*USUAL, 2.5, 1.0)
    llm = Hedged(inner, clock=loop_time)
    await warm(llm)
    assert (await llm.complete(REQUEST)).text == "answer 21"
    assert inner.ended[-2:] == ["21 answered", "22 cancelled"]


@in_virtual_time
async def test_call_as_fast_as_most_is_sent_once() -> None:
    inner = SlowLLM(*USUAL, 1.0)
    llm = Hedged(inner, clock=loop_time)
    await warm(llm)
    await llm.complete(REQUEST)
    assert len(inner.requests) == 21


@in_virtual_time
async def test_nothing_is_hedged_before_enough_is_known() -> None:
    inner = SlowLLM(*[1.0] * 10, 50.0)
    llm = Hedged(inner, share=1.0, clock=loop_time)
    for _ in range(11):
        await llm.complete(REQUEST)
    assert len(inner.requests) == 11


@in_virtual_time
async def test_hedges_keep_to_their_share_of_the_calls() -> None:
    inner = SlowLLM(*[1.0, 20.0] * 300)
    hedges: list[Hedge] = []
    llm = Hedged(inner, quantile=0.4, share=0.05, clock=loop_time, on_hedge=hedges.append)
    for _ in range(200):
        await llm.complete(REQUEST)
    assert len(hedges) == 10


@in_virtual_time
async def test_second_call_is_a_batch_call_with_the_time_that_is_left() -> None:
    inner = SlowLLM(*USUAL, 30.0, 1.0)
    llm = Hedged(inner, clock=loop_time)
    await warm(llm)
    await llm.complete(REQUEST)
    assert inner.requests[-1] == request(priority="batch", timeout_s=58.0)


async def hedging(inner: HeldLLM) -> asyncio.Task[object]:
    """A call whose hedge is under way."""
    llm = Hedged(inner, observed=1, share=1.0, clock=loop_time)
    first = asyncio.create_task(llm.complete(REQUEST))
    await settle()
    inner.answer()
    await first
    call: asyncio.Task[object] = asyncio.create_task(outcome(llm.complete(REQUEST)))
    await asyncio.sleep(1)
    assert len(inner.calls) == 2
    return call


@in_virtual_time
async def test_failure_of_the_second_call_is_not_the_callers() -> None:
    inner = HeldLLM()
    call = await hedging(inner)
    inner.answer(LLMBusyError("full"), call=1)
    await settle()
    inner.answer()
    assert await call == REPLY


@in_virtual_time
async def test_second_call_may_save_one_that_fails() -> None:
    inner = HeldLLM()
    call = await hedging(inner)
    inner.answer(DOWN)
    await settle()
    inner.answer(reply(text="second"))
    assert await call == reply(text="second")


@in_virtual_time
async def test_error_of_the_first_call_is_raised_if_both_fail() -> None:
    inner = HeldLLM()
    call = await hedging(inner)
    inner.answer(LLMBusyError("full"), call=1)
    inner.answer(DOWN)
    assert await call is DOWN


@in_virtual_time
async def test_cancelled_caller_cancels_both_calls() -> None:
    inner = HeldLLM()
    call = await hedging(inner)
    call.cancel()
    await asyncio.wait([call])
    assert call.cancelled()
    assert not inner.calls


@in_virtual_time
async def test_call_that_fails_early_is_not_hedged() -> None:
    inner = HeldLLM()
    llm = Hedged(inner, observed=0, share=1.0, clock=loop_time)
    call = asyncio.create_task(outcome(llm.complete(REQUEST)))
    await settle()
    inner.answer(DOWN)
    assert await call is DOWN
    assert len(inner.requests) == 1


@in_virtual_time
async def test_hedge_is_reported() -> None:
    hedges: list[Hedge] = []
    llm = Hedged(SlowLLM(*USUAL, 30.0, 1.0), clock=loop_time, on_hedge=hedges.append)
    await warm(llm)
    await llm.complete(REQUEST)
    assert hedges == [Hedge(after_s=2.0)]
