"""Long articles, made into summaries in a process beside the service."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from litestar.stores.memory import MemoryStore

from bench.mock_llm import MockLLM, Reply
from bench.news import make_article
from service import errors
from service.annex import Annex, Equipment
from service.assembly import Assembly
from service.catalogue import Catalogue
from service.errors import AnnexError, LLMBusyError, LLMError, LLMLimitError
from service.mapreduce import Prompts
from service.openai_llm import OpenAILLM
from service.pipeline import Job
from service.planning import Article, Options
from service.prompts import PromptLibrary
from service.reading import digest_of
from service.run import CachePolicy, Event, Progress, Run
from service.settings import Settings

TEXT = make_article(7, 30_000)
EQUIPMENT = Equipment(
    prompts_dir=None,
    models_file=None,
    source="test",
    ttl_s=60.0,
    max_chunks=64,
    chunk_concurrency=4,
    fallback=False,
)
AGAIN = CachePolicy(reads=False)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
async def annex(mock_llm: MockLLM, store: MemoryStore) -> AsyncIterator[Annex]:
    llm = OpenAILLM(mock_llm.base_url)
    made = Annex(EQUIPMENT, llm, store, room=2 * len(TEXT))
    yield made
    await made.aclose()
    await llm.aclose()


def job(text: str = TEXT) -> Job:
    get = PromptLibrary.load().get
    return Job(
        id="id",
        digest=digest_of(text),
        text=text,
        title="",
        style="brief",
        max_quotes=3,
        language=None,
        model="mock",
        policy="flag",
        prompts=Prompts(get("article"), get("chunk"), get("combine"), None),
    )


def run(seconds: float = 60.0, **changes: Any) -> Run:
    find = Catalogue.load().find
    return Run(
        model=find("mock"),
        deadline=asyncio.get_running_loop().time() + seconds,
        call_timeout_s=30.0,
        cache=CachePolicy(),
        find_model=find,
        **changes,
    )


async def summarize(mock_llm: MockLLM, **settings: Any) -> list[tuple[dict[str, Any], list[Event]]]:
    """The summaries of a long article by a model and by code, and what was told on the way."""
    made = []
    chosen = Settings(openai_base_url=mock_llm.base_url, model="mock", cache_url="memory://", **settings)
    async with Assembly(chosen) as assembly:
        for model in ("mock", "extractive"):
            told: list[Event] = []
            outcome = await assembly.summarizer.summarize(
                Article(text=TEXT, title="Title"), Options(model=model), AGAIN, told.append
            )
            summary = json.loads(outcome.body)
            del summary["created_at"]
            made.append((summary, sorted(told, key=repr)))
    return made


async def test_long_article_becomes_what_it_becomes_in_the_service(mock_llm: MockLLM) -> None:
    there = await summarize(mock_llm, annex_characters=len(TEXT))
    assert there == await summarize(mock_llm, annex_characters=0)
    assert any(isinstance(event, Progress) for _, told in there for event in told)


async def test_short_article_starts_no_process(mock_llm: MockLLM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    made = await summarize(mock_llm, annex_characters=len(TEXT) + 1)
    assert len(made) == 2
    with pytest.raises(AnnexError):
        await summarize(mock_llm, annex_characters=len(TEXT))


async def test_answers_are_kept_in_the_service_s_store(annex: Annex, mock_llm: MockLLM) -> None:
    first, second = run(), run()
    await annex.make(job(), first)
    calls = mock_llm.stats.calls
    await annex.make(job(), second)
    assert mock_llm.stats.calls == calls > 0
    assert sorted(first.draft_keys) == sorted(second.draft_keys)
    assert len(set(first.draft_keys)) == calls


async def test_sentences_are_told_while_the_model_writes(annex: Annex, mock_llm: MockLLM) -> None:
    told: list[Event] = []
    await annex.make(job(), run(report=told.append, is_followed=lambda: True))
    assert mock_llm.requests[-1]["stream"] is True
    assert {type(event).__name__ for event in told} >= {"Progress", "DraftedSentence", "CheckedSentence"}


@pytest.mark.parametrize(
    ("status", "error"), [(401, errors.LLMAuthenticationError), (429, errors.LLMRateLimitedError)]
)
async def test_model_s_errors_are_raised_as_they_are(
    annex: Annex, mock_llm: MockLLM, status: int, error: type[LLMError]
) -> None:
    mock_llm.configure(always=Reply(kind="status", status=status, headers={"Retry-After": "7"}))
    with pytest.raises(LLMError) as caught:
        await annex.make(job(), run())
    assert type(caught.value) is error
    assert caught.value.retry_after_s == 7
    assert str(status) in str(caught.value)


class Purse:
    """An account that notes what it pays for, and has no more than `calls` to spend."""

    owner = "desk"

    def __init__(self, calls: int) -> None:
        self.calls = calls
        self.paid: list[str] = []

    async def reserve(self, _: object, __: object, prompt: str) -> Purse:
        if len(self.paid) == self.calls:
            raise LLMLimitError("the limit is used up", retry_after_s=9.0, owner=self.owner)
        self.paid.append(prompt)
        return self

    async def settle(self, *_: object) -> None:
        """All is paid already."""

    async def release(self, *, begun: bool) -> None:
        """Nothing is given back."""


async def test_run_s_account_pays_for_every_call(annex: Annex, mock_llm: MockLLM) -> None:
    purse = Purse(100)
    await annex.make(job(), run(account=purse))
    assert len(purse.paid) == mock_llm.stats.calls
    assert set(purse.paid) == {"chunk@1", "combine@1"}


async def test_account_that_is_used_up_is_an_error_of_its_owner(annex: Annex) -> None:
    with pytest.raises(LLMLimitError) as caught:
        await annex.make(job(), run(account=Purse(2)))
    assert (caught.value.owner, caught.value.final, caught.value.retry_after_s) == ("desk", True, 9.0)


async def test_process_that_is_killed_is_replaced_and_nothing_paid_twice(
    annex: Annex, mock_llm: MockLLM, store: MemoryStore
) -> None:
    await annex.make(job(), run())
    calls = mock_llm.stats.calls
    await store.delete_all()
    mock_llm.script(*[Reply()] * (calls - 1), Reply(kind="hang"))
    making = asyncio.create_task(annex.make(job(), run()))
    await reached(mock_llm, lambda stats: stats.calls == 2 * calls and stats.in_flight == 1)
    killed = kill(annex)
    assert (await making).degraded is False
    assert annex.pid != killed
    assert (mock_llm.stats.aborted, mock_llm.stats.calls) == (1, 2 * calls + 1)


def kill(annex: Annex) -> int:
    """End the process as the kernel does that has no memory left."""
    assert annex.pid is not None
    os.kill(annex.pid, signal.SIGKILL)
    return annex.pid


async def reached(mock_llm: MockLLM, state: Callable[[Any], bool]) -> None:
    await asyncio.to_thread(mock_llm.wait_until, state)


async def test_article_over_which_the_process_dies_twice_is_an_error(annex: Annex, mock_llm: MockLLM) -> None:
    mock_llm.configure(always=Reply(kind="hang"))
    making = asyncio.create_task(annex.make(job(), run()))
    await reached(mock_llm, lambda stats: stats.in_flight == 4)
    kill(annex)
    await reached(mock_llm, lambda stats: stats.aborted == 4 and stats.in_flight == 4)
    kill(annex)
    with pytest.raises(AnnexError):
        await making


async def test_caller_who_leaves_takes_the_call_of_the_model_along(annex: Annex, mock_llm: MockLLM) -> None:
    mock_llm.configure(always=Reply(kind="hang"))
    making = asyncio.create_task(annex.make(job(), run()))
    await reached(mock_llm, lambda stats: stats.in_flight == 4)
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    await reached(mock_llm, lambda stats: stats.in_flight == 0)
    assert mock_llm.stats.aborted == 4


async def test_articles_beyond_its_room_wait_no_longer_than_their_deadline(
    annex: Annex, mock_llm: MockLLM
) -> None:
    mock_llm.configure(always=Reply(kind="hang"))
    making = asyncio.create_task(annex.make(job(TEXT * 2), run()))
    await reached(mock_llm, lambda stats: stats.in_flight > 0)
    with pytest.raises(LLMBusyError):
        await annex.make(job(), run(seconds=0.05))
    mock_llm.configure(always=Reply())
    waiting = asyncio.create_task(annex.make(job(), run()))
    making.cancel()
    assert (await waiting).degraded is False


async def test_process_gets_no_secret_and_no_interrupt_and_ends_with_the_annex(
    annex: Annex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-for-others")
    await annex.make(job(), run())
    pid = annex.pid
    assert "sk-not-for-others" not in environment_of(pid)
    assert os.getpgid(pid or 0) != os.getpgid(0)  # ctrl-C does not reach it
    await annex.aclose()
    assert annex.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid or 0, 0)


def environment_of(pid: int | None) -> str:
    """What a process was started with, where the system tells."""
    path = Path(f"/proc/{pid}/environ")
    return path.read_text() if path.exists() else ""


async def test_log_lines_reach_the_service_s_log(mock_llm: MockLLM, caplog: pytest.LogCaptureFixture) -> None:
    mock_llm.configure(always=Reply(kind="status", status=401))
    with caplog.at_level(logging.WARNING, "service.pipeline"):
        (by_model, _), _ = await summarize(mock_llm, annex_characters=len(TEXT), llm_attempts=1)
    assert by_model["degraded"] is True
    assert [r.getMessage() for r in caplog.records if "stands in" in r.message]
