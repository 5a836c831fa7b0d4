"""Any server that speaks the OpenAI chat-completions protocol, as an `LLM`.

Bodies are encoded and answers decoded here, not by the SDK: that is strict where the SDK's models accept
anything, and needs a fraction of the CPU.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import aclosing
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from service.catalogue import Sampling, StructuredOutput
from service.errors import LLMRequestError, LLMResponseError, LLMTimeoutError
from service.llm import ChatReply, ChatRequest, OutputSchema, TextListener
from service.openai_stream import CompletionUsage, StreamedReply, read_finish_reason, read_usage
from service.provider_errors import RefusedError, is_about_context_length

if TYPE_CHECKING:
    from service.openai_client import OpenAIClient

_STRUCTURED: tuple[StructuredOutput, ...] = ("json_schema", "json_object", "none")
_STREAM, _STREAM_OPTIONS = "stream", "stream_options"


class _Dialect(Struct, frozen=True, kw_only=True):
    """What one model on one server is known to take: alternatives in the order in which to try them."""

    structured: tuple[StructuredOutput, ...]
    token_limit: tuple[str, ...]
    dropped: frozenset[str] = frozenset()


class _AssistantMessage(Struct):
    content: str | None = None
    refusal: str | None = None


class _Choice(Struct):
    message: _AssistantMessage
    finish_reason: str | None = None


class _Completion(Struct):
    choices: list[_Choice]
    model: str | None = None
    usage: CompletionUsage | None = None


_decoder = msgspec.json.Decoder(_Completion)


class OpenAILLM:
    """Any server that speaks the OpenAI chat-completions protocol.

    Making one is cheap: the SDK is loaded and its client built on the first call, or by `warm_up()`, in a
    thread. What a server turns out not to take (JSON schemas, a parameter's name, temperature) is left out
    and remembered per model, so that finding out is paid once.

    Args:
        base_url: The API's root, such as `https://api.openai.com/v1`.
        api_key: Sent as a bearer token; None for a server that wants none.
        structured_output: What the catalogue knows of models' structured output, by model name.
        max_connections: Connections open at once; further calls wait for one.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        *,
        structured_output: dict[str, StructuredOutput] | None = None,
        max_connections: int = 100,
    ) -> None:
        self._base_url = base_url
        self._api_key = api_key
        self._host = urlsplit(base_url).hostname or ""
        self._structured_output = structured_output or {}
        self._max_connections = max_connections
        self._dialects: dict[str, _Dialect] = {}
        self._client: OpenAIClient | None = None
        self._building = asyncio.Lock()

    async def warm_up(self) -> None:
        """Build the client ahead of the first call; nothing is sent."""
        await self._connected()

    async def complete(self, request: ChatRequest) -> ChatReply:
        """See `LLM.complete`."""
        try:
            async with asyncio.timeout(request.timeout_s):
                return await self._ask_in_known_dialect(request)
        except TimeoutError as exc:
            raise LLMTimeoutError(f"no answer within {request.timeout_s:g} s") from exc

    async def aclose(self) -> None:
        """See `LLM.aclose`."""
        if self._client is not None:
            await self._client.aclose()

    async def _connected(self) -> OpenAIClient:
        if self._client is None:
            async with self._building:
                if self._client is None:
                    self._client = await asyncio.to_thread(self._build_client)
        return self._client

    def _build_client(self) -> OpenAIClient:
        # The SDK takes half a second to load: not at the import of the service, and not on the event loop.
        from service.openai_client import OpenAIClient  # noqa: PLC0415

        return OpenAIClient(self._base_url, self._api_key, max_connections=self._max_connections)

    async def _ask_in_known_dialect(self, request: ChatRequest) -> ChatReply:
        client = await self._connected()
        dialect = self._dialects.get(request.model) or self._first_dialect(request.model)
        while True:
            try:
                if request.listener is not None and _STREAM not in dialect.dropped:
                    reply = await _stream(client, request, request.listener, dialect)
                else:
                    reply = await _post(client, request, dialect)
            except RefusedError as exc:
                simpler = _without_rejected(dialect, request, exc.words)
                if simpler is None:
                    raise exc.error from exc.__cause__
                dialect = simpler
            else:
                self._dialects[request.model] = dialect
                return reply

    def _first_dialect(self, model: str) -> _Dialect:
        known = self._structured_output.get(model, "json_schema")
        names = ("max_completion_tokens", "max_tokens")
        return _Dialect(
            structured=_STRUCTURED[_STRUCTURED.index(known) :],
            token_limit=names if self._host.endswith("openai.com") else names[::-1],
        )


