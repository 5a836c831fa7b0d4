"""The OpenAI SDK's client, as a way to post bytes and get bytes; its errors in our words.

This is the only module that imports the SDK and its transports. It takes half a second to load, so those
who need it import it in a thread, when they need it. Calls go through the SDK's low-level `post` over its
aiohttp transport: a quarter of the CPU of `chat.completions.create` over the default one.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from functools import cache
from urllib.parse import urlsplit

import aiohttp
import httpx2
import openai

from service.errors import LLMConnectionError, LLMError, LLMRequestError, LLMResponseError, LLMTimeoutError
from service.provider_errors import RefusedError, error_of_status

_CONNECT_TIMEOUT_S = 5.0
# Less than the 5 s after which uvicorn, and so many a server of models, closes a connection: a call
# that goes out at that very moment would be lost.
_KEEPALIVE_S = 4.0
_PIECE = 250_000  # bytes; the transport warns of a megabyte at once, which would hold the event loop
_UNSENDABLE = (httpx2.LocalProtocolError, httpx2.UnsupportedProtocol, httpx2.InvalidURL, ValueError)
_TIMEOUTS = (openai.APITimeoutError, httpx2.TimeoutException, TimeoutError)
_FAULTS = (openai.OpenAIError, httpx2.HTTPError, aiohttp.ClientError, OSError, *_UNSENDABLE)


class OpenAIClient:
    """A client of one server, ready to send.

    Args:
        base_url: The API's root, such as `https://api.openai.com/v1`.
        api_key: Sent as a bearer token; None for a server that wants none.
        max_connections: Connections open at once; further calls wait for one.
    """

    def __init__(self, base_url: str, api_key: str | None, *, max_connections: int) -> None:
        # Environment proxies are for the outside world: a loopback server is never behind one.
        loopback = urlsplit(base_url).hostname in {"localhost", "127.0.0.1", "::1"}
        limits = httpx2.Limits(max_connections=max_connections, keepalive_expiry=_KEEPALIVE_S)
        self._client = openai.AsyncOpenAI(
            base_url=base_url,
            api_key=api_key or "none",
            max_retries=0,
            # Whoever calls sets a time limit on the whole.
            timeout=openai.Timeout(None, connect=_CONNECT_TIMEOUT_S),
            http_client=openai.DefaultAioHttpClient(
                limits=limits, trust_env=not loopback, verify=_authorities(trust_env=not loopback)
            ),
        )
        _rehearse()

    async def post(self, content: bytes) -> bytes:
        """Ask for the chat completion that the JSON in `content` describes; the JSON of the answer.

        Raises:
            RefusedError: the server calls the request wrong.
            LLMError: one of its subclasses, for everything else that goes wrong.
        """
        body, headers = _sent(content)
        try:
            response = await self._client.post(
                "/chat/completions", cast_to=httpx2.Response, content=body, options={"headers": headers}
            )
        except (openai.BadRequestError, openai.UnprocessableEntityError) as exc:
            raise RefusedError(map_error(exc), _error_text(exc)) from _without_texts(exc)
        except _FAULTS as exc:
            raise map_error(exc) from _without_texts(exc)
        return response.content

    async def stream(self, content: bytes) -> AsyncGenerator[bytes, None]:
        """Ask as `post` does, for an answer in pieces: the JSON of each, or of all from who sends no pieces.

        Raises:
            RefusedError: the server calls the request wrong.
            LLMError: one of its subclasses, for everything else that goes wrong, at any time.
        """
        body, headers = _sent(content)
        try:
            stream = await self._client.post(
                "/chat/completions",
                cast_to=object,
                content=body,
                options={"headers": headers},
                stream=True,
                stream_cls=openai.AsyncStream[object],
            )
            async with aclosing(stream.response) as response:
                if not response.headers.get("content-type", "").startswith("text/event-stream"):
                    yield await response.aread()
                    return
                async for data in _data_of(response.aiter_bytes()):
                    yield data
        except (openai.BadRequestError, openai.UnprocessableEntityError) as exc:
            raise RefusedError(map_error(exc), _error_text(exc)) from _without_texts(exc)
        except _FAULTS as exc:
            raise map_error(exc) from _without_texts(exc)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()


def _sent(content: bytes) -> tuple[bytes | AsyncIterator[bytes], dict[str, str]]:
    """How to send `content`, which is long with long prompts."""
    body = content if len(content) <= _PIECE else _in_pieces(content)
    return body, {"Content-Length": str(len(content))}


async def _in_pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), _PIECE):
        yield content[start : start + _PIECE]


async def _data_of(pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """The data of server-sent events, each of which is one line in this protocol."""
    rest = b""
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield line[5:].strip()


@cache
def _authorities(*, trust_env: bool) -> ssl.SSLContext:
    """Who is trusted to sign certificates; read once, since that takes longer than all else."""
    return httpx2.create_ssl_context(trust_env=trust_env)


@cache
def _rehearse() -> None:
    """Make a call that goes nowhere: the first one in a process loads modules and looks at the platform."""

    async def call() -> None:
        nowhere = httpx2.MockTransport(lambda _: httpx2.Response(200))
        async with openai.AsyncOpenAI(
            base_url="http://localhost", api_key="none", http_client=httpx2.AsyncClient(transport=nowhere)
        ) as client:
            await client.post("/", cast_to=httpx2.Response, content=b"")

    asyncio.run(call())


def _without_texts(exc: Exception) -> Exception:
    """`exc` without its texts: providers echo prompts, the transport the key, and a logged traceback both."""
    link: BaseException | None = exc
    while link is not None:
        link.args = (type(link).__name__,)
        if isinstance(link, aiohttp.ClientResponseError):
            link.message = ""  # what the server sent in place of HTTP
        link = link.__cause__ or link.__context__
    return exc


def map_error(exc: Exception) -> LLMError:
    """The `LLMError` for an exception of the SDK or of its transport.

    Its message holds the status and the provider's error code, never the provider's own words.
    """
    if isinstance(exc, openai.APIStatusError):
        return _map_status(exc)
    cause = exc.__cause__ or exc
    if isinstance(cause, _UNSENDABLE) and not isinstance(cause, OSError):  # a bad certificate is both
        return LLMRequestError(
            "the request cannot be sent: wrong characters in it, in the API key or base URL"
        )
    # The transport calls a dropped connection a timeout; what it came from tells.
    if isinstance(exc, _TIMEOUTS) and isinstance(_root(exc), _TIMEOUTS):
        return LLMTimeoutError("the provider did not answer in time")
    if isinstance(exc, (openai.APIConnectionError, httpx2.HTTPError, aiohttp.ClientError, OSError)):
        return LLMConnectionError("no connection to the provider, or it broke before the answer was whole")
    return LLMResponseError(f"the provider's answer cannot be used ({type(exc).__name__})")


def _root(exc: BaseException) -> BaseException:
    while exc.__cause__ is not None:
        exc = exc.__cause__
    return exc


def _map_status(exc: openai.APIStatusError) -> LLMError:
    codes = [code for code in (exc.code, exc.type) if isinstance(code, str)]
    return error_of_status(exc.status_code, codes, _error_text(exc), exc.response.headers)


def _error_text(exc: openai.APIStatusError) -> str:
    """What the provider said, for recognizing it; short, since the rest may be the prompt."""
    body = exc.body if isinstance(exc.body, str) else json.dumps(exc.body, default=str)
    return body[:2000].lower()
