"""The mock LLM is what benchmarks and fault tests rest on, so it is tested by the SDK itself."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx2
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from bench.mock_drafts import Lie
from bench.mock_llm import MockLLM, Reply

ARTICLE = (
    "[p1] The council of Arnhult voted 7 to 2 on Monday to close the old bridge.\n\n"
    '[p2] [q1] "It cannot be saved," said Mayor Runa Falk after the vote.'
)
MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": ARTICLE}]


@pytest.fixture
async def client(mock_llm: MockLLM) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=mock_llm.base_url, api_key="k", max_retries=0) as made:
        yield made


async def streamed(client: openai.AsyncOpenAI) -> str:
    chunks = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
    return "".join([c.choices[0].delta.content or "" async for c in chunks if c.choices])


async def test_draft_is_made_of_the_prompt(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(model="m", messages=MESSAGES)
    draft = json.loads(answer.choices[0].message.content or "")
    assert draft["sentences"][0] == {
        "text": "The council of Arnhult voted 7 to 2 on Monday to close the old bridge.",
        "passages": ["p1"],
    }
    assert [quote["id"] for quote in draft["quotes"]] == ["q1"]


async def test_stream_holds_the_same_text_as_the_plain_answer(client: openai.AsyncOpenAI) -> None:
    plain = await client.chat.completions.create(model="m", messages=MESSAGES)
    assert await streamed(client) == plain.choices[0].message.content


async def test_cut_stream_breaks_off_in_the_middle(client: openai.AsyncOpenAI, mock_llm: MockLLM) -> None:
    whole = await streamed(client)
    mock_llm.script(Reply(kind="cut"))
    chunks = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
    received = ""

    async def receive() -> None:
        nonlocal received
        async for chunk in chunks:
            received += chunk.choices[0].delta.content or ""

    with pytest.raises((openai.APIConnectionError, httpx2.TransportError)):
        await receive()
    assert 0 < len(received) < len(whole)


@pytest.mark.parametrize(
    "lie",
    [
        "fabricated_ids",
        "altered_quotes",
        "wrong_facts",
        "repeats_sentence",
        "repeats_quote",
        "wrong_speaker",
    ],
)
async def test_lie_differs_from_the_truth(client: openai.AsyncOpenAI, mock_llm: MockLLM, lie: Lie) -> None:
    truth = await streamed(client)
    mock_llm.script(Reply(kind=lie))
    told = await streamed(client)
    assert json.loads(told) != json.loads(truth)


async def test_it_can_be_commanded_over_http(client: openai.AsyncOpenAI, mock_llm: MockLLM) -> None:
    control = mock_llm.base_url.removesuffix("/v1") + "/control"
    async with httpx2.AsyncClient(trust_env=False) as http:
        command = {"config": {"reply_tokens": 60}, "queue": [{"kind": "status", "status": 503}]}
        assert (await http.post(control, json=command)).status_code == 200
        with pytest.raises(openai.InternalServerError):
            await client.chat.completions.create(model="m", messages=MESSAGES)
        answer = await client.chat.completions.create(model="m", messages=MESSAGES)
        assert answer.usage is not None
        assert answer.usage.completion_tokens == 60
        counts = (await http.get(control)).json()
        assert (counts["calls"], counts["output_tokens"], counts["in_flight"]) == (2, 60, 0)
        assert (await http.post(control, json={"reset": True})).json()["calls"] == 0
