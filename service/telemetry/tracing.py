"""OpenTelemetry traces of requests, with the GenAI semantic conventions; imported where they are configured.

request → summarize → read, draft (→ cache, chat), check, finish. Spans carry names, counts and classes of
errors; nothing of an article, a prompt or an answer, and no message of an exception.

(https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/ and /http/http-spans/.)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, TypeAlias

from opentelemetry import context as otel
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, StatusCode, TraceFlags

from service import __version__
from service.cache.observed import StoreUse
from service.hooks import Stage
from service.resilience import Call
from service.resilience.observed import outcome
from service.telemetry.context import RequestContext

Value: TypeAlias = str | int | float | bool | tuple[str, ...]

_SERVER_ERROR: Final = 500
_EXPORT_TIMEOUT_S: Final = 5


class Tracing:
    """Makes spans, and sends them from a thread of its own, in a queue with a bound.

    The sampler, headers, limits and timeouts are those of the standard `OTEL_…` variables.

    Args:
        endpoint: An OTLP collector's root, such as `http://collector:4318`.
        exporter: Takes the place of the sender, for tests.
    """

    def __init__(self, endpoint: str, exporter: SpanExporter | None = None) -> None:
        resource = Resource.create({SERVICE_NAME: "standfirst", SERVICE_VERSION: __version__})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        sender = exporter or OTLPSpanExporter(
            endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=_EXPORT_TIMEOUT_S
        )
        self._provider.add_span_processor(BatchSpanProcessor(sender))
        self._tracer = self._provider.get_tracer("standfirst", __version__)

    def begin(self, method: str, context: RequestContext) -> Callable[[str, int], None]:
        """Begin a request's span, the caller's one being its parent; returns what ends it.

        `context` gets the span's ids, so that logs and answers name it.
        """
        parent = otel.Context()
        if context.parent_id:
            above = SpanContext(
                int(context.trace_id, 16),
                int(context.parent_id, 16),
                True,
                TraceFlags(int(context.flags, 16)),
            )
            parent = trace.set_span_in_context(NonRecordingSpan(above), parent)
        span = self._tracer.start_span(
            method, parent, SpanKind.SERVER, {"http.request.method": method, "url.scheme": "http"}
        )
        ids = span.get_span_context()
        context.trace_id, context.span_id = f"{ids.trace_id:032x}", f"{ids.span_id:016x}"
        context.flags = f"{int(ids.trace_flags):02x}"
        token = otel.attach(trace.set_span_in_context(span))

        def end(route: str, status: int) -> None:
            span.update_name(f"{method} {route}")
            span.set_attributes({"http.route": route, "http.response.status_code": status})
            if status >= _SERVER_ERROR:
                span.set_attribute("error.type", str(status))
                span.set_status(StatusCode.ERROR)
            span.end()
            otel.detach(token)

        return end

    @contextmanager
    def stage(self, stage: Stage) -> Iterator[None]:
        """The span of a stage, the current one while it lasts."""
        named = {"gen_ai.request.model": stage.model, "gen_ai.prompt.name": stage.prompt}
        attributes = {name: value for name, value in named.items() if value}
        name = f"{stage.name} {stage.prompt}" if stage.prompt else stage.name
        span = self._tracer.start_span(name, attributes=attributes)
        token = otel.attach(trace.set_span_in_context(span))
        try:
            yield
        except BaseException as exc:
            span.set_attribute("error.type", type(exc).__qualname__)
            span.set_status(StatusCode.ERROR)
            raise
        finally:
            span.end()
            otel.detach(token)

    def on_call(self, call: Call, prompt: str) -> None:
        """The span of a call of a model, now that it is over."""
        attributes: dict[str, Value | None] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": call.model,
            "gen_ai.request.max_tokens": call.max_output_tokens,
            "gen_ai.request.temperature": call.temperature,
            "gen_ai.request.seed": call.seed,
            "gen_ai.prompt.name": prompt or None,
            "gen_ai.response.model": call.answered_by,
            "standfirst.endpoint": call.endpoint,
        }
        if call.finish_reason is not None:
            attributes["gen_ai.response.finish_reasons"] = (call.finish_reason,)
        if call.usage is not None:
            attributes["gen_ai.usage.input_tokens"] = call.usage.input_tokens
            attributes["gen_ai.usage.cache_read.input_tokens"] = call.usage.cached_input_tokens
            attributes["gen_ai.usage.output_tokens"] = call.usage.output_tokens
        span = self._past(f"chat {call.model}", SpanKind.CLIENT, call.duration_s, attributes)
        if call.error is not None:
            span.set_attribute("error.type", outcome(call))
            span.set_status(StatusCode.ERROR)
        span.end()

    def on_store_use(self, backend: str, use: StoreUse) -> None:
        """The span of a use of the cache, now that it is over."""
        attributes = {
            "db.system.name": backend,
            "db.operation.name": use.operation,
            "standfirst.kind": use.kind,
        }
        span = self._past(
            f"cache {use.operation}",
            SpanKind.CLIENT,
            use.duration_s,
            {**attributes, "standfirst.result": use.result},
        )
        span.end()

    def close(self) -> None:
        """Send what is left; blocks for some seconds at most, so call it from a thread."""
        self._provider.shutdown()

    def _past(
        self, name: str, kind: SpanKind, duration_s: float, attributes: Mapping[str, Value | None]
    ) -> Span:
        """A span that began `duration_s` ago, under the current one."""
        known = {key: value for key, value in attributes.items() if value is not None}
        began_ns = time.time_ns() - int(duration_s * 1e9)
        return self._tracer.start_span(name, kind=kind, attributes=known, start_time=began_ns)
