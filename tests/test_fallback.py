from __future__ import annotations

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
from service.llm import ChatReply, ChatRequest
from service.resilience import Endpoint, Failover, Fallback
from tests.resilience_fakes import (
    REPLY,
    REQUEST,
    ManualClock,
    ScriptedLLM,
    outcome,
    reply,
    request,
)

DOWN = LLMServerError("down")
REFUSAL = reply(text="No.", finish_reason="refusal")


async def test_first_endpoint_that_answers_is_the_last_one_asked() -> None:
    second = ScriptedLLM(REPLY)
    assert await Fallback([Endpoint(ScriptedLLM(REPLY)), Endpoint(second)]).complete(REQUEST) == REPLY
    assert second.requests == []


@pytest.mark.parametrize(
    "error",
    [
        LLMTimeoutError,
        LLMConnectionError,
        LLMRateLimitedError,
        LLMServerError,
        LLMResponseError,
        LLMAuthenticationError,
        LLMModelNotFoundError,
        LLMRequestError,
        LLMUnsupportedError,
        LLMBusyError,
        LLMUnavailableError,
    ],
)
async def test_next_endpoint_is_asked_where_it_may_help(error: type[LLMError]) -> None:
    llm = Fallback([Endpoint(ScriptedLLM(error("no"))), Endpoint(ScriptedLLM(REPLY))])
    assert await llm.complete(REQUEST) == REPLY


async def test_prompt_that_is_too_long_is_not_sent_elsewhere() -> None:
    second = ScriptedLLM(REPLY)
    llm = Fallback([Endpoint(ScriptedLLM(LLMContextLengthError("long"))), Endpoint(second)])
    with pytest.raises(LLMContextLengthError):
        await llm.complete(REQUEST)
    assert second.requests == []


async def test_first_error_is_raised_if_nobody_answers() -> None:
    unavailable = LLMUnavailableError("open", retry_after_s=12.0)
    llm = Fallback([Endpoint(ScriptedLLM(unavailable)), Endpoint(ScriptedLLM(DOWN))])
    assert await outcome(llm.complete(REQUEST)) is unavailable


async def test_each_endpoint_is_asked_for_its_own_model() -> None:
    endpoints = [ScriptedLLM(DOWN), ScriptedLLM(DOWN), ScriptedLLM(reply(model="small-2026"))]
    llm = Fallback([Endpoint(endpoints[0]), Endpoint(endpoints[1], "big"), Endpoint(endpoints[2], "small")])
    answered = await llm.complete(REQUEST)
    assert [endpoint.requests[0].model for endpoint in endpoints] == ["m", "big", "small"]
    assert answered.model == "small-2026"


async def test_endpoints_that_hang_leave_time_for_the_next() -> None:
    clock = ManualClock()

    class HangingLLM(ScriptedLLM):
        async def complete(self, request: ChatRequest) -> ChatReply:
            clock.now += request.timeout_s
            return await super().complete(request)

    late = LLMTimeoutError("late")
    endpoints = [HangingLLM(late), HangingLLM(late), HangingLLM(late)]
    await outcome(Fallback([Endpoint(e) for e in endpoints], clock=clock).complete(request(timeout_s=80)))
    assert [endpoint.requests[0].timeout_s for endpoint in endpoints] == [40, 20, 20]


async def test_endpoint_is_not_asked_when_the_time_is_over() -> None:
    clock = ManualClock()

    class LateLLM(ScriptedLLM):
        async def complete(self, request: ChatRequest) -> ChatReply:
            clock.now += 2 * request.timeout_s
            return await super().complete(request)

    second = ScriptedLLM(REPLY)
    llm = Fallback([Endpoint(LateLLM(DOWN)), Endpoint(second)], clock=clock)
    assert await outcome(llm.complete(REQUEST)) is DOWN
    assert second.requests == []


async def test_time_that_was_not_used_is_for_the_next() -> None:
    endpoints = [ScriptedLLM(DOWN), ScriptedLLM(REPLY)]
    await Fallback([Endpoint(e) for e in endpoints], share=0.8, clock=ManualClock()).complete(REQUEST)
    assert [endpoint.requests[0].timeout_s for endpoint in endpoints] == pytest.approx([48, 60])


async def test_refusal_is_an_answer() -> None:
    llm = Fallback([Endpoint(ScriptedLLM(REFUSAL)), Endpoint(ScriptedLLM(REPLY))])
    assert await llm.complete(REQUEST) == REFUSAL


async def test_next_endpoint_is_asked_after_a_refusal_where_that_is_wanted() -> None:
    llm = Fallback([Endpoint(ScriptedLLM(REFUSAL)), Endpoint(ScriptedLLM(REPLY))], on_refusal=True)
    assert await llm.complete(REQUEST) == REPLY


async def test_refusal_is_the_reply_if_nobody_else_answers() -> None:
    llm = Fallback([Endpoint(ScriptedLLM(REFUSAL)), Endpoint(ScriptedLLM(DOWN))], on_refusal=True)
    assert await llm.complete(REQUEST) == REFUSAL


async def test_failovers_are_reported() -> None:
    failovers: list[Failover] = []
    endpoints = [Endpoint(ScriptedLLM(answer)) for answer in (DOWN, REFUSAL, REPLY)]
    await Fallback(endpoints, on_refusal=True, on_failover=failovers.append).complete(REQUEST)
    assert failovers == [Failover(0, DOWN), Failover(1, None)]


async def test_every_endpoint_is_closed() -> None:
    endpoints = [ScriptedLLM(), ScriptedLLM()]
    await Fallback([Endpoint(endpoint) for endpoint in endpoints]).aclose()
    assert all(endpoint.closed for endpoint in endpoints)


@pytest.mark.parametrize(("count", "share"), [(0, 0.5), (1, 0.0), (1, 1.0)])
def test_fallback_that_cannot_work_is_refused(count: int, share: float) -> None:
    with pytest.raises(ValueError, match="endpoints"):
        Fallback([Endpoint(ScriptedLLM())] * count, share=share)
