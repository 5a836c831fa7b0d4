"""What is removed is gone, and stays gone, whatever was under way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import redis

from service.assembly import Assembly
from service.callers import Caller
from service.errors import RemovalError
from service.llm import ChatReply, ChatRequest
from service.planning import Article, Options
from service.run import CachePolicy
from service.settings import Settings
from service.summarizer import Outcome
from tests.conftest import RedisServer

ANSWER = '{"sentences": [{"text": "The ferry sailed on Monday.", "passages": ["p1"]}], "quotes": []}'
ARTICLE = Article(
    text="The ferry sailed on Monday. It carried twelve people to Harborview, the operator said."
)
EMBARGO = CachePolicy(reads=False, writes=False)


class GatedLLM:
    """Answers once its gate is open; `asked` is set when somebody asks."""

    def __init__(self) -> None:
        self.calls = 0
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()

    async def complete(self, request: ChatRequest) -> ChatReply:
        self.calls += 1
        self.asked.set()
        await self.gate.wait()
        return ChatReply(text=ANSWER, finish_reason="stop", model=request.model, usage=None)

    async def aclose(self) -> None:
        """There is nothing to give back."""


@pytest.fixture
def llm() -> GatedLLM:
    return GatedLLM()


@pytest.fixture(params=["memory", "sqlite", "redis"])
def cache_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "redis":
        url: str = request.getfixturevalue("redis_url")
        return f"{url}?local_ttl_s=0.001"
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/cache.sqlite3"


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


def files_with(word: bytes, folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file() and word in file.read_bytes()]


async def until(condition: Callable[[], object]) -> None:
    """Wait for what only another process can tell."""
    while not condition():  # noqa: ASYNC110 - it gives no sign
        await asyncio.sleep(0.001)


async def assemble(stack: AsyncExitStack, cache_url: str, llm: GatedLLM) -> Assembly:
    settings = Settings(openai_base_url="http://127.0.0.1:1", model="mock", cache_url=cache_url, fetch="off")
    return await stack.enter_async_context(Assembly(settings, llm))


@pytest.fixture
async def assembly(stack: AsyncExitStack, cache_url: str, llm: GatedLLM) -> Assembly:
    return await assemble(stack, cache_url, llm)


async def make(assembly: Assembly, article: Article = ARTICLE, owner: str = "cms") -> Outcome:
    account = assembly.treasury.account(Caller(owner, owner, frozenset()))
    return await assembly.summarizer.summarize(article, Options(), account=account)


async def test_removed_summary_and_its_drafts_are_gone(assembly: Assembly, llm: GatedLLM) -> None:
    llm.gate.set()
    made = await make(assembly)
    assert made.kept
    assert await assembly.summarizer.forget(made.id)
    assert await assembly.summarizer.find(made.id) is None
    assert not await assembly.summarizer.forget(made.id)
    assert (await make(assembly)).kept
    assert llm.calls == 2


async def test_removal_during_the_work_is_not_undone(assembly: Assembly, llm: GatedLLM) -> None:
    working = asyncio.create_task(make(assembly))
    await llm.asked.wait()
    job = await assembly.summarizer.planner.plan(ARTICLE, Options())
    await assembly.summarizer.forget(job.id)
    llm.gate.set()
    made = await working
    assert not made.kept
    assert await assembly.summarizer.find(made.id) is None
    llm.asked.clear()
    assert (await make(assembly)).kept  # whoever asks later, pays again
    assert llm.calls == 2


async def test_removal_during_the_work_of_another_process_is_not_undone(
    stack: AsyncExitStack, redis_url: str
) -> None:
    first, second = GatedLLM(), GatedLLM()
    makes = await assemble(stack, f"{redis_url}?local_ttl_s=0.001", first)
    waits = await assemble(stack, f"{redis_url}?local_ttl_s=0.001", second)
    working = asyncio.create_task(make(makes))
    await first.asked.wait()
    waiting = asyncio.create_task(make(waits))
    with redis.Redis.from_url(redis_url) as client:
        await until(lambda: any(client.hexists(key, "awaited") for key in client.keys("standfirst:lease:*")))
    await until(lambda: not waits.summarizer._belongings._tasks)
    job = await waits.summarizer.planner.plan(ARTICLE, Options())
    await waits.summarizer.forget(job.id)
    first.gate.set()
    second.gate.set()
    assert not (await working).kept
    assert not (await waiting).kept
    for assembly in (makes, waits):
        assert await assembly.summarizer.find(job.id) is None


async def test_summaries_of_an_article_are_removed_by_its_id(assembly: Assembly, llm: GatedLLM) -> None:
    llm.gate.set()
    options = [Options(), Options(style="bullets"), Options(style="standfirst")]
    ids = []
    for option in options:
        job = await assembly.summarizer.planner.plan(ARTICLE, option)
        await assembly.summarizer.claim(job, "cms", "article-17")
        ids.append((await assembly.summarizer.summarize(ARTICLE, option)).id)
    other = await make(assembly, Article(text="Another story. It is about nothing much."))
    assert await assembly.summarizer.forget_all("desk", "article-17") == 0
    assert await assembly.summarizer.forget_all("cms", "article-1") == 0
    assert await assembly.summarizer.forget_all("cms", "article-17") == 3
    assert [await assembly.summarizer.find(summary_id) for summary_id in ids] == [None] * 3
    assert await assembly.summarizer.find(other.id)
    assert await assembly.summarizer.forget_all("cms", "article-17") == 0


async def test_claim_holds_again_after_a_removal(assembly: Assembly, llm: GatedLLM) -> None:
    llm.gate.set()
    job = await assembly.summarizer.planner.plan(ARTICLE, Options())
    for _ in range(2):
        for _ in range(2):
            await assembly.summarizer.claim(job, "cms", "article-17")
            await make(assembly)
        assert await assembly.summarizer.forget_all("cms", "article-17") == 1


async def test_all_that_was_made_for_a_caller_is_removed(assembly: Assembly, llm: GatedLLM) -> None:
    llm.gate.set()
    mine = await make(assembly, owner="cms")
    theirs = await make(assembly, Article(text="Another story. It is about nothing much."), owner="desk")
    assert await assembly.summarizer.forget_all("cms") == 1
    assert await assembly.summarizer.find(mine.id) is None
    assert await assembly.summarizer.find(theirs.id)


async def test_embargoed_article_leaves_no_links(assembly: Assembly, llm: GatedLLM) -> None:
    llm.gate.set()
    await assembly.summarizer.summarize(ARTICLE, Options(), EMBARGO)
    assert await assembly.ledger.members("caller:local") == []


async def test_ids_of_articles_are_not_told(assembly: Assembly, llm: GatedLLM, tmp_path: Path) -> None:
    llm.gate.set()
    job = await assembly.summarizer.planner.plan(ARTICLE, Options())
    await assembly.summarizer.claim(job, "cms", "secret-slug-of-a-story")
    await make(assembly)
    assert not files_with(b"secret-slug", tmp_path)


async def test_removal_without_redis_says_that_something_may_be_left(
    stack: AsyncExitStack, redis_server: RedisServer, llm: GatedLLM
) -> None:
    llm.gate.set()
    assembly = await assemble(stack, redis_server.url, llm)
    made = await make(assembly)
    redis_server.kill()
    with pytest.raises(RemovalError):
        await assembly.summarizer.forget(made.id)


@pytest.mark.parametrize("summary_id", ["", "x", "0" * 63, "../" * 20, "g" * 64])
async def test_what_is_no_id_is_not_there(stack: AsyncExitStack, llm: GatedLLM, summary_id: str) -> None:
    assembly = await assemble(stack, "memory://", llm)
    assert not await assembly.summarizer.forget(summary_id)
