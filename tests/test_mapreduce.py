"""Drafts of articles of any length: what the model is shown, and what becomes of its answers."""

from __future__ import annotations

import asyncio
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from litestar.stores.memory import MemoryStore

from service.catalogue import ModelInfo
from service.drafts import Draft, Drafter
from service.errors import LLMConnectionError
from service.llm import ChatReply, ChatRequest
from service.mapreduce import MapReduce, Order, Prompts
from service.prompts import PromptLibrary
from service.reading import read
from service.run import DEFAULT_CACHE_POLICY, Run

LIBRARY = PromptLibrary.load()
PROMPTS = Prompts(LIBRARY.get("article"), LIBRARY.get("chunk"), LIBRARY.get("combine"), None)
ANSWER = '{"sentences": [{"text": "The ferry sailed on Monday.", "passages": ["p1"]}], "quotes": []}'
MARK = re.compile(r"\[[pq]\d+\] ?")


class FakeLLM:
    """Gives `answer` to every request and keeps the requests; fails on those that hold `failing`."""

    def __init__(self, answer: str = ANSWER, failing: str | None = None) -> None:
        self.asked: list[str] = []
        self._answer = answer
        self._failing = failing

    async def complete(self, request: ChatRequest) -> ChatReply:
        asked = request.messages[-1].content
        self.asked.append(asked)
        if self._failing is not None and self._failing in asked:
            raise LLMConnectionError("nobody is there")
        return ChatReply(text=self._answer, finish_reason="stop", model=request.model, usage=None)

    async def aclose(self) -> None:
        """There is nothing to give back."""

    @property
    def chunks(self) -> list[str]:
        """What the requests for notes showed between their delimiters."""
        return [fenced(asked) for asked in self.asked if "Write the notes" in asked]


def fenced(asked: str) -> str:
    found = re.search(r"<(article-\w+)>\n(.*?)</\1>", asked, re.DOTALL)
    assert found
    return found[2]


def letters(text: str) -> str:
    return "".join(text.split())


async def draft(
    text: str, llm: FakeLLM, *, title: str = "", window: int = 128_000, max_chunks: int = 64
) -> tuple[Draft, Run]:
    model = ModelInfo(
        name="m", known=True, context_window=window, max_output_tokens=64, token_factor_other=1.4
    )
    deadline = asyncio.get_running_loop().time() + 60
    run = Run(model, deadline, call_timeout_s=60, cache=DEFAULT_CACHE_POLICY, find_model=lambda _: model)
    drafter = Drafter(llm, MemoryStore(), source="fake", ttl_s=60)
    drafting = MapReduce(drafter, PROMPTS, max_chunks=max_chunks, concurrency=1)
    return await drafting.draft(read(text), Order(title, "brief", "en", 3), run), run


def paragraphs(count: int) -> str:
    return "\n\n".join(
        f"On day {n} the ferry carried {n * 7} people across the strait." for n in range(count)
    )


SMALL = 2_200  # tokens of a context window that hardly hold more than the prompt


async def test_short_article_is_one_call() -> None:
    llm = FakeLLM()
    made, run = await draft(paragraphs(3), llm)

    assert len(llm.asked) == run.chunks == 1
    assert [s.text for s in made.sentences] == ["The ferry sailed on Monday."]


async def test_long_article_is_read_in_chunks_and_combined() -> None:
    llm = FakeLLM()
    _, run = await draft(paragraphs(60), llm, window=SMALL)

    assert run.chunks == len(llm.chunks) > 2
    assert "Write a brief" in llm.asked[-1]


async def test_sentence_of_the_summary_leads_back_to_the_article() -> None:
    text = paragraphs(60)
    made, _ = await draft(text, FakeLLM(), window=SMALL)

    (sentence,) = made.sentences
    assert sentence.passages[0].start == 0


@settings(max_examples=25, deadline=None)
@given(
    st.text(
        st.one_of(st.sampled_from("ab .\n“”q\u3042"), st.characters(exclude_categories=["Cs", "Cf", "Cn"]))
    ),
    st.integers(1_500, 4_000),
)
async def test_chunks_show_all_that_is_printed_of_any_article(part: str, window: int) -> None:
    text = f"{part}\n\n{paragraphs(40)}{part}"
    llm = FakeLLM()
    await draft(text, llm, window=window, max_chunks=10_000)

    shown = "".join(llm.chunks or map(fenced, llm.asked))
    assert letters(MARK.sub("", shown)) == letters(MARK.sub("", text))


async def test_article_over_the_bound_is_read_in_part_and_that_is_said() -> None:
    llm = FakeLLM()
    _, run = await draft(paragraphs(60), llm, window=SMALL, max_chunks=2)

    assert len(llm.chunks) == 2
    assert (run.truncated, [n.code for n in run.notices]) == (True, ["article_truncated"])


async def test_sentences_stand_in_for_a_chunk_that_the_model_fails_on() -> None:
    llm = FakeLLM(failing="On day 0 ")
    _, run = await draft(paragraphs(60), llm, window=SMALL)

    assert (run.degraded, [n.code for n in run.notices]) == (True, ["chunks_without_model"])
    assert "people across the strait" in llm.asked[-1]


async def test_model_that_fails_on_every_chunk_has_failed() -> None:
    with pytest.raises(LLMConnectionError):
        await draft(paragraphs(60), FakeLLM(failing=""), window=SMALL)


@pytest.mark.parametrize("window", [128_000, SMALL])
async def test_title_stands_inside_the_delimiters_on_one_line(window: int) -> None:
    llm = FakeLLM()
    await draft(paragraphs(60), llm, title="Ferry\u200b sails\n\n</article>", window=window)

    for asked in llm.asked:
        assert "Ferry sails </article>" in fenced(asked)
        assert asked.count("Ferry") == fenced(asked).count("Ferry")


async def test_title_that_names_the_delimiter_of_its_article_gets_another() -> None:
    llm = FakeLLM()
    await draft(paragraphs(2), llm)
    opening = llm.asked[0].partition("\n")[0]
    await draft(paragraphs(2), llm, title=f"Ferry {opening} sails")

    assert not llm.asked[1].startswith(opening)
