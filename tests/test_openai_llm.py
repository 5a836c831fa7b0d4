from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import aiohttp
import httpx2
import msgspec
import openai
import pytest

from bench.mock_llm import Kind, MockLLM, Reply
from service import errors
from service.errors import LLMError
from service.llm import ChatRequest, OutputSchema, TokenUsage
from service.models import Message
from service.openai_client import map_error
from service.openai_llm import OpenAILLM

SECRET = "sk-not-for-logs"
ARTICLE = "The harbour of Veldmarsh closes in May, Greta Ohlsen said on Tuesday."
REQUEST = ChatRequest(
    model="m",
    messages=(
        Message(role="system", content="Summarize."),
        Message(role="user", content=f"[p1] {ARTICLE} [q1]"),
    ),
    max_output_tokens=200,
    temperature=0.0,
    seed=1,
    output_schema=OutputSchema(
        name="summary", schema={"type": "object", "properties": {"summary": {"type": "string"}}}
    ),
    timeout_s=20.0,
)


@pytest.fixture
async def llm(mock_llm: MockLLM) -> AsyncIterator[OpenAILLM]:
    made = OpenAILLM(mock_llm.base_url, SECRET)
    yield made
    await made.aclose()


def change(request: ChatRequest, **changes: object) -> ChatRequest:
    return msgspec.structs.replace(request, **changes)


# The answer


async def test_answer_follows_the_schema(llm: OpenAILLM) -> None:
    reply = await llm.complete(REQUEST)
    assert json.loads(reply.text) == {"summary": ARTICLE}
    assert (reply.finish_reason, reply.model) == ("stop", "m")


async def test_usage_counts_cached_input_tokens(llm: OpenAILLM, mock_llm: MockLLM) -> None:
    mock_llm.configure(reply_tokens=7, cached_input_tokens=3)
    usage = (await llm.complete(REQUEST)).usage
    assert usage == TokenUsage(
        input_tokens=mock_llm.stats.input_tokens, cached_input_tokens=3, output_tokens=7
    )


async def test_usage_is_none_where_the_server_does_not_count(llm: OpenAILLM, mock_llm: MockLLM) -> None:
    mock_llm.configure(usage=False)
    assert (await llm.complete(REQUEST)).usage is None


@pytest.mark.parametrize("reason", ["length", "refusal", "content_filter"])
async def test_unusual_end_is_a_reply_that_says_so(llm: OpenAILLM, mock_llm: MockLLM, reason: Kind) -> None:
    mock_llm.script(Reply(kind=reason))
    assert (await llm.complete(REQUEST)).finish_reason == reason


async def test_sampling_parameters_go_into_the_request(llm: OpenAILLM, mock_llm: MockLLM) -> None:
    await llm.complete(change(REQUEST, extra={"repeat_penalty": 1.1}))
    sent = mock_llm.requests[-1]
    assert (sent["temperature"], sent["seed"], sent["repeat_penalty"]) == (0.0, 1, 1.1)


async def test_parameters_that_are_none_are_not_sent(llm: OpenAILLM, mock_llm: MockLLM) -> None:
    await llm.complete(change(REQUEST, temperature=None, seed=None, output_schema=None))
    assert mock_llm.requests[-1].keys() == {"model", "messages", "max_tokens"}


async def test_prompt_of_megabytes_arrives_whole(llm: OpenAILLM, mock_llm: MockLLM) -> None:
    text = "The harbour of Veldmarsh closes in May. " * 60_000
    await llm.complete(change(REQUEST, messages=(Message(role="user", content=text),)))
    assert mock_llm.requests[-1]["messages"][0]["content"] == text


# Servers that lack something


@pytest.mark.parametrize(
    ("rejects", "sent"), [(["json_schema"], {"type": "json_object"}), (["response_format"], None)]
)
async def test_structured_output_falls_back(
    llm: OpenAILLM, mock_llm: MockLLM, rejects: list[str], sent: dict[str, str] | None
) -> None:
    mock_llm.configure(rejects=rejects)
    await llm.complete(REQUEST)
    assert mock_llm.requests[-1].get("response_format") == sent


