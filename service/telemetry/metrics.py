"""Prometheus metrics, made of what hooks tell.

Every label is of a bounded set: routes are templates, errors are classes, reasons are codes, and a model or
prompt that the configuration does not know is `other`. Each application has a registry of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final, Protocol, get_args

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from service import __version__
from service.cache.observed import StoreUse
from service.hooks import Answered, Backlog, CacheState, Made, Settled, Visited
from service.resilience import Admission, BreakerChange, Call, Failover, Hedge, Retry
from service.resilience.observed import name_of, outcome
from service.telemetry.durations import Durations, DurationsCollector

# The framework adds the charset.
CONTENT_TYPE: Final = CONTENT_TYPE_LATEST.partition("; charset")[0]

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_STATES: Final = {"closed": 0, "half_open": 1, "open": 2}
_REQUEST_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_CALL_S: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 120)
_STAGE_S: Final = (0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_STORE_S: Final = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.05, 0.25, 1)
_WAIT_S: Final = (0.001, 0.01, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60)


class Cost(Protocol):
    """What a call cost in USD, or None where the model's price is not known."""

    def __call__(self, call: Call) -> float | None:
        """See the class."""
        ...


class Metrics:
    """What this process did since it was started.

    Args:
        models: The models that requests may name.
        prompts: The prompts that there are, as `name@version`.
        cost: Prices a call.
    """

    def __init__(self, models: Collection[str], prompts: Collection[str], cost: Cost) -> None:
        self.registry = CollectorRegistry()
        self._models = frozenset(models)
        self._prompts = frozenset(prompts)
        self._cost = cost
        ProcessCollector(registry=self.registry)
        self._gauge("build_info", "Version of the service", "version").labels(__version__).set(1)
        self._budget = self._gauge(
            "budget_spent_share", "Of today's budget, spent or reserved; 0 without one"
        )
        self._problems = self._gauge("problem", "1 where a part does less than it should", "part")
        self._define_edges()
        self._define_summaries()
        self._define_calls()
        self._define_endpoints()

    def _define_edges(self) -> None:
        self._requests = self._durations(
            "http_request_duration_seconds",
            "Requests, from the first byte to the last of the answer",
            _REQUEST_S,
            ("route", "method", "status"),
            counter="standfirst_http_requests",
        )
        self.in_flight = 0
        in_flight = self._gauge("http_requests_in_flight", "Requests that are being answered")
        in_flight.set_function(lambda: self.in_flight)
        self.tasks = 0
        self._gauge("tasks", "Tasks of the event loop").set_function(lambda: self.tasks)
        self._answered: dict[tuple[str, str, int], Durations] = {}
        self._page_s = self._histogram(
            "page_duration_seconds", "Pages fetched and read, or why they were not", _STAGE_S, "outcome"
        )
        self._settled = self._counter("batch_articles", "Articles of batches that ended here", "outcome")
        self._backlog = self._gauge(
            "batch_backlog", "Batches that run and their articles, alike in all processes", "what"
        )
        self._store_s = self._durations(
            "cache_operation_duration_seconds",
            "Uses of the cache",
            _STORE_S,
            ("backend", "operation", "kind", "result"),
        )

    def _define_summaries(self) -> None:
        asked = self._counter("summaries", "Summaries that were asked for and given", "cache")
        self._given = {state: asked.labels(state) for state in get_args(CacheState)}
        by = ("model", "prompt")
        self._made = self._counter("summaries_made", "Summaries that were made", *by, "policy", "degraded")
        self._warnings = self._counter("summary_warnings", "Warnings in summaries made", "model", "code")
        self._support = self._counter("summary_sentences", "Sentences by what was found", *by, "support")
        self._findings = self._counter("grounding_findings", "Facts not borne out", *by, "kind", "reason")
        self._revisions = self._counter("revisions", "Sentences mended or dropped", *by, "action", "reason")
        self._rejected = self._counter("quotes_rejected", "Proposals that are no quotes", *by, "reason")
        self._quotes = self._counter("quotes", "Key quotes by who named the speaker", *by, "attribution")
        self._stage_s = self._histogram("stage_duration_seconds", "Stages of the work", _STAGE_S, "stage")

    def _define_calls(self) -> None:
        to = ("endpoint", "model", "prompt")
        self._calls = self._counter("llm_calls", "Calls of a model, each try by itself", *to, "outcome")
        self._call_s = self._histogram(
            "llm_call_duration_seconds", "Calls that were answered", _CALL_S, "endpoint", "model"
        )
        self._tokens = self._counter("llm_tokens", "Tokens as the provider counted them", *to, "kind")
        self._usd = self._counter("llm_cost_usd", "Cost by the catalogue's prices", *to)
        self._unpriced = self._counter("llm_calls_unpriced", "Answered calls of unknown cost", *to)

    def _define_endpoints(self) -> None:
        at = "endpoint"
        self._retries = self._counter("llm_retries", "Calls that were repeated", at, "error")
        self._hedges = self._counter("llm_hedges", "Slow calls that were sent a second time", at)
        self._failovers = self._counter("llm_failovers", "Calls passed on to the next endpoint", at, "error")
        self._breaks = self._counter("llm_breaker_changes", "Changes of the breaker", at, "state")
        self._breaker = self._gauge("llm_breaker_state", "0 closed, 1 half open, 2 open", at)
        self._waits = self._histogram(
            "llm_wait_seconds", "Time in the waiting room before a call", _WAIT_S, at, "priority"
        )
        self._in_flight = self._gauge("llm_in_flight", "Calls under way", at)
        self._limit = self._gauge("llm_limit", "Most calls at once, as adapted to the server", at)
        self._waiting = self._gauge("llm_waiting", "Calls that wait for a place", at)

    def exposition(self) -> bytes:
        """All of it in Prometheus's text format."""
        return generate_latest(self.registry)

    def on_response(self, route: str, method: str, status: int, duration_s: float) -> None:
        """A request to a route, which is a template, was answered."""
        key = (route, method, status)
        child = self._answered.get(key)
        if child is None:
            known = method if method in _METHODS else "other"
            child = self._requests.child((route, known, str(status)))
            if known == method:
                self._answered[key] = child
        child.add(duration_s)

    def on_answered(self, answered: Answered) -> None:
        """See `Hooks.on_answered`."""
        self._given[answered.cache].inc()

    def on_made(self, made: Made) -> None:
        """See `Hooks.on_made`."""
        by = self._model(made.model), self._prompt(made.prompt)
        self._made.labels(*by, made.policy, str(made.degraded).lower()).inc()
        counts = made.tally
        for code, count in counts.warnings.items():
            self._warnings.labels(by[0], code).inc(count)
        for support, count in counts.support.items():
            self._support.labels(*by, support).inc(count)
        for codes, count in counts.findings.items():
            self._findings.labels(*by, *codes).inc(count)
        for (action, why), count in counts.revisions.items():
            self._revisions.labels(*by, action, why).inc(count)
        for reason, count in counts.rejected_quotes.items():
            self._rejected.labels(*by, reason).inc(count)
        for attribution, count in counts.attributions.items():
            self._quotes.labels(*by, attribution).inc(count)

    def on_visited(self, visited: Visited) -> None:
        """See `Hooks.on_visited`."""
        self._page_s.labels(visited.outcome).observe(visited.duration_s)

    def on_backlog(self, backlog: Backlog) -> None:
        """See `Hooks.on_backlog`."""
        for what in backlog.__struct_fields__:
            self._backlog.labels(what).set(getattr(backlog, what))

    def on_settled(self, settled: Settled) -> None:
        """See `Hooks.on_settled`."""
        for what in settled.__struct_fields__:
            self._settled.labels(what).inc(getattr(settled, what))

    def on_stage_end(self, name: str, duration_s: float) -> None:
        """A stage is over."""
        self._stage_s.labels(name).observe(duration_s)

    def on_call(self, call: Call, prompt: str) -> None:
        """A call of a model is over."""
        to = call.endpoint, self._model(call.model), self._prompt(prompt)
        self._calls.labels(*to, outcome(call)).inc()
        if call.error is not None:
            return
        self._call_s.labels(*to[:2]).observe(call.duration_s)
        if call.usage is not None:
            cached = call.usage.cached_input_tokens
            self._tokens.labels(*to, "input").inc(max(call.usage.input_tokens - cached, 0))
            self._tokens.labels(*to, "cached_input").inc(cached)
            self._tokens.labels(*to, "output").inc(call.usage.output_tokens)
        cost = self._cost(call)
        if cost is None:
            self._unpriced.labels(*to).inc()
        else:
            self._usd.labels(*to).inc(cost)

    def on_retry(self, endpoint: str, retry: Retry) -> None:
        """See `Retrying`."""
        self._retries.labels(endpoint, name_of(type(retry.error))).inc()

    def on_hedge(self, endpoint: str, _: Hedge) -> None:
        """See `Hedged`."""
        self._hedges.labels(endpoint).inc()

    def on_failover(self, endpoint: str, failover: Failover) -> None:
        """See `Fallback`."""
        error = "refusal" if failover.error is None else name_of(type(failover.error))
        self._failovers.labels(endpoint, error).inc()

    def on_breaker(self, endpoint: str, change: BreakerChange) -> None:
        """See `Breaker`."""
        self._breaks.labels(endpoint, change.state).inc()
        self._breaker.labels(endpoint).set(_STATES[change.state])

    def on_admission(self, endpoint: str, admission: Admission) -> None:
        """See `Limited`."""
        self._waits.labels(endpoint, admission.priority).observe(admission.waited_s)

    def on_store_use(self, backend: str, use: StoreUse) -> None:
        """See `ObservedStore`."""
        self._store_s.child((backend, use.operation, use.kind, use.result)).add(use.duration_s)

    def watch_endpoint(
        self,
        endpoint: str,
        in_flight: Callable[[], int],
        limit: Callable[[], int],
        waiting: Callable[[], int],
    ) -> None:
        """Ask these, at each scrape, how an endpoint is."""
        self._breaker.labels(endpoint).set(0)
        self._in_flight.labels(endpoint).set_function(in_flight)
        self._limit.labels(endpoint).set_function(limit)
        self._waiting.labels(endpoint).set_function(waiting)

    def watch_budget(self, share: Callable[[], float]) -> None:
        """Ask, at each scrape, how much of today's budget is spent."""
        self._budget.set_function(share)

    def watch_problem(self, part: str, there: Callable[[], bool]) -> None:
        """Ask, at each scrape, whether a part has a problem."""
        self._problems.labels(part).set_function(there)

    def _model(self, name: str) -> str:
        return name if name in self._models else "other"

    def _prompt(self, name: str) -> str:
        return name if name in self._prompts else "other" if name else "none"

    def _durations(
        self, name: str, text: str, bounds: tuple[float, ...], labels: tuple[str, ...], counter: str = ""
    ) -> DurationsCollector:
        collector = DurationsCollector(f"standfirst_{name}", text, bounds, labels, counter)
        self.registry.register(collector)
        return collector

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace="standfirst", registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, namespace="standfirst", registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, text, labels, namespace="standfirst", buckets=buckets, registry=self.registry)
