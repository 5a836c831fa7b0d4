"""Puts the service together from its settings: everything below the edges."""

from __future__ import annotations

import asyncio
import gc
from contextlib import AsyncExitStack, suppress
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from service.addresses import AddressBook, AddressPolicy, parse_networks
from service.annex import Annex, Equipment
from service.batches import Batches
from service.cache import CacheStore, open_flights, open_store
from service.catalogue import Catalogue, cost_usd
from service.connections import USER_AGENT
from service.embedded import EmbeddedLLM
from service.errors import KeyFileError, SettingError, StoreError
from service.extraction import Extractor
from service.fetching import Fetcher, FetchLimits
from service.hooks import NO_HOOKS, Hooks
from service.intake import Intake
from service.keys import KeyRing
from service.ledger import Ledger, open_ledger
from service.limits import RequestLimits
from service.llm import LLM, TokenUsage
from service.local_llm import MODEL as LOCAL_MODEL
from service.local_llm import LocalLLMServer
from service.openai_llm import OpenAILLM
from service.planning import EXTRACTIVE, Models
from service.prompts import PromptLibrary
from service.resilience import Breaker, Call, Endpoint, Fallback, Hedged, Limited, RateLimited, Retrying
from service.settings import Settings, variable_of
from service.spending import Treasury
from service.summarizer import Summarizer
from service.telemetry import Metrics, Telemetry, start_tracing
from service.tokens import get_encoding

if TYPE_CHECKING:
    from service.webhooks import WebhookSender