async def _post(client: OpenAIClient, request: ChatRequest, dialect: _Dialect) -> ChatReply:
    return _read_reply(await client.post(_encode(_body(request, dialect))), request.model)


async def _stream(
    client: OpenAIClient, request: ChatRequest, listener: TextListener, dialect: _Dialect
) -> ChatReply:
    body = _body(request, dialect) | {_STREAM: True}
    if _STREAM_OPTIONS not in dialect.dropped:
        body[_STREAM_OPTIONS] = {"include_usage": True}
    listener.begin()
    streamed = StreamedReply(listener)
    async with aclosing(client.stream(_encode(body))) as pieces:
        async for piece in pieces:
            streamed.add(piece)
    return streamed.reply(request.model)


def _encode(body: dict[str, object]) -> bytes:
    try:
        return msgspec.json.encode(body)
    except UnicodeError as exc:
        raise LLMRequestError("the prompt cannot be sent: it holds what is no Unicode text") from exc


def _body(request: ChatRequest, dialect: _Dialect) -> dict[str, object]:
    optional = _optional_parameters(request)
    body: dict[str, object] = {
        "model": request.model,
        "messages": request.messages,
        dialect.token_limit[0]: request.max_output_tokens,
        **{name: value for name, value in optional.items() if name not in dialect.dropped},
    }
    if request.output_schema is not None and dialect.structured[0] != "none":
        body["response_format"] = _response_format(request.output_schema, dialect.structured[0])
    return body


def _optional_parameters(request: ChatRequest) -> dict[str, Sampling]:
    named = {"temperature": request.temperature, "seed": request.seed}
    return {**request.extra, **{name: value for name, value in named.items() if value is not None}}


def _response_format(output: OutputSchema, kind: StructuredOutput) -> dict[str, object]:
    if kind == "json_object":
        return {"type": "json_object"}
    return {
        "type": "json_schema",
        "json_schema": {"name": output.name, "schema": output.schema, "strict": True},
    }


def _without_rejected(dialect: _Dialect, request: ChatRequest, error: str) -> _Dialect | None:
    """The dialect without what `error` complains about; None if it is about nothing that can be left out."""
    if is_about_context_length(error):
        return None
    if re.search(r"max_(?:completion_)?tokens", error) and len(dialect.token_limit) > 1:
        return msgspec.structs.replace(dialect, token_limit=dialect.token_limit[1:])
    if (
        request.output_schema is not None
        and len(dialect.structured) > 1
        and re.search(r"response_format|json_schema|json_object|structured|grammar|guided", error)
    ):
        return msgspec.structs.replace(dialect, structured=dialect.structured[1:])
    optional = {_STREAM_OPTIONS, _STREAM} if request.listener is not None else set()
    optional |= _optional_parameters(request).keys()
    rejected = {name for name in optional if re.search(rf"\b{re.escape(name)}\b", error)}
    if rejected <= dialect.dropped:
        return None
    return msgspec.structs.replace(dialect, dropped=dialect.dropped | rejected)


def _read_reply(content: bytes, model: str) -> ChatReply:
    try:
        completion = _decoder.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise LLMResponseError("the provider answered with something other than a chat completion") from exc
    if not completion.choices:
        raise LLMResponseError("the provider's answer holds no choice")
    choice = completion.choices[0]
    return ChatReply(
        text=choice.message.content or choice.message.refusal or "",
        finish_reason=read_finish_reason(choice.finish_reason, refused=bool(choice.message.refusal)),
        model=completion.model or model,
        usage=read_usage(completion.usage),
    )
