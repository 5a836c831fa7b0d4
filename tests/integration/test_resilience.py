"""The wrappers of `service.resilience` before a real server that does not always answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from bench.mock_llm import MockLLM, Reply
from service.errors import LLMBusyError, LLMServerError, LLMUnavailableError
from service.llm import LLM, ChatReply
from service.openai_llm import OpenAILLM
from service.resilience import Breaker, Endpoint, Failover, Fallback, Hedged, Limited, RateLimited, Retrying
from tests.resilience_fakes import ManualClock, Waits, outcome, request

ASKED = request(model="first", timeout_s=30.0)
HANG = Reply(kind="hang")


@pytest.fixture
def second_llm() -> Iterator[MockLLM]:
    with MockLLM() as mock:
        yield mock


@pytest.fixture
async def endpoint(mock_llm: MockLLM) -> AsyncIterator[OpenAILLM]:
    llm = OpenAILLM(mock_llm.base_url)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(llm.aclose)
        yield llm


@pytest.fixture
async def second_endpoint(second_llm: MockLLM) -> AsyncIterator[OpenAILLM]:
    llm = OpenAILLM(second_llm.base_url)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(llm.aclose)
        yield llm


async def until(mock: MockLLM, *, calls: int, in_flight: int) -> None:
    """Wait until the server has seen so many calls and answers so many."""
    await asyncio.to_thread(mock.wait_until, lambda s: (s.calls, s.in_flight) == (calls, in_flight))


async def test_throttled_call_is_repeated_after_the_time_the_provider_asked_for(
    mock_llm: MockLLM, endpoint: OpenAILLM
) -> None:
    waits = Waits()
    mock_llm.script(Reply(kind="status", status=429, headers={"Retry-After": "3"}))
    assert (await Retrying(endpoint, sleep=waits).complete(ASKED)).finish_reason == "stop"
    assert 3.0 <= waits.seconds[0] <= 3.5
    assert mock_llm.stats.calls == 2


async def test_throttling_lowers_the_limit_of_calls(mock_llm: MockLLM, endpoint: OpenAILLM) -> None:
    llm = Limited(endpoint, 10)
    mock_llm.script(*[Reply(kind="status", status=429)] * 10)
    await asyncio.gather(*[outcome(llm.complete(ASKED)) for _ in range(10)])
    assert llm.limit == 7


async def test_server_errors_open_the_breaker_and_a_probe_closes_it(
    mock_llm: MockLLM, endpoint: OpenAILLM
) -> None:
    clock = ManualClock()
    breaker = Breaker(endpoint, failures=3, open_s=15.0, clock=clock)
    mock_llm.script(*[Reply(kind="status", status=500)] * 3)
    for _ in range(3):
        assert isinstance(await outcome(breaker.complete(ASKED)), LLMServerError)
    with pytest.raises(LLMUnavailableError):
        await breaker.complete(ASKED)
    clock.now += 15
    assert isinstance(await breaker.complete(ASKED), ChatReply)
    assert isinstance(await breaker.complete(ASKED), ChatReply)
    assert mock_llm.stats.calls == 5


# Those that do not end by themselves get a hundredth of the time.
@pytest.mark.parametrize(
    ("fault", "share"),
    [("hang", 0.01), ("drip", 0.01), ("reset", 0.9), ("cut", 0.9), ("not_json", 0.9), ("no_choices", 0.9)],
)
async def test_second_endpoint_answers_where_the_first_fails(
    mock_llm: MockLLM, second_llm: MockLLM, endpoint: LLM, second_endpoint: LLM, fault: str, share: float
) -> None:
    failovers: list[Failover] = []
    mock_llm.configure(always=Reply(kind=fault))  # type: ignore[arg-type] # one of its kinds
    llm = Fallback(
        [Endpoint(endpoint), Endpoint(second_endpoint, "second")],
        share=share,
        on_failover=failovers.append,
    )
    assert (await llm.complete(ASKED)).model == "second"
    assert [failover.failed for failover in failovers] == [0]
    assert second_llm.stats.calls == 1
    await asyncio.to_thread(mock_llm.wait_until, lambda stats: stats.in_flight == 0)


async def test_calls_beyond_the_waiting_room_do_not_reach_the_server(
    mock_llm: MockLLM, endpoint: OpenAILLM
) -> None:
    llm = Limited(endpoint, 2, max_waiting=3)
    mock_llm.script(HANG, HANG)
    hanging = [asyncio.create_task(llm.complete(ASKED)) for _ in range(2)]
    await until(mock_llm, calls=2, in_flight=2)
    outcomes = [asyncio.create_task(outcome(llm.complete(ASKED))) for _ in range(5)]
    refused, _ = await asyncio.wait(outcomes, return_when=asyncio.FIRST_COMPLETED)
    assert all(isinstance(call.result(), LLMBusyError) for call in refused)
    for call in hanging:
        call.cancel()
    answered = [o for o in await asyncio.gather(*outcomes) if isinstance(o, ChatReply)]
    assert len(answered) == 3
    await until(mock_llm, calls=5, in_flight=0)


async def test_everything_together_pays_once_for_each_answer_and_leaves_nothing_behind(
    mock_llm: MockLLM, second_llm: MockLLM, endpoint: LLM, second_endpoint: LLM
) -> None:
    def guarded(llm: LLM) -> LLM:
        limits = RateLimited(Limited(Breaker(llm), 8), requests_per_minute=100_000)
        return Retrying(Hedged(limits), 2, sleep=Waits())

    llm = Fallback([Endpoint(guarded(endpoint)), Endpoint(guarded(second_endpoint), "second")])
    faults = [Reply(kind="status", status=500), Reply(kind="reset"), Reply(kind="not_json"), Reply()]
    mock_llm.script(*faults * 20)
    replies = await asyncio.gather(*[llm.complete(ASKED) for _ in range(80)])
    assert {answered.model for answered in replies} == {"first", "second"}
    used = sum(answered.usage.output_tokens for answered in replies if answered.usage)
    assert used == mock_llm.stats.output_tokens + second_llm.stats.output_tokens
    assert mock_llm.stats.in_flight == second_llm.stats.in_flight == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_cancelled_caller_ends_the_call_at_the_server(mock_llm: MockLLM, endpoint: LLM) -> None:
    limits = Hedged(RateLimited(Limited(Breaker(endpoint), 2), requests_per_minute=100))
    mock_llm.script(HANG)
    call = asyncio.create_task(Fallback([Endpoint(Retrying(limits))]).complete(ASKED))
    await until(mock_llm, calls=1, in_flight=1)
    call.cancel()
    await until(mock_llm, calls=1, in_flight=0)
    assert mock_llm.stats.aborted == 1
    await asyncio.wait([call])
    assert asyncio.all_tasks() == {asyncio.current_task()}
