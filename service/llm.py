"""Chat completions: the `LLM` type that the pipeline calls, and its one implementation over HTTP.

This is the only module that imports the OpenAI SDK. It sends through the client's low-level `post`
and decodes the answer itself: that is strict where the SDK's models accept anything, and needs a
fraction of the CPU.
"""

from __future__ import annotations

import asyncio
import json
import re
from typing import Literal, NoReturn, Protocol, TypeAlias
from urllib.parse import urlsplit

import httpx2
import msgspec
import openai
from msgspec import Struct

from service.catalogue import Sampling, StructuredOutput
from service.errors import (
    LLMConnectionError,
    LLMError,
    LLMRequestError,
    LLMResponseError,
    LLMTimeoutError,
)
from service.models import Message
from service.provider_errors import error_of_status, is_about_context_length

FinishReason: TypeAlias = Literal["stop", "length", "refusal", "content_filter"]
Priority: TypeAlias = Literal["interactive", "batch"]

_CONNECT_TIMEOUT_S = 5.0
_STRUCTURED: tuple[StructuredOutput, ...] = ("json_schema", "json_object", "none")
_UNSENDABLE = (httpx2.LocalProtocolError, httpx2.UnsupportedProtocol, httpx2.InvalidURL, UnicodeError)


class OutputSchema(Struct, frozen=True, kw_only=True):
    """A JSON schema that the answer has to follow; `name` identifies it to the provider."""

    name: str
    schema: dict[str, object]


class ChatRequest(Struct, frozen=True, kw_only=True):
    """One chat completion to ask for; `extra` holds sampling parameters that only some servers know.

    `timeout_s` is for the whole call, from the connection to the last byte of the answer. `priority` and
    `input_tokens`, an estimate, are for limits on the way and change nothing in the answer.
    """

    model: str
    messages: tuple[Message, ...]
    max_output_tokens: int
    timeout_s: float
    temperature: float | None = None
    seed: int | None = None
    output_schema: OutputSchema | None = None
    extra: dict[str, Sampling] = {}
    priority: Priority = "interactive"
    input_tokens: int | None = None


class TokenUsage(Struct, frozen=True, kw_only=True):
    """Tokens as the provider counted them; the cached ones are part of `input_tokens`."""

    input_tokens: int
    output_tokens: int
    cached_input_tokens: int = 0


class ChatReply(Struct, frozen=True, kw_only=True):
    """What the model answered; `usage` is None where the server did not count."""

    text: str
    finish_reason: FinishReason
    model: str
    usage: TokenUsage | None


class LLM(Protocol):
    """A source of chat completions; wrappers such as `Retrying` are LLMs around LLMs."""

    async def complete(self, request: ChatRequest) -> ChatReply:
        """Answer `request`.

        A refusal and a cut answer are replies with that `finish_reason`, not errors.

        Raises:
            LLMError: one of its subclasses, for everything that goes wrong.
        """
        ...

    async def aclose(self) -> None:
        """Give back connections; the LLM cannot be used afterwards."""
        ...


class _Dialect(Struct, frozen=True, kw_only=True):
    """What one model on one server is known to take: alternatives in the order in which to try them."""

    structured: tuple[StructuredOutput, ...]
    token_limit: tuple[str, ...]
    dropped: frozenset[str] = frozenset()


class _PromptTokensDetails(Struct):
    cached_tokens: int | None = None


class _CompletionUsage(Struct):
    prompt_tokens: int
    completion_tokens: int
    prompt_tokens_details: _PromptTokensDetails | None = None


class _AssistantMessage(Struct):
    content: str | None = None
    refusal: str | None = None


class _Choice(Struct):
    message: _AssistantMessage
    finish_reason: str | None = None


class _Completion(Struct):
    choices: list[_Choice]
    model: str | None = None
    usage: _CompletionUsage | None = None


_decoder = msgspec.json.Decoder(_Completion)


