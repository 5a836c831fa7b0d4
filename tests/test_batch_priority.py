"""What a summary asked for by a batch does otherwise than one that somebody waits for."""

from __future__ import annotations

import asyncio

import pytest

from service.assembly import Assembly
from service.errors import LLMError, LLMServerError
from service.llm import ChatReply, ChatRequest
from service.planning import Article, Options
from service.settings import Settings

ARTICLE = Article(
    text="The ferry was late on Tuesday. “Nobody told us,” said Ada Holm, who waited at the pier."
)


class FailingLLM:
    """Fails every call, and keeps what it was asked; calls wait while `open` is not set."""

    def __init__(self) -> None:
        self.requests: list[ChatRequest] = []
        self.open = asyncio.Event()
        self.open.set()
        self.asked = asyncio.Event()

    async def complete(self, request: ChatRequest) -> ChatReply:
        self.requests.append(request)
        self.asked.set()
        await self.open.wait()
        raise LLMServerError("down")

    async def aclose(self) -> None: ...


async def test_calls_of_a_batch_say_so_and_get_no_stand_in() -> None:
    llm = FailingLLM()
    async with Assembly(Settings(model="m", cache_url="memory://"), llm) as assembly:
        with pytest.raises(LLMError):
            await assembly.summarizer.summarize(ARTICLE, Options(), priority="batch")
    assert [r.priority for r in llm.requests] == ["batch"]


async def test_somebody_who_waits_shares_the_call_of_a_batch_but_not_its_failure() -> None:
    llm = FailingLLM()
    llm.open.clear()
    async with Assembly(Settings(model="m", cache_url="memory://"), llm) as assembly:
        summarize = assembly.summarizer.summarize
        batch = asyncio.create_task(summarize(ARTICLE, Options(), priority="batch"))
        waiting = asyncio.create_task(summarize(ARTICLE, Options()))
        await llm.asked.wait()
        llm.open.set()
        outcome = await waiting
        with pytest.raises(LLMError):
            await batch
    assert b'"degraded":true' in outcome.body
