"""A mock LLM server that speaks the OpenAI chat-completions protocol over real HTTP, with faults on command.

It answers with a draft that fits the JSON schema it was given, made of sentences, ids and names that
it finds in the prompt. How it behaves is a `Config` for all calls, and a queue of `Reply` for the next ones.

In a test, `with MockLLM() as mock: …` runs it in a thread. From a shell, run `python -m bench.mock_llm`,
with `GET /control` for the counts and `POST /control` for
`{"reset": true, "config": {"first_token_s": 0.2}, "queue": [{"kind": "hang"}]}`.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import struct
import threading
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Literal, TypeAlias

import msgspec
import uvicorn
from msgspec import Struct
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bench.mock_drafts import Json, Lie, write_draft, write_prose

ASGIMessage: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[ASGIMessage]]
Send: TypeAlias = Callable[[ASGIMessage], Awaitable[None]]

Kind: TypeAlias = (
    Literal[
        "answer",
        "status",  # an error of `status` with `headers`, `code` and `message`
        "hang",  # no byte, until the client goes
        "drip",  # a byte every 50 ms, for ever
        "reset",  # the connection is reset before any byte
        "cut",  # the body, or the stream, ends in the middle
        "not_json",
        "no_choices",
        "length",  # the draft is cut short, and says so
        "refusal",
        "content_filter",
        "prose",  # no JSON, whatever was asked
    ]
    | Lie
)


class Reply(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to answer one call; `text` replaces the draft."""

    kind: Kind = "answer"
    status: int = 500
    headers: dict[str, str] = {}
    code: str | None = None
    message: str = "the mock was told to fail"
    text: str | None = None


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to answer every call that the queue says nothing about."""

    first_token_s: float = 0.0
    per_token_s: float = 0.0
    reply_tokens: int | None = None
    """Output tokens to time and to count; None: a quarter of the answer's characters."""
    api_key: str | None = None
    models: list[str] | None = None
    rejects: list[str] = []
    """Parameters that get a 400, and `json_schema` for that kind of `response_format`."""
    context_tokens: int | None = None
    cached_input_tokens: int = 0
    usage: bool = True
    always: Reply = Reply()


class Stats(Struct, kw_only=True):
    """What the server has seen since it started or was reset."""

    calls: int = 0
    completed: int = 0
    aborted: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


class _Control(Struct, forbid_unknown_fields=True):
    reset: bool = False
    config: dict[str, Json] = {}
    queue: list[Reply] = []


class _ClientGoneError(Exception):
    """The client closed the connection before the answer was out."""


class _RefusedError(Exception):
    def __init__(self, status: int, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}


