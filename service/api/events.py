"""A summary as server-sent events: what is known of it while it is made, then all of it.

(WHATWG HTML, "Server-sent events".) Each event has a name and one line of JSON; docs/api.md lists them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from typing import Any, Self

import msgspec
from litestar.types import Receive, Scope, Send

from service.api.departures import wait_until_gone
from service.feed import Feed
from service.run import CheckedSentence, ChosenQuote, DraftedSentence, Event, Progress
from service.summarizer import Outcome

Body = Callable[[Outcome], bytes]
Problem = Callable[[BaseException], bytes]

_HEARTBEAT = b": the work goes on\n\n"
_SEND_S = 30.0  # how long a caller may take nothing before it is taken for gone


class EventStream:
    """A response of server-sent events, which ends with the caller's leaving at the latest.

    Args:
        events: The bytes to send, in whole events; closed in the end in any case.
        headers: Further header fields, with names in lower case.
        last_words: What to say when the server stops before the events have ended.
    """

    def __init__(
        self, events: AsyncGenerator[bytes, None], headers: list[tuple[bytes, bytes]], last_words: bytes = b""
    ) -> None:
        self._events = events
        self._headers = [
            *headers,
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"x-accel-buffering", b"no"),  # nginx would hold events back
        ]
        self._last_words = last_words

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry point."""
        await send({"type": "http.response.start", "status": 200, "headers": [*self._headers]})
        sending = asyncio.create_task(self._send_events(send))
        watching = asyncio.create_task(wait_until_gone(receive))
        try:
            await asyncio.wait((sending, watching), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await _stop(sending)
            await send({"type": "http.response.body", "body": self._last_words, "more_body": False})
            return
        finally:
            watching.cancel()
            await _stop(sending)
        if not sending.cancelled() and (error := sending.exception()):
            raise error

    async def _send_events(self, send: Send) -> None:
        # Bounded by the connection's own buffer: beyond it, `send` waits for the caller to read.
        async with aclosing(self._events) as events:
            async for event in events:
                try:
                    async with asyncio.timeout(_SEND_S):
                        await send({"type": "http.response.body", "body": event, "more_body": True})
                except TimeoutError:
                    return
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


async def follow(
    work: asyncio.Task[Outcome], feed: Feed, heartbeat_s: float, to_body: Body, to_problem: Problem
) -> AsyncGenerator[bytes, None]:
    """The events of work under way, those before now first, then its result or its error.

    A comment goes out after every `heartbeat_s` of silence, so that nothing on the way takes the connection
    for dead.
    """
    woken = asyncio.Event()
    work.add_done_callback(lambda _: woken.set())
    sent = 0
    with feed.heard_by(lambda _: woken.set()):
        while True:
            woken.clear()
            for event in feed.events[sent:]:
                sent += 1
                yield encode(*_describe(event))
            if work.done() and sent == len(feed.events):
                break
            try:
                async with asyncio.timeout(heartbeat_s):
                    await woken.wait()
            except TimeoutError:
                yield _HEARTBEAT
    try:
        outcome = work.result()
    except (Exception, asyncio.CancelledError) as exc:  # noqa: BLE001 - every error ends as an event
        yield encode("error", to_problem(exc))
    else:
        yield encode("result", to_body(outcome))


async def once(*events: bytes) -> AsyncGenerator[bytes, None]:
    """Events that are known already."""
    for event in events:
        yield event


def encode(name: str, data: bytes | dict[str, Any]) -> bytes:
    """One event; `data` is JSON, or becomes it."""
    line = data if isinstance(data, bytes) else msgspec.json.encode(data)
    return b"event: %b\ndata: %b\n\n" % (name.encode(), line)


def accepted(summary_id: str, cache: str) -> bytes:
    """The first event: which summary it is about, and whether it is there, under way, or begun now."""
    return encode("accepted", {"id": summary_id, "cache": cache})


def _describe(event: Event) -> tuple[str, dict[str, Any]]:
    """The name and the data of an event."""
    if isinstance(event, Progress):
        return "progress", event._asdict()
    if isinstance(event, DraftedSentence):
        drafted = {"index": event.index, "provisional": True, "text": event.text, "support": "unchecked"}
        return "sentence", drafted
    if isinstance(event, CheckedSentence):
        return "sentence", {"index": event.index, "provisional": False, **_fields(event.sentence)}
    if isinstance(event, ChosenQuote):
        return "quote", {"index": event.index, **_fields(event.quote)}
    return "restart", {}


def _fields(value: msgspec.Struct) -> dict[str, Any]:
    return msgspec.structs.asdict(value)


class Lingering:
    """Work whose caller has gone, kept for a moment so that a caller who reconnects can join it."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._tasks: set[asyncio.Task[Outcome]] = set()

    def keep(self, work: asyncio.Task[Outcome]) -> None:
        """End `work` in a while, unless it ends by itself."""
        if not self._seconds:
            work.cancel()
        elif not work.done():
            self._tasks.add(work)
            timer = asyncio.get_running_loop().call_later(self._seconds, work.cancel)
            work.add_done_callback(lambda _: timer.cancel())
        work.add_done_callback(self._end)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """End all of it now."""
        for work in self._tasks:
            work.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _end(self, work: asyncio.Task[Outcome]) -> None:
        self._tasks.discard(work)
        with suppress(asyncio.CancelledError):
            work.exception()  # read, so that asyncio does not warn: nobody waits for it