_DEFAULT_MODEL = "gpt-6-luna"
DEFAULT_BASE_URL = "https://api.openai.com/v1"
# What endpoints are called in metrics.
_FIRST = "first"
_EMBEDDED = "embedded"
_LEFT_ALONE = "its server failed too often and is left alone for some seconds"


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
        self.keys = _key_ring(settings)
        self.prompts = PromptLibrary.load(Path(settings.prompts_dir) if settings.prompts_dir else None)
        self._catalogue = Catalogue.load(Path(settings.models_file) if settings.models_file else None)
        self._models = model_names(settings)
        self._local: LocalLLMServer | None = None
        self._first_client: OpenAILLM | None = None
        self._breakers: dict[str, Breaker] = {}
        self.telemetry = Telemetry(self._metrics(), start_tracing(settings.otlp_endpoint))
        store = _open_store(settings)
        backend = urlsplit(settings.resolved_cache_url()).scheme
        self._store = self.telemetry.store(store, backend)
        self.flights = open_flights(store)
        self.ledger = self._open_ledger(store)
        self.limits = RequestLimits(self.ledger)
        self.treasury = Treasury(
            self.ledger,
            budget_usd=settings.daily_budget_usd,
            when_spent=settings.when_spent,
            find_caller=(lambda _: None) if self.keys is None else self.keys.caller,
        )
        if llm is None:
            self._llm = self._configured_llm()
        else:
            self._llm = self.telemetry.endpoint(llm, _FIRST)
        self.summarizer = Summarizer(
            models=Models(self._models, self._llm, self._catalogue, self._source()),
            prompts=self.prompts,
            store=self._store,
            flights=self.flights,
            treasury=self.treasury,
            settings=settings,
            hooks=self.telemetry.hooks,
        )
        self._annex = Annex(self._equipment(), self._llm, self._store, self.telemetry.hooks)
        self.summarizer.send_long_articles_to(self._annex)
        for part in (
            "cache",
            "model",
            "limits",
            "budget",
            "keys",
            *(f"model_{name}" for name in self._breakers if name != _FIRST),
        ):
            self.telemetry.metrics.watch_problem(part, partial(self._has_problem, part))
        self.telemetry.metrics.watch_budget(lambda: self.treasury.spent_share or 0.0)
        self.addresses = AddressBook(address_policy(settings))
        self.intake = open_intake(settings, self._store, self.addresses, self.telemetry.hooks)
        self.batches = Batches(
            settings,
            self.intake,
            self.summarizer,
            self.telemetry.hooks,
            _webhooks(settings, self.addresses),
        )
        self.noticed: dict[str, str] = {}
        """What edges found that does less than it should, by part; `problems` has it."""
        self._stack = AsyncExitStack()

    def _metrics(self) -> Metrics:
        catalogue = self._catalogue
        prompts = [f"{info.name}@{version}" for info in self.prompts.list() for version in info.versions]

        def cost(call: Call) -> float | None:
            answered = catalogue.find(call.answered_by or call.model)
            priced = answered if answered.known else catalogue.find(call.model)
            return None if call.usage is None else cost_usd(priced, call.usage)

        models = {*self._models, *(server.model for server in self.settings.fallbacks)}
        return Metrics(models, prompts, cost)

    def _open_ledger(self, store: CacheStore) -> Ledger:
        settings = self.settings
        if settings.daily_budget_usd is not None:
            names = [*self._models, *(server.model for server in settings.fallbacks)]
            for model in map(self._catalogue.find, names):
                if (
                    model.name != EXTRACTIVE
                    and cost_usd(model, TokenUsage(input_tokens=0, output_tokens=0)) is None
                ):
                    raise SettingError(
                        variable_of("daily_budget_usd"),
                        f"the price of {model.name} is not known, so that no budget can hold; give it in "
                        f"{variable_of('models_file')}",
                    )
        try:
            return open_ledger(settings.ledger_url, settings.resolved_cache_url(), store)
        except StoreError as exc:
            raise SettingError(variable_of("ledger_url"), str(exc)) from exc

    def _equipment(self) -> Equipment:
        settings = self.settings
        return Equipment(
            prompts_dir=settings.prompts_dir,
            models_file=settings.models_file,
            source=self._source(),
            ttl_s=settings.cache_ttl_s,
            max_chunks=settings.max_chunks,
            chunk_concurrency=settings.chunk_concurrency,
            fallback=settings.fallback == "extractive",
        )

    def _source(self) -> str:
        """What tells the configured models from those of the same names elsewhere."""
        if self._local is not None:
            return self._local.identity
        return self.settings.openai_base_url or DEFAULT_BASE_URL

    def _configured_llm(self) -> LLM:
        settings = self.settings
        first: LLM
        if settings.uses_embedded_llm and self._models != (EXTRACTIVE,):
            window = self._catalogue.find(LOCAL_MODEL).context_window
            self._local = LocalLLMServer(settings.local_model, context_tokens=window)
            # It answers one call at a time; a second one waits at its door to follow without a gap.
            one_by_one = Limited(
                self.telemetry.endpoint(EmbeddedLLM(self._local), _EMBEDDED),
                2,
                min_concurrent=2,
                max_waiting=settings.llm_max_waiting,
                on_admission=self.telemetry.on_admission(_EMBEDDED),
            )
            self.telemetry.watch(_EMBEDDED, one_by_one)
            first = Retrying(one_by_one, settings.llm_attempts, on_retry=self.telemetry.on_retry(_EMBEDDED))
        else:
            url = settings.openai_base_url or DEFAULT_BASE_URL
            self._first_client = self._client(url, settings.openai_api_key)
            first = self._guarded(self._first_client, _FIRST)
        if not settings.fallbacks:
            return first
        others = [
            Endpoint(
                self._guarded(self._client(server.base_url, server.api_key), f"fallback_{number}"),
                server.model,
            )
            for number, server in enumerate(settings.fallbacks, 1)
        ]
        names = [_FIRST, *(f"fallback_{number}" for number in range(1, len(others) + 1))]
        return Fallback([Endpoint(first), *others], on_failover=self.telemetry.on_failover(names))

    def _client(self, base_url: str, api_key: str | None) -> OpenAILLM:
        names = [*self._models, *(server.model for server in self.settings.fallbacks)]
        structured = {m: s for m in names if (s := self._catalogue.find(m).structured_output)}
        connections = self.settings.llm_concurrency
        return OpenAILLM(base_url, api_key, structured_output=structured, max_connections=connections)

    def _guarded(self, client: LLM, name: str) -> LLM:
        """`client` with retries, limits and a breaker, in the order that `service.resilience` gives."""
        settings, told = self.settings, self.telemetry
        breaker = Breaker(
            told.endpoint(client, name),
            failures=settings.breaker_failures,
            open_s=settings.breaker_open_s,
            on_change=told.on_breaker(name),
        )
        llm: LLM
        llm = limited = Limited(
            breaker,
            settings.llm_concurrency,
            max_waiting=settings.llm_max_waiting,
            on_admission=told.on_admission(name),
        )
        told.watch(name, limited)
        self._breakers[name] = breaker
        if settings.llm_requests_per_minute or settings.llm_tokens_per_minute:
            llm = RateLimited(
                llm,
                requests_per_minute=settings.llm_requests_per_minute,
                tokens_per_minute=settings.llm_tokens_per_minute,
                max_waiting=settings.llm_max_waiting,
                on_admission=told.on_admission(name),
            )
        if settings.llm_hedge_share:
            llm = Hedged(llm, share=settings.llm_hedge_share, on_hedge=told.on_hedge(name))
        return Retrying(llm, settings.llm_attempts, on_retry=told.on_retry(name))

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.telemetry.aclose)
            stack.push_async_callback(self._store.aclose)
            stack.push_async_callback(self.ledger.aclose)
            await stack.enter_async_context(self.treasury)
            stack.push_async_callback(self._llm.aclose)
            if self._local is not None:
                stack.push_async_callback(self._local.stop)
                await self._local.start()
            stack.push_async_callback(self._annex.aclose)
            stack.push_async_callback(self.summarizer.aclose)
            stack.push_async_callback(self.intake.aclose)
            stack.push_async_callback(self.batches.aclose)
            for encoding in {self._catalogue.find(model).encoding for model in self._models}:
                await asyncio.to_thread(get_encoding, encoding)
            settle_collector()
            if self._first_client is not None and self._models != (EXTRACTIVE,):
                # The service is ready before it: a call that comes sooner waits for it, and no other request.
                warming = asyncio.create_task(_warm_up(self._first_client))
                stack.push_async_callback(asyncio.wait, [warming])
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    @property
    def store(self) -> CacheStore:
        """Keeps what may be lost: results, and what edges need to remember for a while."""
        return self._store

    def problems(self) -> dict[str, str]:
        """What does less than it should, by part; empty when all is well."""
        found = {
            "model" if name == _FIRST else f"model_{name}": _LEFT_ALONE
            for name, breaker in self._breakers.items()
            if breaker.state != "closed"
        }
        if self._local is not None and self._local.problem is not None:
            found["model"] = self._local.problem
        if self._store.problem is not None:
            found["cache"] = self._store.problem
        if self.batches.problem is not None:
            found["batches"] = self.batches.problem
        if self.ledger.problem is not None:
            found["limits"] = self.ledger.problem
        if self.treasury.problem is not None:
            found["budget"] = self.treasury.problem
        if self.keys is not None and self.keys.problem is not None:
            found["keys"] = self.keys.problem
        return found | self.noticed

    def _has_problem(self, part: str) -> bool:
        return part in self.problems()

    @property
    def ready(self) -> bool:
        """Whether a summary asked for now would be answered by the model."""
        return self._local is None or self._local.ready


