"""Checks that ask others: the cache, the model servers, the collector of traces."""

from __future__ import annotations

import asyncio
import importlib.util
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from service.assembly import DEFAULT_BASE_URL, model_names
from service.cache import open_store
from service.doctor.finding import Finding
from service.embedded import EmbeddedLLM
from service.errors import (
    JobStoreError,
    LLMAuthenticationError,
    LLMConnectionError,
    LLMError,
    LLMModelNotFoundError,
    LLMRateLimitedError,
    LLMTimeoutError,
    SettingError,
    StoreError,
)
from service.ledger import LedgerError, Take, open_ledger
from service.llm import LLM, ChatRequest
from service.local_llm import LocalLLMServer
from service.models import Message
from service.openai_llm import OpenAILLM
from service.planning import EXTRACTIVE
from service.settings import Settings, variable_of

_SLOW_S: Final = 0.005
_ROUNDS: Final = 20
_LASTS_S: Final = 60
_TIMEOUT_S: Final = 60.0
_CONNECT_S: Final = 5.0
# Reasoning models spend some tokens before their first word.
_ROOM: Final = 64
_REMEDIES: Final[dict[type[LLMError], str]] = {
    LLMAuthenticationError: "check the API key",
    LLMModelNotFoundError: "check the model's name and the base URL (most end in /v1)",
    LLMRateLimitedError: "the account is throttled or has no credit; see the provider's console",
    LLMTimeoutError: "is the server overloaded? raise the timeout, or ask another one",
    LLMConnectionError: "check the base URL, name resolution, proxies and firewalls from this machine",
}


async def check_cache(settings: Settings) -> AsyncIterator[Finding]:
    """Whether the cache takes a value and gives it back, and how fast."""
    scheme = urlsplit(settings.resolved_cache_url()).scheme
    remedy = f"see {variable_of('cache_url')}: is it reachable, writable, and has it room?"
    try:
        store = open_store(settings.resolved_cache_url(), settings.cache_key)
    except StoreError as exc:
        yield Finding("cache", "wrong", str(exc), remedy)
        return
    async with store:
        key, value = f"doctor/{secrets.token_hex(8)}", secrets.token_bytes(4096)
        began = time.perf_counter()
        for _ in range(_ROUNDS):
            await store.set(key, value, expires_in=60)
        each_s = (time.perf_counter() - began) / _ROUNDS
        whole = await store.get(key, renew_for=60) == value
        await store.delete(key)
        problem = store.problem
    if problem is not None or not whole:
        yield Finding("cache", "wrong", problem or f"{scheme} lost what it was given", remedy)
    elif scheme not in ("memory", "sqlite") and each_s > _SLOW_S:
        near = "put it nearer: each request asks it"
        yield Finding("cache", "doubtful", f"{scheme} takes {each_s * 1000:.1f} ms for a value", near)
    else:
        yield Finding("cache", "well", f"{scheme} writes and reads, {each_s * 1000:.2f} ms for a value")


async def check_ledger(settings: Settings) -> AsyncIterator[Finding]:
    """Whether usage and limits can be counted."""
    remedy = f"see {variable_of('ledger_url')}: is it reachable and writable?"
    counter = f"doctor/{secrets.token_hex(8)}"
    try:
        store = open_store(settings.resolved_cache_url())
        ledger = open_ledger(settings.ledger_url, settings.resolved_cache_url(), store)
    except StoreError as exc:
        yield Finding("ledger", "wrong", str(exc), remedy)
        return
    async with store:
        try:
            await ledger.add([Take(counter, 1, 1, _LASTS_S)])
            counted = await ledger.read(counter)
        except LedgerError:
            counted = 0
        problem = ledger.problem
        await ledger.aclose()
    if counted != 1 or problem is not None:
        yield Finding("ledger", "wrong", problem or "what was counted is not there", remedy)
    else:
        yield Finding("ledger", "well", "counts")


async def check_jobs(settings: Settings) -> AsyncIterator[Finding]:
    """Whether batches can be kept, where another database than the default file is to keep them."""
    if settings.jobs_url is None:
        return
    from service.batches.store import Store  # noqa: PLC0415 - heavy

    try:
        store = await asyncio.to_thread(Store.open, settings.jobs_url)
    except JobStoreError as exc:
        remedy = f"see {variable_of('jobs_url')}: host, password, and does the database exist?"
        yield Finding("batches", "wrong", str(exc), remedy)
    else:
        await asyncio.to_thread(store.close)
        yield Finding("batches", "well", "the database opens and has its tables")