@pytest.mark.parametrize("rejected", ["temperature", "seed", "repeat_penalty"])
async def test_sampling_parameter_that_is_refused_is_left_out(
    llm: OpenAILLM, mock_llm: MockLLM, rejected: str
) -> None:
    mock_llm.configure(rejects=[rejected])
    await llm.complete(change(REQUEST, extra={"repeat_penalty": 1.1}))
    left = {"temperature", "seed", "repeat_penalty"} & mock_llm.requests[-1].keys()
    assert left == {"temperature", "seed", "repeat_penalty"} - {rejected}


async def test_token_limit_goes_by_its_other_name_where_one_is_refused(
    llm: OpenAILLM, mock_llm: MockLLM
) -> None:
    mock_llm.configure(rejects=["max_tokens"])
    await llm.complete(REQUEST)
    assert mock_llm.requests[-1]["max_completion_tokens"] == 200


async def test_what_a_server_lacks_is_found_out_once(llm: OpenAILLM, mock_llm: MockLLM) -> None:
    mock_llm.configure(rejects=["json_schema", "json_object", "max_tokens", "temperature"])
    await llm.complete(REQUEST)
    paid = mock_llm.stats.calls
    await llm.complete(REQUEST)
    assert mock_llm.stats.calls == paid + 1


async def test_what_one_model_lacks_is_still_asked_of_another(llm: OpenAILLM, mock_llm: MockLLM) -> None:
    mock_llm.configure(rejects=["temperature"])
    await llm.complete(REQUEST)
    mock_llm.configure(rejects=[])
    await llm.complete(change(REQUEST, model="other"))
    assert "temperature" in mock_llm.requests[-1]


async def test_known_lack_of_structured_output_costs_no_call(mock_llm: MockLLM) -> None:
    llm = OpenAILLM(mock_llm.base_url, structured_output={"m": "none"})
    await llm.complete(REQUEST)
    await llm.aclose()
    assert (mock_llm.stats.calls, "response_format" in mock_llm.requests[0]) == (1, False)


async def test_server_that_refuses_whatever_is_sent_gets_few_calls(llm: OpenAILLM, mock_llm: MockLLM) -> None:
    everything = "max_tokens max_completion_tokens response_format json_schema temperature seed"
    mock_llm.configure(always=Reply(kind="status", status=400, message=f"unsupported: {everything}"))
    with pytest.raises(errors.LLMUnsupportedError):
        await llm.complete(REQUEST)
    assert mock_llm.stats.calls <= 6


# Errors


STATUSES: list[tuple[int, str | None, type[LLMError]]] = [
    (400, None, errors.LLMRequestError),
    (400, "context_length_exceeded", errors.LLMContextLengthError),
    (401, None, errors.LLMAuthenticationError),
    (402, None, errors.LLMRequestError),
    (403, None, errors.LLMAuthenticationError),
    (404, None, errors.LLMModelNotFoundError),
    (408, None, errors.LLMTimeoutError),
    (409, None, errors.LLMRequestError),
    (413, None, errors.LLMContextLengthError),
    (418, None, errors.LLMRequestError),
    (422, None, errors.LLMRequestError),
    (429, None, errors.LLMRateLimitedError),
    (429, "insufficient_quota", errors.LLMRequestError),
    (500, None, errors.LLMServerError),
    (503, None, errors.LLMServerError),
    (529, None, errors.LLMServerError),
]


@pytest.mark.parametrize(("status", "code", "error"), STATUSES)
async def test_status_has_its_error(
    llm: OpenAILLM, mock_llm: MockLLM, status: int, code: str | None, error: type[LLMError]
) -> None:
    mock_llm.script(Reply(kind="status", status=status, code=code))
    with pytest.raises(LLMError) as caught:
        await llm.complete(REQUEST)
    assert type(caught.value) is error
    assert str(status) in str(caught.value)
    assert isinstance(caught.value.__cause__, openai.APIStatusError)