class OpenAILLM:
    """Any server that speaks the OpenAI chat-completions protocol.

    Making one is cheap: the SDK's client is built on the first call, or by `warm_up()`, in a thread.
    What a server turns out not to take (JSON schemas, a parameter's name, temperature) is left out
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
        self._client: openai.AsyncOpenAI | None = None
        self._building = asyncio.Lock()

    async def warm_up(self) -> None:
        """Build the client ahead of the first call; nothing is sent."""
        await self._connected()

    async def complete(self, request: ChatRequest) -> ChatReply:
        """See `LLM.complete`."""
        try:
            async with asyncio.timeout(request.timeout_s):
                response = await self._send_in_known_dialect(request)
        except TimeoutError as exc:
            raise LLMTimeoutError(f"no answer within {request.timeout_s:g} s") from exc
        return _read_reply(response.content, request.model)

    async def aclose(self) -> None:
        """See `LLM.aclose`."""
        if self._client is not None:
            await self._client.close()

    async def _connected(self) -> openai.AsyncOpenAI:
        async with self._building:
            if self._client is None:
                self._client = await asyncio.to_thread(self._build_client)
            return self._client

    def _build_client(self) -> openai.AsyncOpenAI:
        # Environment proxies are for the outside world: a loopback server is never behind one.
        loopback = self._host in {"localhost", "127.0.0.1", "::1"}
        return openai.AsyncOpenAI(
            base_url=self._base_url,
            api_key=self._api_key or "none",
            max_retries=0,
            http_client=openai.DefaultAsyncHttpxClient(
                limits=httpx2.Limits(
                    max_connections=self._max_connections, max_keepalive_connections=self._max_connections
                ),
                trust_env=not loopback,
            ),
        )

    async def _send_in_known_dialect(self, request: ChatRequest) -> httpx2.Response:
        dialect = self._dialects.get(request.model) or self._first_dialect(request.model)
        while True:
            try:
                response = await self._post(_body(request, dialect), request.timeout_s)
            except (openai.BadRequestError, openai.UnprocessableEntityError) as exc:
                simpler = _without_rejected(dialect, request, _error_text(exc))
                if simpler is None:
                    _raise_mapped(exc)
                dialect = simpler
            except (openai.OpenAIError, httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError) as exc:
                _raise_mapped(exc)
            else:
                self._dialects[request.model] = dialect
                return response

    def _first_dialect(self, model: str) -> _Dialect:
        known = self._structured_output.get(model, "json_schema")
        names = ("max_completion_tokens", "max_tokens")
        return _Dialect(
            structured=_STRUCTURED[_STRUCTURED.index(known) :],
            token_limit=names if self._host.endswith("openai.com") else names[::-1],
        )

    async def _post(self, body: dict[str, object], timeout_s: float) -> httpx2.Response:
        client = await self._connected()
        timeout = openai.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_TIMEOUT_S))
        return await client.post(
            "/chat/completions", cast_to=httpx2.Response, body=body, options={"timeout": timeout}
        )


def _body(request: ChatRequest, dialect: _Dialect) -> dict[str, object]:
    optional = _optional_parameters(request)
    body: dict[str, object] = {
        "model": request.model,
        "messages": [{"role": m.role, "content": m.content} for m in request.messages],
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
    rejected = {name for name in _optional_parameters(request) if re.search(rf"\b{re.escape(name)}\b", error)}
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
    reason: FinishReason = "stop"
    if choice.message.refusal:
        reason = "refusal"
    elif choice.finish_reason in {"length", "content_filter"}:
        reason = "length" if choice.finish_reason == "length" else "content_filter"
    return ChatReply(
        text=choice.message.content or choice.message.refusal or "",
        finish_reason=reason,
        model=completion.model or model,
        usage=_read_usage(completion.usage),
    )


def _read_usage(usage: _CompletionUsage | None) -> TokenUsage | None:
    if usage is None:
        return None
    details = usage.prompt_tokens_details
    return TokenUsage(
        input_tokens=usage.prompt_tokens,
        cached_input_tokens=(details.cached_tokens or 0) if details else 0,
        output_tokens=usage.completion_tokens,
    )


def _raise_mapped(exc: Exception) -> NoReturn:
    mapped = map_error(exc)
    # Providers echo prompts in their messages, and the transport the key; a logged traceback prints them all.
    link: BaseException | None = exc
    while link is not None:
        link.args = (type(link).__name__,)
        link = link.__cause__ or link.__context__
    raise mapped from exc


def map_error(exc: Exception) -> LLMError:
    """The `LLMError` for an exception of the SDK or of its transport.

    Its message holds the status and the provider's error code, never the provider's own words.
    """
    if isinstance(exc, openai.APIStatusError):
        return _map_status(exc)
    if isinstance(exc.__cause__ or exc, _UNSENDABLE):
        return LLMRequestError(
            "the request cannot be sent: wrong characters in it, in the API key or base URL"
        )
    if isinstance(exc, (openai.APITimeoutError, httpx2.TimeoutException, TimeoutError)):
        return LLMTimeoutError("the provider did not answer in time")
    if isinstance(exc, (openai.APIConnectionError, httpx2.HTTPError, OSError)):
        return LLMConnectionError("no connection to the provider, or it broke before the answer was whole")
    return LLMResponseError(f"the provider's answer cannot be used ({type(exc).__name__})")


def _map_status(exc: openai.APIStatusError) -> LLMError:
    codes = [code for code in (exc.code, exc.type) if isinstance(code, str)]
    return error_of_status(exc.status_code, codes, _error_text(exc), exc.response.headers)


def _error_text(exc: openai.APIStatusError) -> str:
    """What the provider said, for recognizing it; short, since the rest may be the prompt."""
    body = exc.body if isinstance(exc.body, str) else json.dumps(exc.body, default=str)
    return body[:2000].lower()
