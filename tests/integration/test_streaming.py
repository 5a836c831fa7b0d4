"""A summary as server-sent events: what is known early comes early, and the end is the JSON of everybody."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest

from bench.mock_llm import MockLLM, Reply
from bench.news import make_article
from service.settings import Settings
from tests.conftest import running

ARTICLE = (
    "The Orrelund library will open at night from May, its director Mina Sorrel said on Monday. The trial"
    " runs until August and costs 90,000 crowns.\n\n"
    "“People who work shifts read too,” Sorrel said. “They have told us so for ten years.”"
)
BODY = {"text": ARTICLE}
EVENTS = {"Accept": "text/event-stream"}

Serve = Callable[..., httpx.Client]


class Seen(NamedTuple):
    """An event as it came; `raw` is its data before decoding."""

    name: str
    data: Any
    raw: str


def read(lines: Iterable[str]) -> Iterator[Seen]:
    name = ""
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield Seen(name, msgspec.json.decode(value), value)


def stream(client: httpx.Client, headers: dict[str, str] | None = None, **options: object) -> list[Seen]:
    answer = client.post("/v1/summaries", json={**BODY, **options}, headers=EVENTS | (headers or {}))
    assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    return list(read(answer.text.splitlines()))


def names(events: Iterable[Seen]) -> list[str]:
    return list(dict.fromkeys(event.name for event in events))


@asynccontextmanager
async def streaming(service: httpx.Client, body: object = BODY) -> AsyncIterator[AsyncIterator[Seen]]:
    """The events of a stream as they come; leaving the block closes the connection."""
    async with (
        httpx.AsyncClient(base_url=service.base_url, timeout=60, trust_env=False) as client,
        client.stream("POST", "/v1/summaries", json=body, headers=EVENTS) as answer,
    ):

        async def events() -> AsyncIterator[Seen]:
            name = ""
            async for line in answer.aiter_lines():
                field, _, value = line.partition(": ")
                name = value if field == "event" else name
                if field == "data":
                    yield Seen(name, msgspec.json.decode(value), value)

        yield events()


async def until(mock_llm: MockLLM, **counts: int) -> None:
    await asyncio.to_thread(
        mock_llm.wait_until, lambda s: all(getattr(s, name) == n for name, n in counts.items())
    )


def test_events_come_in_order_and_end_with_the_json_of_everybody(
    service: httpx.Client, mock_llm: MockLLM
) -> None:
    mock_llm.configure(reply_tokens=40)
    events = stream(service)
    assert names(events) == ["accepted", "progress", "sentence", "quote", "result"]
    whole = service.post("/v1/summaries", json=BODY)
    assert events[-1].raw == whole.text
    assert events[0].data == {"id": whole.json()["id"], "cache": "miss"}
    assert whole.headers["Cache-Status"] == "Standfirst; hit"
    assert mock_llm.stats.calls == 1


def test_sentences_come_twice_as_written_and_as_checked(service: httpx.Client) -> None:
    events = stream(service)
    sentences = [e.data for e in events if e.name == "sentence"]
    drafted = [s for s in sentences if s["provisional"]]
    checked = [s for s in sentences if not s["provisional"]]
    assert drafted == sentences[: len(drafted)]
    assert {s["support"] for s in drafted} == {"unchecked"}
    result = events[-1].data
    assert [s["text"] for s in drafted] == [s["text"] for s in checked]
    plain = [{k: v for k, v in s.items() if k not in {"index", "provisional"}} for s in checked]
    assert plain == result["sentences"]
    quotes = [{k: v for k, v in e.data.items() if k != "index"} for e in events if e.name == "quote"]
    assert quotes == result["key_quotes"]
    assert quotes


async def test_sentence_comes_before_the_model_has_ended(service: httpx.Client, mock_llm: MockLLM) -> None:
    mock_llm.configure(reply_tokens=400, per_token_s=0.005)
    async with streaming(service) as events:
        async for event in events:
            if event.name == "sentence":
                assert event.data["provisional"]
                assert mock_llm.stats.completed == 0
                break


def test_finished_summary_is_accepted_and_result(service: httpx.Client, mock_llm: MockLLM) -> None:
    made = service.post("/v1/summaries", json=BODY)
    for _ in range(3):
        events = stream(service)
        assert names(events) == ["accepted", "result"]
        assert events[0].data == {"id": made.json()["id"], "cache": "hit"}
        assert events[1].raw == made.text
    assert mock_llm.stats.calls == 1


def test_callers_own_data_is_in_the_result(service: httpx.Client) -> None:
    for _ in range(3):
        assert stream(service, article_id="a", metadata={"n": 1})[-1].data["article_id"] == "a"
        assert "article_id" not in stream(service)[-1].data


def test_headers_keep_proxies_from_holding_events_back(service: httpx.Client) -> None:
    answer = service.post("/v1/summaries", json=BODY, headers=EVENTS)
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert answer.headers["Cache-Status"] == "Standfirst; fwd=miss"
    embargoed = service.post("/v1/summaries", json=BODY, headers=EVENTS | {"Cache-Control": "no-store"})
    assert embargoed.headers["Cache-Control"] == "no-store"
    assert embargoed.headers["Cache-Status"] == "Standfirst; fwd=request"


@pytest.mark.parametrize(
    ("accept", "streams"),
    [
        ("text/event-stream", True),
        ("text/event-stream, application/json;q=0.5", True),
        ("application/json, text/event-stream;q=0.5", False),
        ("*/*", False),
        ("text/event-stream;q=0, */*", False),
    ],
)
def test_who_prefers_events_gets_them(extractive: httpx.Client, accept: str, *, streams: bool) -> None:
    answer = extractive.post("/v1/summaries", json=BODY, headers={"Accept": accept})
    assert answer.headers["Content-Type"].startswith("text/event-stream") == streams


def test_long_article_tells_of_its_chunks(serve: Serve, tmp_path: Path) -> None:
    models = tmp_path / "models.toml"
    window = "context_window = 6000\nmax_output_tokens = 400\ntoken_factor = 1.0"
    models.write_text(f"[small]\n{window}\n", "utf-8")
    service = serve(model="small", models_file=str(models))
    events = stream(service, text=make_article(3, 20_000))
    progress = [event.data for event in events if event.name == "progress"]
    chunks = [p for p in progress if p["stage"] == "chunks"]
    assert [p["done"] for p in chunks] == list(range(chunks[0]["total"] + 1))
    assert len(chunks) > 2
    assert progress[-1] == {"stage": "combine", "done": 0, "total": 1}
    assert next(event.data["provisional"] for event in events if event.name == "sentence")


def test_request_that_cannot_be_used_is_refused_before_the_stream(service: httpx.Client) -> None:
    for body, status in (({"text": ""}, 422), ({**BODY, "model": "nope"}, 422), ({}, 422)):
        answer = service.post("/v1/summaries", json=body, headers=EVENTS)
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    missing = service.post("/v1/summaries", json=BODY, headers=EVENTS | {"Cache-Control": "only-if-cached"})
    assert missing.status_code == 504


def test_failure_under_way_is_an_event(serve: Serve, mock_llm: MockLLM) -> None:
    service = serve(fallback="none")
    mock_llm.configure(always=Reply(kind="status", status=429, headers={"Retry-After": "7"}))
    events = stream(service)
    assert names(events) == ["accepted", "progress", "error"]
    problem = events[-1].data
    assert (problem["type"], problem["status"]) == ("urn:standfirst:problem:model-throttled", 503)
    assert problem["retry_after_s"] == 7


def test_model_that_fails_is_stood_in_for(service: httpx.Client, mock_llm: MockLLM) -> None:
    mock_llm.configure(always=Reply(kind="cut"), reply_tokens=400)
    events = stream(service)
    assert events[-1].data["degraded"]
    assert {e.data["provisional"] for e in events if e.name == "sentence"} == {True, False}


def test_answer_that_breaks_off_is_begun_again(serve: Serve, mock_llm: MockLLM) -> None:
    service = serve(llm_attempts=2)
    mock_llm.configure(reply_tokens=400)
    mock_llm.script(Reply(kind="cut"))
    events = stream(service)
    assert "restart" in names(events)
    before: list[object] = []
    after: list[object] = []
    for event in events:
        if event.name == "restart":
            before, after = after, []
        elif event.name == "sentence" and event.data["provisional"]:
            after.append(event.data)
    assert before == after[: len(before)]
    assert not events[-1].data["degraded"]
    assert mock_llm.stats.calls == 2


def test_silence_is_filled_with_comments(serve: Serve, mock_llm: MockLLM) -> None:
    service = serve(stream_heartbeat_s=0.02)
    mock_llm.configure(first_token_s=0.6)
    text = service.post("/v1/summaries", json=BODY, headers=EVENTS).text
    assert sum(line.startswith(":") for line in text.splitlines()) >= 2
    assert names(read(text.splitlines()))[-1] == "result"


async def test_all_who_ask_share_one_call(service: httpx.Client, mock_llm: MockLLM) -> None:
    mock_llm.configure(first_token_s=1.0, reply_tokens=40)  # so that all have asked before
    async with httpx.AsyncClient(base_url=service.base_url, timeout=60, trust_env=False) as client:
        answers = await asyncio.gather(
            *(client.post("/v1/summaries", json=BODY, headers=EVENTS) for _ in range(10)),
            *(client.post("/v1/summaries", json=BODY) for _ in range(10)),
        )
    streams = [list(read(answer.text.splitlines())) for answer in answers[:10]]
    assert {events[-1].raw for events in streams} == {answer.text for answer in answers[10:]}
    assert len({tuple(e.raw for e in events[1:]) for events in streams}) == 1
    joined = [events[0].data["cache"] for events in streams].count("joined")
    joined += sum("collapsed" in answer.headers["Cache-Status"] for answer in answers[10:])
    assert joined >= 18  # of two who come at the same moment, both may be told that they began it
    assert mock_llm.stats.calls == 1


async def test_late_caller_gets_what_came_before(service: httpx.Client, mock_llm: MockLLM) -> None:
    mock_llm.configure(reply_tokens=200, per_token_s=0.01)
    async with streaming(service) as first:
        early = []
        async for event in first:
            early.append(event)
            if event.name == "sentence":
                break
        async with streaming(service) as second:
            late = [event async for event in second]
        early += [event async for event in first]
    assert late[0].data["cache"] == "joined"
    assert late[1:] == early[1:]
    assert mock_llm.stats.calls == 1


async def test_caller_who_reconnects_joins_the_work(serve: Serve, mock_llm: MockLLM) -> None:
    service = serve(stream_linger_s=60)
    mock_llm.configure(first_token_s=1.5)
    async with streaming(service):
        await until(mock_llm, in_flight=1)
    async with streaming(service) as events:
        seen = [event async for event in events]
    assert (seen[0].data["cache"], seen[-1].name) == ("joined", "result")
    assert (mock_llm.stats.calls, mock_llm.stats.aborted) == (1, 0)


async def test_call_ends_some_time_after_its_caller_has_gone(serve: Serve, mock_llm: MockLLM) -> None:
    service = serve(stream_linger_s=0.01)
    mock_llm.configure(always=Reply(kind="hang"))
    async with streaming(service):
        await until(mock_llm, in_flight=1)
    await until(mock_llm, in_flight=0, aborted=1)


async def test_caller_who_leaves_does_not_take_the_events_from_others(
    serve: Serve, mock_llm: MockLLM
) -> None:
    service = serve(stream_linger_s=0)
    mock_llm.configure(first_token_s=1.0)
    async with streaming(service) as staying:
        async with streaming(service):
            await until(mock_llm, in_flight=1)
        seen = [event async for event in staying]
    assert seen[-1].name == "result"
    assert (mock_llm.stats.calls, mock_llm.stats.aborted) == (1, 0)


async def test_work_that_ended_with_its_last_caller_is_begun_anew(serve: Serve, mock_llm: MockLLM) -> None:
    service = serve(stream_linger_s=0)
    mock_llm.script(Reply(kind="hang"))
    async with streaming(service):
        await until(mock_llm, in_flight=1)
    await until(mock_llm, in_flight=0)
    async with streaming(service) as events:
        seen = [event async for event in events]
    assert seen[-1].name == "result"
    assert not seen[-1].data["degraded"]


async def test_work_of_another_process_is_waited_for(serve: Serve, mock_llm: MockLLM, redis_url: str) -> None:
    here, there = (serve(cache_url=redis_url) for _ in range(2))
    mock_llm.configure(first_token_s=0.5)
    async with streaming(there) as events:
        await until(mock_llm, in_flight=1)
        seen = await asyncio.to_thread(stream, here)
        assert names(seen) == ["accepted", "result"]
        assert seen[-1].raw == [event async for event in events][-1].raw
    assert mock_llm.stats.calls == 1


def test_embargoed_stream_is_not_kept(service: httpx.Client, mock_llm: MockLLM) -> None:
    events = stream(service, {"Cache-Control": "no-store"})
    assert service.get(f"/v1/summaries/{events[-1].data['id']}").status_code == 404
    stream(service, {"Cache-Control": "no-store"})
    assert mock_llm.stats.calls == 2


def test_caller_who_reads_nothing_holds_up_nobody(serve: Serve, mock_llm: MockLLM) -> None:
    service = serve(stream_linger_s=0)
    mock_llm.configure(first_token_s=0.2)
    body = msgspec.json.encode(BODY)
    head = (
        "POST /v1/summaries HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((service.base_url.host, service.base_url.port or 80)) as idle:
        idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        idle.sendall(head.encode() + body)
        mock_llm.wait_until(lambda stats: stats.calls == 1)
        assert stream(service)[-1].name == "result"
    assert mock_llm.stats.calls == 1


async def test_service_that_stops_says_so(mock_llm: MockLLM) -> None:
    mock_llm.configure(always=Reply(kind="hang"))
    seen: list[Seen] = []

    async def listen(service: httpx.Client) -> None:
        async with streaming(service) as events:
            seen.extend([event async for event in events])

    with running(Settings(openai_base_url=mock_llm.base_url, cache_url="memory://")) as service:
        listening = asyncio.create_task(listen(service))
        await until(mock_llm, in_flight=1)
    await listening
    assert seen[-1].data["type"] == "urn:standfirst:problem:stopping"
    await until(mock_llm, in_flight=0)