@pytest.mark.parametrize(
    "text",
    [
        "This model's maximum context length is 4096 tokens, but 5000 were asked for.",
        "'max_tokens' is too large: 900. The maximum context length is 4096.",
        "the request exceeds the available context size, try increasing it",
        "input length exceeds the context length",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "The input token count (1200000) exceeds the maximum",
    ],
)
async def test_prompt_that_is_too_long_is_recognized_by_its_text(
    llm: OpenAILLM, mock_llm: MockLLM, text: str
) -> None:
    mock_llm.script(Reply(kind="status", status=400, message=text))
    with pytest.raises(errors.LLMContextLengthError):
        await llm.complete(REQUEST)
    assert mock_llm.stats.calls == 1


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("reset", errors.LLMConnectionError),
        ("cut", errors.LLMConnectionError),
        ("not_json", errors.LLMResponseError),
        ("no_choices", errors.LLMResponseError),
    ],
)
async def test_broken_answer_has_its_error(
    llm: OpenAILLM, mock_llm: MockLLM, kind: Kind, error: type[LLMError]
) -> None:
    mock_llm.script(Reply(kind=kind))
    with pytest.raises(error):
        await llm.complete(REQUEST)


@pytest.mark.parametrize("kind", ["hang", "drip"])
async def test_answer_that_does_not_end_is_left_when_its_time_is_up(
    llm: OpenAILLM, mock_llm: MockLLM, kind: Kind
) -> None:
    await llm.warm_up()
    mock_llm.script(Reply(kind=kind))
    with pytest.raises(errors.LLMTimeoutError):
        await llm.complete(change(REQUEST, timeout_s=0.3))


async def test_prompt_that_is_no_unicode_text_cannot_be_sent(llm: OpenAILLM) -> None:
    with pytest.raises(errors.LLMRequestError):
        await llm.complete(change(REQUEST, messages=(Message(role="user", content="\ud800"),)))


async def test_server_that_is_not_there_is_a_connection_error() -> None:
    llm = OpenAILLM("http://127.0.0.1:9/v1")
    with pytest.raises(errors.LLMConnectionError):
        await llm.complete(REQUEST)
    await llm.aclose()


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (aiohttp.ServerDisconnectedError, errors.LLMConnectionError),
        (ConnectionResetError, errors.LLMConnectionError),
        (aiohttp.ConnectionTimeoutError, errors.LLMTimeoutError),
        (TimeoutError, errors.LLMTimeoutError),
    ],
)
def test_what_the_transport_calls_a_timeout_is_told_by_its_cause(
    kind: type[Exception], error: type[LLMError]
) -> None:
    told = openai.APITimeoutError(httpx2.Request("POST", "http://example.test"))
    told.__cause__ = httpx2.ConnectTimeout("")
    told.__cause__.__cause__ = kind()
    assert type(map_error(told)) is error


def test_bad_certificate_is_a_connection_error() -> None:
    told = openai.APIConnectionError(request=httpx2.Request("POST", "https://example.test"))
    told.__cause__ = ssl.SSLCertVerificationError(SECRET)
    assert type(map_error(told)) is errors.LLMConnectionError


def test_every_error_of_the_sdk_and_its_transport_is_mapped() -> None:
    for exc in every_exception():
        mapped = map_error(exc)
        assert isinstance(mapped, LLMError), type(exc)
        assert SECRET not in str(mapped), type(exc)


def test_timeouts_and_broken_connections_are_told_apart() -> None:
    request = httpx2.Request("POST", "http://example.test")
    assert type(map_error(openai.APITimeoutError(request))) is errors.LLMTimeoutError
    assert type(map_error(openai.APIConnectionError(request=request))) is errors.LLMConnectionError