async def _warm_up(client: OpenAILLM) -> None:
    with suppress(Exception):  # the first call meets it again, and tells
        await client.warm_up()


@cache
def settle_collector() -> None:
    """Spare the garbage collector what stays for good, and let it look less often; once a process.

    An article makes tens of thousands of small objects that go by themselves. Python's own thresholds cost a
    sixth of its CPU time, and passes over all that was ever loaded hold the event loop for 100 ms.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def model_names(settings: Settings) -> tuple[str, ...]:
    """The models that a request may name, the default first; `extractive` is always among them."""
    first = settings.model or (LOCAL_MODEL if settings.uses_embedded_llm else _DEFAULT_MODEL)
    return tuple(dict.fromkeys((first, *settings.models, EXTRACTIVE)))


def _key_ring(settings: Settings) -> KeyRing | None:
    if settings.keys_file is None or settings.insecure:
        return None
    try:
        return KeyRing(Path(settings.keys_file))
    except KeyFileError as exc:
        raise SettingError(
            variable_of("keys_file"), f"{exc}; `standfirst keys create NAME` makes a file with a key"
        ) from exc


def open_intake(
    settings: Settings, store: CacheStore, addresses: AddressBook, hooks: Hooks = NO_HOOKS
) -> Intake:
    """What makes articles of texts, pages and links, with these settings; to be closed."""
    return Intake(
        fetcher=_fetcher(settings, addresses) if settings.fetch == "on" else None,
        extractor=Extractor(settings.extract_processes, timeout_s=settings.extract_timeout_s),
        store=store,
        max_article_bytes=settings.max_article_bytes,
        max_html_characters=settings.max_page_bytes,
        hooks=hooks,
    )


def address_policy(settings: Settings) -> AddressPolicy:
    """Which hosts and addresses may be asked; raises SettingError."""
    try:
        networks = parse_networks(settings.web_private_networks)
    except ValueError as exc:
        raise SettingError(variable_of("web_private_networks"), str(exc)) from exc
    return AddressPolicy(
        ports=settings.web_ports,
        allow_hosts=settings.web_allow_hosts,
        deny_hosts=settings.web_deny_hosts,
        private_networks=networks,
    )


def _fetcher(settings: Settings, addresses: AddressBook) -> Fetcher:
    limits = FetchLimits(
        timeout_s=settings.fetch_timeout_s,
        max_bytes=settings.max_page_bytes,
        concurrency=settings.fetch_concurrency,
        max_waiting=settings.fetch_max_waiting,
    )
    return Fetcher(addresses, limits, user_agent=settings.fetch_user_agent or USER_AGENT)


def _webhooks(settings: Settings, addresses: AddressBook) -> WebhookSender | None:
    if settings.webhook_secret is None:
        return None
    from service.webhooks import WebhookSender  # noqa: PLC0415 - few services have any

    return WebhookSender(addresses, settings.webhook_secret)


def _open_store(settings: Settings) -> CacheStore:
    try:
        return open_store(settings.resolved_cache_url(), settings.cache_key)
    except StoreError as exc:
        field = "cache_key" if "encrypt" in str(exc) else "cache_url"
        raise SettingError(variable_of(field), str(exc)) from exc