class _Protocol(HttpToolsProtocol):
    """Lets the application reach its connection, so that it can reset it."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["transport"] = self.transport  # type: ignore[typeddict-unknown-key]


class MockApp:
    """The server as an ASGI application; `requests` holds the last 1,000 calls, `peers` their connections."""

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or Config()
        self.queue: deque[Reply] = deque()
        self.stats = Stats()
        self.requests: deque[Json] = deque(maxlen=1000)
        self.peers: set[object] = set()

    def reset(self) -> None:
        """Forget counts, requests, queue and configuration; calls in flight stay counted."""
        self.config = Config()
        self.queue.clear()
        self.requests.clear()
        self.stats = Stats(in_flight=self.stats.in_flight)

    def changed(self) -> None:
        """A call began or ended; for subclasses that wait for it."""

    async def __call__(self, scope: Json, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        match scope["method"], scope["path"]:
            case "POST", "/v1/chat/completions":
                await self._chat(scope, receive, send)
            case "GET", "/v1/models":
                await _send_json(send, 200, {"data": [{"id": m} for m in self.config.models or ["mock"]]})
            case "GET", "/control":
                await _send_json(send, 200, msgspec.to_builtins(self.stats))
            case "POST", "/control":
                self._control(msgspec.json.decode(await _read(receive), type=_Control))
                await _send_json(send, 200, msgspec.to_builtins(self.stats))
            case _:
                await _send_json(send, 404, {"error": {"message": "no such path"}})

    def _control(self, command: _Control) -> None:
        if command.reset:
            self.reset()
        self.config = msgspec.convert({**msgspec.structs.asdict(self.config), **command.config}, Config)
        self.queue.extend(command.queue)

    async def _chat(self, scope: Json, receive: Receive, send: Send) -> None:
        stats = self.stats
        self.peers.add(scope["client"])
        stats.calls += 1
        stats.in_flight += 1
        stats.most_in_flight = max(stats.most_in_flight, stats.in_flight)
        self.changed()
        try:
            request = msgspec.json.decode(await _read(receive))
            self.requests.append(request)
            reply = self.queue.popleft() if self.queue else self.config.always
            self._refuse_wrong(scope, request)
            await self._answer(request, reply, scope, receive, send)
            stats.completed += 1
        except _RefusedError as exc:
            await _send_json(send, exc.status, {"error": exc.error})
        except (_ClientGoneError, asyncio.CancelledError):
            stats.aborted += 1
        finally:
            self.stats.in_flight -= 1
            self.changed()

    def _refuse_wrong(self, scope: Json, request: Json) -> None:
        config = self.config
        headers = dict(scope["headers"])
        if config.api_key and headers.get(b"authorization") != f"Bearer {config.api_key}".encode():
            raise _RefusedError(401, "invalid_api_key", "wrong API key")
        if config.models is not None and request["model"] not in config.models:
            raise _RefusedError(404, "model_not_found", f"there is no model {request['model']}")
        for name in config.rejects:
            if name in request:
                raise _RefusedError(400, "unsupported_parameter", f"'{name}' is not supported here", name)
            if name == request.get("response_format", {}).get("type"):
                raise _RefusedError(
                    400, "unsupported_value", f"response_format {name} is unknown", "response_format"
                )
        if config.context_tokens is not None and _count_tokens(request) > config.context_tokens:
            raise _RefusedError(
                400, "context_length_exceeded", "more tokens than the context holds", "messages"
            )

    async def _answer(self, request: Json, reply: Reply, scope: Json, receive: Receive, send: Send) -> None:
        if reply.kind == "status":
            error = {"message": reply.message, "type": "mock_error", "code": reply.code}
            await _send_json(send, reply.status, {"error": error}, reply.headers)
        elif reply.kind == "reset":
            _reset_connection(scope["transport"])
        elif reply.kind == "hang":
            await _sleep(receive, 3600.0)
        elif reply.kind == "drip":
            await _start(send, 200, "application/json")
            while True:
                await send({"type": "http.response.body", "body": b" ", "more_body": True})
                await _sleep(receive, 0.05)
        elif reply.kind == "not_json":
            await _send_json(send, 200, b"<html>Everything is fine.</html>")
        else:
            await self._complete(request, reply, receive, send)

    async def _complete(self, request: Json, reply: Reply, receive: Receive, send: Send) -> None:
        text = _reply_text(request, reply)
        tokens = self.config.reply_tokens or max(1, len(text) // 4)
        usage = {
            "prompt_tokens": _count_tokens(request),
            "completion_tokens": tokens,
            "prompt_tokens_details": {"cached_tokens": self.config.cached_input_tokens},
        }
        self.stats.input_tokens += _count_tokens(request)
        self.stats.output_tokens += tokens
        head = {"id": "mock", "created": 0, "model": request["model"]}
        if self.config.usage:
            head["usage"] = usage
        if request.get("stream"):
            await self._stream(head, text, tokens, reply, receive, send)
            return
        await _sleep(receive, self.config.first_token_s + tokens * self.config.per_token_s)
        message: Json = {"role": "assistant", "content": text}
        if reply.kind == "refusal":
            message = {"role": "assistant", "content": None, "refusal": text}
        choice = {"index": 0, "message": message, "finish_reason": _finish_reason(reply)}
        choices = [] if reply.kind == "no_choices" else [choice]
        answer = {**head, "object": "chat.completion", "choices": choices}
        await _send_json(send, 200, answer, cut=reply.kind == "cut")

    async def _stream(
        self, head: Json, text: str, tokens: int, reply: Reply, receive: Receive, send: Send
    ) -> None:
        usage = head.pop("usage", None)
        head["object"] = "chat.completion.chunk"
        field = "refusal" if reply.kind == "refusal" else "content"
        size = max(1, -(-len(text) // tokens))
        pieces = [text[i : i + size] for i in range(0, len(text), size)]
        await _sleep(receive, self.config.first_token_s)
        await _start(send, 200, "text/event-stream")
        for number, piece in enumerate(pieces):
            if reply.kind == "cut" and number >= len(pieces) // 2:
                return  # without a last event, and without [DONE]
            await _sleep(receive, self.config.per_token_s)
            delta = {"role": "assistant", field: piece}
            await _send_event(
                send, {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
            )
        last = {"index": 0, "delta": {}, "finish_reason": _finish_reason(reply)}
        await _send_event(send, {**head, "choices": [last]})
        if usage:
            await _send_event(send, {**head, "choices": [], "usage": usage})
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})


def _reply_text(request: Json, reply: Reply) -> str:
    prompt = request["messages"][-1]["content"]
    if reply.text is not None:
        return reply.text
    if reply.kind in {"refusal", "content_filter"}:
        return "I will not do that."
    if reply.kind == "prose":
        return write_prose(prompt)
    schema = request.get("response_format", {}).get("json_schema", {}).get("schema")
    text = write_draft(prompt, schema, reply.kind)
    return text[: len(text) // 2] if reply.kind == "length" else text


def _finish_reason(reply: Reply) -> str:
    return reply.kind if reply.kind in {"length", "content_filter"} else "stop"


def _count_tokens(request: Json) -> int:
    return sum(len(message["content"]) for message in request["messages"]) // 4


def _reset_connection(transport: asyncio.Transport) -> None:
    # A linger time of zero turns the close into a reset.
    transport.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
    )
    transport.abort()


async def _sleep(receive: Receive, seconds: float) -> None:
    """Wait, unless the client goes away first."""
    if seconds <= 0:
        return
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return
    raise _ClientGoneError


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _ClientGoneError
        body += message["body"]
        if not message["more_body"]:
            return bytes(body)


async def _start(send: Send, status: int, content_type: str, headers: dict[str, str] | None = None) -> None:
    fields = {"content-type": content_type, **(headers or {})}
    raw = [(name.lower().encode(), value.encode()) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})


async def _send_json(
    send: Send, status: int, value: Json, headers: dict[str, str] | None = None, *, cut: bool = False
) -> None:
    body: bytes = value if isinstance(value, bytes) else msgspec.json.encode(value)
    await _start(send, status, "application/json", {**(headers or {}), "content-length": str(len(body))})
    # The server closes a connection on which less came than was announced.
    await send({"type": "http.response.body", "body": body[: len(body) // 2] if cut else body})


async def _send_event(send: Send, value: Json) -> None:
    event = b"data: " + msgspec.json.encode(value) + b"\n\n"
    await send({"type": "http.response.body", "body": event, "more_body": True})


def _make_server(app: MockApp) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_level="critical",
            timeout_graceful_shutdown=1,
        )
    )


class MockLLM(MockApp):
    """The server on a free port of the loopback interface, in a thread, for the time of a `with` block."""

    def __enter__(self) -> MockLLM:
        self._condition = threading.Condition()
        # It listens before the thread runs, so the first call need not wait for it.
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self.base_url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"
        self._server = _make_server(self)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})
        self._thread.start()
        return self

    def changed(self) -> None:
        """Wake those who wait."""
        with self._condition:
            self._condition.notify_all()

    def wait_until(self, reached: Callable[[Stats], bool], timeout_s: float = 30.0) -> None:
        """Block the calling thread until the counts satisfy `reached`."""
        with self._condition:
            if not self._condition.wait_for(lambda: reached(self.stats), timeout_s):
                raise TimeoutError(f"not reached: {self.stats}")

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def script(self, *replies: Reply) -> None:
        """Answer the next calls with `replies`, one each."""
        self.queue.extend(replies)

    def configure(self, **changes: Json) -> None:
        """Change fields of the configuration."""
        self.config = msgspec.structs.replace(self.config, **changes)


def main() -> None:
    """Run the server until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m bench.mock_llm", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    port: int = parser.parse_args().port
    with socket.create_server(("127.0.0.1", port), backlog=2048) as listener:
        print(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", flush=True)
        _make_server(MockApp()).run(sockets=[listener])


if __name__ == "__main__":
    main()