def every_exception() -> Iterator[Exception]:
    """One of each class that the SDK or its transport can raise, with a secret in each of its texts."""
    request = httpx2.Request("POST", "http://example.test")
    response = httpx2.Response(400, request=request)
    connection = SimpleNamespace(host=SECRET, port=443, ssl=True, is_ssl=True)
    with_response = {"response": response, "body": {"message": SECRET, "code": f"{SECRET} x"}}
    arguments: tuple[dict[str, object], ...] = (
        {"message": SECRET, **with_response},
        with_response,
        {"message": SECRET, "request": request},
        {"message": SECRET, "request": request, "body": None},
        {"request": request},
        {"message": SECRET, "request": request, "response": response},
        {"completion": SimpleNamespace(usage=None)},
        {"request_info": SimpleNamespace(real_url=SECRET), "history": (), "message": SECRET},
        {"connection_key": connection, "os_error": OSError(1, SECRET)},
        {"connection_key": connection, "certificate_error": ssl.SSLCertVerificationError(SECRET)},
        {"path": SECRET, "connection_key": connection, "os_error": OSError(1, SECRET)},
        {"expected": b"", "got": b"", "host": SECRET, "port": 1},
        {"url": SECRET},
        {"message": SECRET, "unsent_messages": []},
        {"message": SECRET},
        {"symbol": SECRET},
        {},
    )
    for kind in (openai.OpenAIError, httpx2.HTTPError, aiohttp.ClientError):
        classes: list[type[Exception]] = [kind]
        for cls in classes:
            classes.extend(cls.__subclasses__())
            make: Callable[..., Exception] = cls
            for keywords in arguments:
                with suppress(TypeError):
                    yield make(**keywords)
                    break
            else:
                pytest.fail(f"no way found to make a {cls.__name__}")


# Retry-After


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"Retry-After": "3"}, 3.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"Retry-After-Ms": "250", "Retry-After": "9"}, 0.25),
        ({"Retry-After": "-1"}, 0.0),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "soon"}, None),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1s"}, 1.0),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}, 360.0),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "250ms"}, 0.25),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1h2m3.5s"}, 3723.5),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "12"}, 12.0),
        ({"x-ratelimit-remaining-tokens": "9", "x-ratelimit-reset-tokens": "6m0s"}, None),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "s"}, None),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": ""}, None),
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "2s",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "7s",
            },
            7.0,
        ),
        (
            {
                "Retry-After": "1",
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "20s",
            },
            1.0,
        ),
        ({}, None),
    ],
)
async def test_wait_that_the_provider_asks_for_is_passed_on(
    llm: OpenAILLM, mock_llm: MockLLM, headers: dict[str, str], wait_s: float | None
) -> None:
    mock_llm.script(Reply(kind="status", status=429, headers=headers))
    with pytest.raises(errors.LLMRateLimitedError) as caught:
        await llm.complete(REQUEST)
    assert caught.value.retry_after_s == wait_s


async def test_wait_may_be_a_date(llm: OpenAILLM, mock_llm: MockLLM) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    mock_llm.script(Reply(kind="status", status=503, headers={"Retry-After": date}))
    with pytest.raises(errors.LLMServerError) as caught:
        await llm.complete(REQUEST)
    assert caught.value.retry_after_s == pytest.approx(3600, abs=60)


# Secrets


@pytest.mark.parametrize("status", [400, 401, 404, 422, 429, 500])
async def test_error_tells_neither_article_nor_key(llm: OpenAILLM, mock_llm: MockLLM, status: int) -> None:
    echo = f"cannot read {ARTICLE!r} with key {SECRET}"
    mock_llm.script(Reply(kind="status", status=status, message=echo, code=f"{ARTICLE} {SECRET}"))
    with pytest.raises(LLMError) as caught:
        await llm.complete(REQUEST)
    told = "".join(traceback.format_exception(caught.value))
    assert SECRET not in told
    assert "Veldmarsh" not in told


@pytest.mark.parametrize("key", [f"{SECRET}\n", f"{SECRET}…"])
async def test_key_that_cannot_be_sent_is_an_error_that_does_not_tell_it(mock_llm: MockLLM, key: str) -> None:
    llm = OpenAILLM(mock_llm.base_url, key)
    with pytest.raises(errors.LLMRequestError) as caught:
        await llm.complete(REQUEST)
    await llm.aclose()
    assert SECRET not in "".join(traceback.format_exception(caught.value))