async def check_slack(settings: Settings) -> AsyncIterator[Finding]:
    """Whether Slack knows the bot's token, where there is one."""
    if settings.slack_bot_token is None:
        return
    try:
        from slack_sdk.errors import SlackClientError  # noqa: PLC0415 - an extra, and heavy
        from slack_sdk.web.async_client import AsyncWebClient  # noqa: PLC0415
    except ImportError:
        install = "pip install 'standfirst[slack]'"
        yield Finding("slack", "wrong", "what speaks to Slack is not installed", install)
        return
    client = AsyncWebClient(str(settings.slack_bot_token), settings.slack_api_url, timeout=int(_CONNECT_S))
    try:
        await client.auth_test()
    except (SlackClientError, OSError, TimeoutError, aiohttp.ClientError) as exc:
        remedy = f"install the app again, and set {variable_of('slack_bot_token')}"
        yield Finding("slack", "wrong", f"Slack does not accept the token ({type(exc).__name__})", remedy)
    else:
        yield Finding("slack", "well", "Slack accepts the token")


async def check_model(settings: Settings) -> AsyncIterator[Finding]:
    """Whether each model answers on its server."""
    names = [name for name in model_names(settings) if name != EXTRACTIVE]
    async with AsyncExitStack() as stack:
        asked: list[tuple[str, LLM, str]] = []
        if settings.uses_embedded_llm and names:
            try:
                embedded = await _start_embedded(settings, stack)
            except SettingError as exc:
                yield Finding("model", "wrong", str(exc), "install it, or name a server: OPENAI_BASE_URL")
            else:
                asked.append(("model", embedded, names[0]))
        elif names:
            url = settings.openai_base_url or DEFAULT_BASE_URL
            first = OpenAILLM(url, settings.openai_api_key)
            stack.push_async_callback(first.aclose)
            asked += [("model", first, name) for name in names]
        for number, server in enumerate(settings.fallbacks, 1):
            other = OpenAILLM(server.base_url, server.api_key)
            stack.push_async_callback(other.aclose)
            asked.append((f"fallback {number}", other, server.model))
        for part, llm, name in asked:
            yield await _ask(part, llm, name)
    if not asked and not names:
        yield Finding("model", "well", "none is asked: summaries are extractive")


async def _start_embedded(settings: Settings, stack: AsyncExitStack) -> LLM:
    server = LocalLLMServer(settings.local_model)
    stack.push_async_callback(server.stop)
    await server.start()
    llm = EmbeddedLLM(server)
    stack.push_async_callback(llm.aclose)
    return llm


async def _ask(part: str, llm: LLM, model: str) -> Finding:
    request = ChatRequest(
        model=model,
        messages=(Message(role="user", content="Say yes."),),
        max_output_tokens=_ROOM,
        timeout_s=_TIMEOUT_S,
    )
    began = time.perf_counter()
    try:
        reply = await llm.complete(request)
    except LLMError as exc:
        remedy = next((told for kind, told in _REMEDIES.items() if isinstance(exc, kind)), "see its log")
        return Finding(part, "wrong", f"{model}: {exc}", remedy)
    took_s = time.perf_counter() - began
    if reply.usage is None:
        found = f"{model} answers, but counts no tokens"
        return Finding(part, "doubtful", found, "budgets and costs do not hold for it")
    return Finding(part, "well", f"{model} answers in {took_s:.1f} s")


async def check_collector(settings: Settings) -> AsyncIterator[Finding]:
    """Whether traces can be sent, where they are wanted."""
    if settings.otlp_endpoint is None:
        return
    if importlib.util.find_spec("opentelemetry") is None:
        remedy = "pip install 'standfirst[tracing]'"
        yield Finding("traces", "wrong", "what sends them is not installed", remedy)
        return
    parts = urlsplit(settings.otlp_endpoint)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        async with asyncio.timeout(_CONNECT_S):
            _, writer = await asyncio.open_connection(parts.hostname, port)
        writer.close()
    except (OSError, TimeoutError):
        remedy = "start it, or set OTEL_EXPORTER_OTLP_ENDPOINT right (OTLP over HTTP is on port 4318)"
        yield Finding("traces", "doubtful", f"nobody listens on port {port} of the collector", remedy)
    else:
        yield Finding("traces", "well", f"the collector listens on port {port}")
