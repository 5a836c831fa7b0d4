"""Answers in pieces: put together as they would have come whole, and errors as errors."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bench.mock_llm import Kind, MockLLM, Reply
from service.errors import (
    LLMConnectionError,
    LLMContextLengthError,
    LLMError,
    LLMRateLimitedError,
    LLMResponseError,
    LLMServerError,
    LLMTimeoutError,
)
from service.llm import ChatRequest
from service.models import Message
from service.openai_llm import OpenAILLM
from service.openai_stream import StreamedReply
from service.resilience import Endpoint, Fallback, Hedged, Limited, RateLimited, Retrying
from tests.resilience_fakes import ScriptedLLM, SlowLLM, Waits, in_virtual_time, loop_time, reply, request

PROMPT = "[p1] The council closed the bridge. [p2] It will open in May."


class Heard:
    """Writes down what it hears, answer by answer."""

    def __init__(self) -> None:
        self.answers: list[list[str]] = []

    def begin(self) -> None:
        self.answers.append([])

    def add(self, text: str) -> None:
        self.answers[-1].append(text)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
async def llm(mock_llm: MockLLM) -> AsyncIterator[OpenAILLM]:
    llm = OpenAILLM(mock_llm.base_url)
    yield llm
    await llm.aclose()


def asking(heard: Heard | None, timeout_s: float = 30.0) -> ChatRequest:
    return request(messages=(Message(role="user", content=PROMPT),), timeout_s=timeout_s, listener=heard)


@pytest.mark.parametrize("kind", ["answer", "prose", "length", "refusal", "content_filter"])
async def test_reply_in_pieces_is_the_reply_as_a_whole(
    mock_llm: MockLLM, llm: OpenAILLM, heard: Heard, kind: Kind
) -> None:
    mock_llm.configure(always=Reply(kind=kind), reply_tokens=7, cached_input_tokens=3)
    whole = await llm.complete(asking(None))
    assert await llm.complete(asking(heard)) == whole
    if kind != "refusal":
        assert "".join(heard.answers[0]) == whole.text
        assert len(heard.answers[0]) > 3


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("cut", LLMConnectionError),
        ("reset", LLMConnectionError),
        ("not_json", LLMResponseError),
        ("hang", LLMTimeoutError),
        ("drip", LLMTimeoutError),
        ("status", LLMServerError),
    ],
)
async def test_fault_is_the_same_error_in_pieces(
    mock_llm: MockLLM, llm: OpenAILLM, heard: Heard, kind: Kind, expected: type[LLMError]
) -> None:
    mock_llm.configure(always=Reply(kind=kind))
    with pytest.raises(expected):
        await llm.complete(asking(heard, 0.3 if kind in {"hang", "drip"} else 30.0))
    await llm.aclose()
    mock_llm.wait_until(lambda stats: stats.in_flight == 0)


@pytest.mark.parametrize("rejected", [["stream_options"], ["stream"]])
async def test_what_a_server_does_not_take_of_streaming_is_left_out(
    mock_llm: MockLLM, llm: OpenAILLM, heard: Heard, rejected: list[str]
) -> None:
    mock_llm.configure(rejects=rejected)
    for _ in range(2):
        assert (await llm.complete(asking(heard))).finish_reason == "stop"
    assert rejected[0] in mock_llm.requests[0]
    assert [rejected[0] in body for body in list(mock_llm.requests)[-2:]] == [False, False]


def streamed(*pieces: bytes) -> StreamedReply:
    whole = StreamedReply(Heard())
    whole._listener.begin()
    for piece in pieces:
        whole.add(piece)
    return whole


def test_server_that_does_not_stream_answers_with_one_piece() -> None:
    answer = b'{"choices":[{"message":{"content":"Hi"},"finish_reason":"length"}],"model":"x"}'
    got = streamed(answer).reply("m")
    assert (got.text, got.finish_reason, got.model) == ("Hi", "length", "x")


def test_stream_that_ends_without_an_end_has_broken_off() -> None:
    with pytest.raises(LLMConnectionError):
        streamed(b'{"choices":[{"delta":{"content":"Hi"}}]}').reply("m")


def test_end_mark_alone_ends_a_stream() -> None:
    assert streamed(b'{"choices":[{"delta":{"content":"Hi"}}]}', b"[DONE]").reply("m").text == "Hi"


def test_stream_without_an_answer_is_none() -> None:
    with pytest.raises(LLMResponseError):
        streamed(b'{"choices":[]}', b"[DONE]").reply("m")


@pytest.mark.parametrize(
    ("piece", "expected"),
    [
        (b'{"error":{"message":"overloaded","code":503}}', LLMServerError),
        (b'{"error":{"message":"slow down","type":"rate_limit_exceeded"}}', LLMRateLimitedError),
        (b'{"error":{"message":"slow down","code":429}}', LLMRateLimitedError),
        (b'{"error":{"message":"prompt is too long","code":400}}', LLMContextLengthError),
        (b'{"error":"something"}', LLMServerError),
        (b"<html>", LLMResponseError),
        (b"\xff\xfe", LLMResponseError),
        (b"[" * 5_000, LLMResponseError),
    ],
)
def test_error_in_the_midst_of_a_stream_is_an_error(piece: bytes, expected: type[LLMError]) -> None:
    with pytest.raises(expected) as caught:
        streamed(piece)
    assert "slow down" not in str(caught.value)


async def test_call_that_broke_off_is_heard_again_from_its_begin(
    mock_llm: MockLLM, llm: OpenAILLM, heard: Heard
) -> None:
    mock_llm.script(Reply(kind="cut"), Reply())
    whole = await Retrying(llm, sleep=Waits()).complete(asking(heard))
    broken, again = heard.answers
    assert "".join(again) == whole.text
    assert whole.text.startswith("".join(broken))


async def test_wrappers_pass_a_listener_on(llm: OpenAILLM, heard: Heard) -> None:
    limits = RateLimited(Limited(llm, 2), requests_per_minute=100)
    wrapped = Fallback([Endpoint(ScriptedLLM(LLMServerError("down"))), Endpoint(Retrying(Hedged(limits)))])
    whole = await wrapped.complete(asking(heard))
    assert "".join(heard.answers[0]) == whole.text


@in_virtual_time
async def test_second_call_of_a_hedge_is_not_heard() -> None:
    llm = SlowLLM(1.0, 1.0, 1.0, 60.0, 1.0)
    hedged = Hedged(llm, observed=3, share=1.0, clock=loop_time)
    listener = Heard()
    for _ in range(4):
        answered = await hedged.complete(request(listener=listener))
    assert answered == reply(text="answer 5")
    assert [asked.listener is listener for asked in llm.requests] == [True, True, True, True, False]