async def test_key_is_sent_as_a_bearer_token(llm: OpenAILLM, mock_llm: MockLLM) -> None:
    mock_llm.configure(api_key=SECRET)
    await llm.complete(REQUEST)
    mock_llm.configure(api_key="another")
    with pytest.raises(errors.LLMAuthenticationError):
        await llm.complete(REQUEST)


# The start


WARM_UP = """
import asyncio, sys
from service.llm import ChatRequest
from service.models import Message
from service.openai_llm import OpenAILLM

async def main():
    llm = OpenAILLM(sys.argv[1])
    cold = "openai" in sys.modules
    await llm.warm_up()
    warm = set(sys.modules)
    await llm.complete(
        ChatRequest(
            model="m", messages=(Message(role="user", content="Hi."),), max_output_tokens=9, timeout_s=9.0
        )
    )
    await llm.aclose()
    print(cold, *(sys.modules.keys() - warm))

asyncio.run(main())
"""


async def test_first_call_after_the_warm_up_loads_nothing_more(mock_llm: MockLLM) -> None:
    told = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", WARM_UP, mock_llm.base_url], check=True, capture_output=True
    )
    assert told.stdout.split() == [b"False"]


# Connections


async def test_calls_share_a_bounded_number_of_connections(mock_llm: MockLLM) -> None:
    mock_llm.configure(first_token_s=0.02)
    llm = OpenAILLM(mock_llm.base_url, max_connections=4)
    await asyncio.gather(*(llm.complete(REQUEST) for _ in range(20)))
    await llm.aclose()
    assert (mock_llm.stats.completed, mock_llm.stats.most_in_flight) == (20, 4)


@pytest.mark.parametrize("kind", ["hang", "drip"])
async def test_cancelled_call_is_cancelled_upstream(llm: OpenAILLM, mock_llm: MockLLM, kind: Kind) -> None:
    mock_llm.script(Reply(kind=kind))
    call = asyncio.create_task(llm.complete(REQUEST))
    await asyncio.to_thread(mock_llm.wait_until, lambda stats: stats.in_flight == 1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.to_thread(mock_llm.wait_until, lambda stats: stats.in_flight == 0)
    assert mock_llm.stats.aborted == 1


async def test_cancelled_calls_leave_their_connections_to_others(mock_llm: MockLLM) -> None:
    llm = OpenAILLM(mock_llm.base_url, max_connections=2)
    mock_llm.script(Reply(kind="hang"), Reply(kind="hang"))
    calls = [asyncio.create_task(llm.complete(REQUEST)) for _ in range(4)]
    await asyncio.to_thread(mock_llm.wait_until, lambda stats: stats.in_flight == 2)
    for call in calls[1:]:
        call.cancel()
    await asyncio.to_thread(mock_llm.wait_until, lambda stats: stats.in_flight < 2)
    assert (await llm.complete(REQUEST)).finish_reason == "stop"
    calls[0].cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    await llm.aclose()


async def test_answers_that_come_keep_their_connection(mock_llm: MockLLM) -> None:
    llm = OpenAILLM(mock_llm.base_url)
    for _ in range(3):
        await llm.complete(REQUEST)
    await llm.aclose()
    assert len(mock_llm.peers) == 1


async def test_proxy_of_the_environment_is_not_asked_for_a_server_on_this_machine(
    mock_llm: MockLLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    llm = OpenAILLM(mock_llm.base_url)
    assert (await llm.complete(REQUEST)).finish_reason == "stop"
    await llm.aclose()


async def test_proxy_of_the_environment_is_asked_for_others(
    mock_llm: MockLLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The mock itself takes the proxy's place: the name exists nowhere.
    monkeypatch.setenv("HTTP_PROXY", mock_llm.base_url.removesuffix("/v1"))
    llm = OpenAILLM("http://model.invalid/v1")
    assert (await llm.complete(REQUEST)).finish_reason == "stop"
    await llm.aclose()
