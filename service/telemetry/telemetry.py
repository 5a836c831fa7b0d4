"""Who listens to the hooks of one application."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from time import perf_counter
from typing import TYPE_CHECKING, Final

from service.cache import CacheStore
from service.cache.observed import ObservedStore, StoreUse
from service.errors import SettingError
from service.hooks import Answered, Hooks, Stage
from service.llm import LLM
from service.resilience import (
    Admission,
    BreakerChange,
    Call,
    Failover,
    Hedge,
    Limited,
    Observed,
    Retry,
)
from service.resilience.observed import name_of
from service.telemetry.context import current
from service.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from service.telemetry.tracing import Tracing

_log = logging.getLogger(__name__)
_CLOSE_S: Final = 10
_prompt: ContextVar[str] = ContextVar("standfirst_prompt", default="")
_NOTHING: Final[AbstractContextManager[object]] = nullcontext()


class Telemetry:
    """Takes what logic tells: counts it, traces it, logs what an operator should know.

    Args:
        metrics: Counts.
        tracing: Makes spans; None for none.
    """

    def __init__(self, metrics: Metrics, tracing: Tracing | None = None) -> None:
        self.metrics = metrics
        self.tracing = tracing
        self.hooks = Hooks(
            on_stage=self._stage,
            on_answered=self._on_answered,
            on_made=self.metrics.on_made,
            on_visited=self.metrics.on_visited,
            on_backlog=self.metrics.on_backlog,
            on_settled=self.metrics.on_settled,
        )

    def store(self, store: CacheStore, backend: str) -> CacheStore:
        """`store`, watched."""

        def on_use(use: StoreUse) -> None:
            self.metrics.on_store_use(backend, use)
            if (request := current.get()) is not None:
                request.add("cache", use.duration_s)
            if self.tracing is not None:
                self.tracing.on_store_use(backend, use)

        return ObservedStore(store, on_use)

    def endpoint(self, llm: LLM, name: str) -> LLM:
        """The LLM of an endpoint, watched."""
        return Observed(llm, name, self._on_call)

    def watch(self, name: str, limited: Limited) -> None:
        """Look at an endpoint's limit at each scrape."""
        self.metrics.watch_endpoint(
            name, lambda: limited.in_flight, lambda: limited.limit, lambda: limited.waiting
        )

    def on_breaker(self, name: str) -> Callable[[BreakerChange], None]:
        """A hook for the breaker of an endpoint."""

        def on_change(change: BreakerChange) -> None:
            self.metrics.on_breaker(name, change)
            why = f", after {name_of(type(change.error))}" if change.error else ""
            level = logging.WARNING if change.state == "open" else logging.INFO
            _log.log(level, "the breaker of the endpoint %s is %s%s", name, change.state, why)

        return on_change

    def on_retry(self, name: str) -> Callable[[Retry], None]:
        """A hook for the retries of an endpoint."""

        def on_retry(retry: Retry) -> None:
            self.metrics.on_retry(name, retry)
            error = name_of(type(retry.error))
            _log.info(
                "a call of the endpoint %s failed (%s); attempt %d follows in %.1f s",
                *(name, error, retry.attempt, retry.wait_s),
            )

        return on_retry

    def on_hedge(self, name: str) -> Callable[[Hedge], None]:
        """A hook for the hedges of an endpoint."""
        return lambda hedge: self.metrics.on_hedge(name, hedge)

    def on_admission(self, name: str) -> Callable[[Admission], None]:
        """A hook for the waiting rooms before an endpoint."""
        return lambda admission: self.metrics.on_admission(name, admission)

    def on_failover(self, names: list[str]) -> Callable[[Failover], None]:
        """A hook for a fallback over endpoints of these names."""
        return lambda failover: self.metrics.on_failover(names[failover.failed], failover)

    async def aclose(self) -> None:
        """Send the spans that are left."""
        if self.tracing is None:
            return
        try:
            async with asyncio.timeout(_CLOSE_S):
                await asyncio.to_thread(self.tracing.close)
        except TimeoutError:
            _log.warning("the last traces could not be sent")

    def _on_answered(self, answered: Answered) -> None:
        self.metrics.on_answered(answered)
        if (request := current.get()) is not None:
            request.cache = answered.cache

    def _on_call(self, call: Call) -> None:
        prompt = _prompt.get()
        self.metrics.on_call(call, prompt)
        if (request := current.get()) is not None:
            request.add("llm", call.duration_s)
        if self.tracing is not None:
            self.tracing.on_call(call, prompt)

    @contextmanager
    def _stage(self, stage: Stage) -> Iterator[None]:
        token = _prompt.set(stage.prompt) if stage.prompt else None
        began = perf_counter()
        try:
            with _NOTHING if self.tracing is None else self.tracing.stage(stage):
                yield
        finally:
            duration_s = perf_counter() - began
            if token is not None:
                _prompt.reset(token)
            self.metrics.on_stage_end(stage.name, duration_s)
            if stage.name == "check" and (request := current.get()) is not None:
                request.add("checks", duration_s)


def start_tracing(endpoint: str | None) -> Tracing | None:
    """Tracing to an OTLP collector; None without one.

    Raises:
        SettingError: the extra `tracing` is not installed.
    """
    if endpoint is None:
        return None
    try:
        from service.telemetry.tracing import Tracing  # noqa: PLC0415 - heavy, and an extra
    except ImportError as exc:
        raise SettingError(
            "OTEL_EXPORTER_OTLP_ENDPOINT", "traces want the extra: pip install 'standfirst[tracing]'"
        ) from exc
    return Tracing(endpoint)
