"""Puts the service together from its settings: everything below the edges."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

from service.cache import CacheStore, open_store
from service.catalogue import Catalogue, StructuredOutput
from service.errors import SettingError, StoreError
from service.llm import LLM, ChatReply, ChatRequest, OpenAILLM
from service.local_llm import MODEL as LOCAL_MODEL
from service.local_llm import LocalLLMServer
from service.prompts import PromptLibrary
from service.resilience import Limited, Retrying
from service.settings import Settings, variable_of
from service.summarizer import EXTRACTIVE, Summarizer
from service.tokens import get_encoding

_DEFAULT_MODEL = "gpt-6-luna"
_DEFAULT_BASE_URL = "https://api.openai.com/v1"


class EmbeddedLLM:
    """The embedded LLM as an `LLM`: waits until its server is ready, then asks it."""

    def __init__(self, server: LocalLLMServer, structured_output: dict[str, StructuredOutput]) -> None:
        self._server = server
        self._structured_output = structured_output
        self._llm: OpenAILLM | None = None

    async def complete(self, request: ChatRequest) -> ChatReply:
        """See `LLM.complete`."""
        await self._server.wait_ready(request.timeout_s)
        if self._llm is None:
            self._llm = OpenAILLM(
                self._server.base_url, self._server.api_key, structured_output=self._structured_output
            )
        return await self._llm.complete(request)

    async def aclose(self) -> None:
        """See `LLM.aclose`."""
        if self._llm is not None:
            await self._llm.aclose()


class Assembly:
    """The parts that edges call. A wrong setting shows when it is made; `async with` starts and stops it.

    Args:
        settings: What to put together.
        llm: Takes the place of the configured LLM.

    Raises:
        SettingError: a setting names something that cannot be used.
        PromptError: the prompt templates are broken or were changed.
    """

    def __init__(self, settings: Settings, llm: LLM | None = None) -> None:
        self.settings = settings
        self.prompts = PromptLibrary.load(Path(settings.prompts_dir) if settings.prompts_dir else None)
        self._catalogue = Catalogue.load(Path(settings.models_file) if settings.models_file else None)
        self._models = _models(settings)
        self._local: LocalLLMServer | None = None
        self._store = _open_store(settings)
        self._llm = self._configured_llm() if llm is None else llm
        self.summarizer = Summarizer(
            llm=self._llm,
            models=self._models,
            catalogue=self._catalogue,
            prompts=self.prompts,
            store=self._store,
            settings=settings,
        )
        self._stack = AsyncExitStack()

    def _configured_llm(self) -> LLM:
        settings = self.settings
        structured = {m: s for m in self._models if (s := self._catalogue.find(m).structured_output)}
        upstream: LLM
        if settings.uses_embedded_llm and self._models != (EXTRACTIVE,):
            window = self._catalogue.find(LOCAL_MODEL).context_window
            self._local = LocalLLMServer(settings.local_model, context_tokens=window)
            upstream = EmbeddedLLM(self._local, structured)
        else:
            upstream = OpenAILLM(
                settings.openai_base_url or _DEFAULT_BASE_URL,
                settings.openai_api_key,
                structured_output=structured,
                max_connections=settings.llm_concurrency,
            )
        return Limited(Retrying(upstream, settings.llm_attempts), settings.llm_concurrency)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._store.aclose)
            stack.push_async_callback(self._llm.aclose)
            if self._local is not None:
                stack.push_async_callback(self._local.stop)
                await self._local.start()
            stack.push_async_callback(self.summarizer.aclose)
            for encoding in {self._catalogue.find(model).encoding for model in self._models}:
                await asyncio.to_thread(get_encoding, encoding)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    def problems(self) -> dict[str, str]:
        """What does less than it should, by part; empty when all is well."""
        found = {}
        if self._local is not None and not self._local.ready:
            found["model"] = "the embedded LLM is not ready yet"
        if self._store.problem is not None:
            found["cache"] = self._store.problem
        return found

    @property
    def ready(self) -> bool:
        """Whether a summary asked for now would be answered by the model."""
        return self._local is None or self._local.ready


def _models(settings: Settings) -> tuple[str, ...]:
    """The models that a request may name, the default first; `extractive` is always among them."""
    first = settings.model or (LOCAL_MODEL if settings.uses_embedded_llm else _DEFAULT_MODEL)
    return tuple(dict.fromkeys((first, *settings.models, EXTRACTIVE)))


def _open_store(settings: Settings) -> CacheStore:
    try:
        return open_store(settings.resolved_cache_url())
    except StoreError as exc:
        raise SettingError(variable_of("cache_url"), str(exc)) from exc
