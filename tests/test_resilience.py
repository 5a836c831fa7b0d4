from __future__ import annotations

import asyncio

import msgspec
import pytest

from service.errors import (
    LLMAuthenticationError,
    LLMError,
    LLMRateLimitedError,
    LLMServerError,
    LLMTimeoutError,
)
from service.llm import ChatReply, ChatRequest
from service.models import Message
from service.resilience import Limited, Retrying

REQUEST = ChatRequest(
    model="m", messages=(Message(role="user", content="Hello"),), max_output_tokens=10, timeout_s=60.0
)
REPLY = ChatReply(text="Hi", finish_reason="stop", model="m", usage=None)


class ScriptedLLM:
    """Answers from a queue, and keeps what it was asked."""

    def __init__(self, *answers: ChatReply | LLMError) -> None:
        self.answers = list(answers)
        self.requests: list[ChatRequest] = []
        self.closed = False

    async def complete(self, request: ChatRequest) -> ChatReply:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, LLMError):
            raise answer
        return answer

    async def aclose(self) -> None:
        self.closed = True


class GatedLLM:
    """Answers when the gate opens, and counts the calls inside."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.entered = asyncio.Semaphore(0)
        self.inside = 0
        self.most_inside = 0

    async def complete(self, request: ChatRequest) -> ChatReply:  # noqa: ARG002 - the answer is always the same
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        self.entered.release()
        try:
            await self.gate.wait()
        finally:
            self.inside -= 1
        return REPLY

    async def aclose(self) -> None:
        self.gate.set()


class Waits:
    """Stands for `asyncio.sleep`: writes down the seconds and waits none of them."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


async def test_call_that_succeeds_is_made_once() -> None:
    llm = ScriptedLLM(REPLY)
    assert await Retrying(llm).complete(REQUEST) == REPLY
    assert len(llm.requests) == 1


async def test_retryable_error_is_retried() -> None:
    llm = ScriptedLLM(LLMServerError("down"), LLMServerError("down"), REPLY)
    assert await Retrying(llm, 3, sleep=Waits()).complete(REQUEST) == REPLY


async def test_other_error_is_not_retried() -> None:
    llm = ScriptedLLM(LLMAuthenticationError("wrong key"), REPLY)
    with pytest.raises(LLMAuthenticationError):
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
    llm = ScriptedLLM(LLMServerError("down"), REPLY)
    await Retrying(llm, sleep=Waits()).complete(REQUEST)
    first, second = (request.timeout_s for request in llm.requests)
    assert second < first <= REQUEST.timeout_s


async def test_limited_lets_only_so_many_calls_through() -> None:
    inner = GatedLLM()
    llm = Limited(inner, 2)
    calls = [asyncio.create_task(llm.complete(REQUEST)) for _ in range(6)]
    await inner.entered.acquire()
    await inner.entered.acquire()
    inner.gate.set()
    assert await asyncio.gather(*calls) == [REPLY] * 6
    assert inner.most_inside == 2


async def test_call_that_finds_no_place_in_time_fails() -> None:
    inner = GatedLLM()
    llm = Limited(inner, 1)
    first = asyncio.create_task(llm.complete(REQUEST))
    await inner.entered.acquire()
    with pytest.raises(LLMTimeoutError):
        await llm.complete(msgspec.structs.replace(REQUEST, timeout_s=0.01))
    inner.gate.set()
    assert await first == REPLY


async def test_cancelled_call_gives_its_place_back() -> None:
    inner = GatedLLM()
    llm = Limited(inner, 1)
    first = asyncio.create_task(llm.complete(REQUEST))
    await inner.entered.acquire()
    first.cancel()
    inner.gate.set()
    assert await llm.complete(REQUEST) == REPLY


async def test_closing_a_wrapper_closes_what_it_wraps() -> None:
    inner = ScriptedLLM()
    await Limited(Retrying(inner), 1).aclose()
    assert inner.closed
