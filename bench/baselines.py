"""What Standfirst is compared with, each in a process of its own: `python -m bench.baselines` is a worker.

A job is a line of JSON, `{"way", "url", "articles", "in_flight"}`: `way` names a function below, `articles`
a file with a list of `{"text", "calls"}`, where `calls` are the bodies that Standfirst sends for that
article: those of its chunks, which go out together, and then that which combines them. The answer is
`{"seconds", "cpu_s"}`. Frameworks run in the environment of requirements/bench.txt: each way imports
what it needs when it is first asked for.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import uvloop

Summarize: TypeAlias = Callable[[dict[str, Any]], Awaitable[object]]

_CHUNK_CHARACTERS = 4_700  # the length of 1,000 tokens of the articles; gives ten chunks of the long ones
_CHUNK_TOKENS = 1_060
_INSTRUCTION = "Summarize this news article in three sentences and pick up to five key quotes."
_COMBINE = "Combine these notes on parts of a news article into a summary of three sentences."


@asynccontextmanager
async def raw_aiohttp(url: str) -> AsyncIterator[Summarize]:
    """The same calls with nothing around them."""
    import aiohttp  # noqa: PLC0415 - each way imports its own

    # The mock closes connections that are idle for 5 s.
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=4)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def call(body: dict[str, Any]) -> object:
            async with session.post(f"{url}/chat/completions", json=body) as answer:
                answer.raise_for_status()
                return json.loads(await answer.read())

        async def summarize(article: dict[str, Any]) -> object:
            return [await asyncio.gather(*map(call, together)) for together in article["calls"]]

        yield summarize


@asynccontextmanager
async def bare_openai(url: str) -> AsyncIterator[Summarize]:
    """The same calls through the SDK's own `create`."""
    import openai  # noqa: PLC0415

    async with openai.AsyncOpenAI(base_url=url, api_key="none") as client:

        async def call(body: dict[str, Any]) -> object:
            return await client.chat.completions.create(**body)

        async def summarize(article: dict[str, Any]) -> object:
            return [await asyncio.gather(*map(call, together)) for together in article["calls"]]

        yield summarize


@asynccontextmanager
async def pipeline(url: str) -> AsyncIterator[Summarize]:
    """Standfirst's own pipeline with all checks, without its HTTP server."""
    from service.assembly import Assembly  # noqa: PLC0415
    from service.planning import Article, Options  # noqa: PLC0415
    from service.run import CachePolicy  # noqa: PLC0415
    from service.settings import Settings  # noqa: PLC0415

    settings = Settings(
        openai_base_url=url, model="mock", cache_url="memory://", policy="strict", llm_concurrency=50
    )
    async with Assembly(settings) as assembly:

        async def summarize(article: dict[str, Any]) -> object:
            again = CachePolicy(reads=False)
            outcome = await assembly.summarizer.summarize(Article(text=article["text"]), Options(), again)
            assert b'"degraded":false' in outcome.body
            return outcome

        yield summarize


@asynccontextmanager
async def langchain(url: str) -> AsyncIterator[Summarize]:
    """A LangChain map-reduce chain: split, summarize the parts side by side, combine."""
    from langchain_core.output_parsers import StrOutputParser  # noqa: PLC0415
    from langchain_core.prompts import ChatPromptTemplate  # noqa: PLC0415
    from langchain_openai import ChatOpenAI  # noqa: PLC0415
    from langchain_text_splitters import RecursiveCharacterTextSplitter  # noqa: PLC0415

    llm = ChatOpenAI(model="mock", base_url=url, api_key="none")
    prompt = ChatPromptTemplate.from_messages([("system", "{instruction}"), ("user", "{text}")])
    chain = prompt | llm | StrOutputParser()
    splitter = RecursiveCharacterTextSplitter(chunk_size=_CHUNK_CHARACTERS, chunk_overlap=0)

    async def summarize(article: dict[str, Any]) -> object:
        parts = splitter.split_text(article["text"]) if len(article["calls"]) > 1 else [article["text"]]
        notes = await chain.abatch([{"instruction": _INSTRUCTION, "text": part} for part in parts])
        if len(notes) == 1:
            return notes[0]
        return await chain.ainvoke({"instruction": _COMBINE, "text": "\n\n".join(notes)})

    yield summarize


@asynccontextmanager
async def llamaindex(url: str) -> AsyncIterator[Summarize]:
    """LlamaIndex's tree summarizer, whose prompt holds one chunk."""
    from llama_index.core.indices.prompt_helper import PromptHelper  # noqa: PLC0415
    from llama_index.core.response_synthesizers import TreeSummarize  # noqa: PLC0415
    from llama_index.llms.openai_like import OpenAILike  # noqa: PLC0415

    llm = OpenAILike(model="mock", api_base=url, api_key="none", is_chat_model=True)
    small = PromptHelper(context_window=8192, chunk_size_limit=_CHUNK_TOKENS, chunk_overlap_ratio=0.0)
    large = PromptHelper(context_window=8192)

    async def summarize(article: dict[str, Any]) -> object:
        helper = small if len(article["calls"]) > 1 else large
        tree = TreeSummarize(llm=llm, prompt_helper=helper, use_async=True)
        return await tree.aget_response(_INSTRUCTION, [article["text"]])

    yield summarize


WAYS = {way.__name__: way for way in (raw_aiohttp, bare_openai, pipeline, langchain, llamaindex)}


async def run(summarize: Summarize, articles: list[dict[str, Any]], in_flight: int) -> float:
    """Seconds to summarize all articles, `in_flight` at a time."""
    rest = iter(articles)

    async def work() -> None:
        for article in rest:
            await summarize(article)

    start = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(min(in_flight, len(articles)))))
    return time.perf_counter() - start


async def serve() -> None:
    """Do jobs until the input ends, one client for each way."""
    opened: dict[tuple[str, str], Summarize] = {}
    async with AsyncExitStack() as stack:
        while line := await asyncio.to_thread(sys.stdin.readline):
            job = json.loads(line)
            key = job["way"], job["url"]
            if key not in opened:
                opened[key] = await stack.enter_async_context(WAYS[job["way"]](job["url"]))
            articles = json.loads(Path(job["articles"]).read_bytes())  # noqa: ASYNC240 - nothing else runs yet
            cpu = time.process_time()
            seconds = await run(opened[key], articles, job["in_flight"])
            print(json.dumps({"seconds": seconds, "cpu_s": time.process_time() - cpu}), flush=True)


if __name__ == "__main__":
    uvloop.run(serve())
