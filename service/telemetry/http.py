"""Each request seen from outside: its ids in and out, its time, a line in the log, a span."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from time import perf_counter
from typing import TYPE_CHECKING, Final

from litestar.types import ASGIApp, HTTPScope, Message, Receive, Send

from service.callers import LOCAL, Caller
from service.telemetry.context import RequestContext, current
from service.telemetry.logs import AccessLine
from service.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from service.telemetry.tracing import Tracing

# A caller who goes away gets no answer; proxies log that as 499.
_NOT_ANSWERED: Final = 499
_NO_ROUTE: Final = "other"
# What nobody wants a line for every few seconds.
_QUIET: Final = frozenset({"/healthz", "/readyz", "/metrics"})


class RequestWatch:
    """Watches an ASGI application.

    A request's route is its template, such as `/v1/summaries/{summary_id}`; paths and queries are in no log
    and no metric. Answers carry `X-Request-ID` and `traceparent`, and `Server-Timing` where there is
    something to tell.

    Args:
        metrics: Counts requests.
        log: Writes a line for each request; None for no lines.
        tracing: Makes a span of each request; None for no spans.
    """

    def __init__(
        self, metrics: Metrics, log: Callable[[AccessLine], None] | None, tracing: Tracing | None
    ) -> None:
        self._metrics = metrics
        self._log = log
        self._tracing = tracing

    async def handle(self, app: ASGIApp, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """Let `app` answer a request."""
        began = perf_counter()
        traceparent = request_id = b""
        for name, value in scope["headers"]:
            if name == b"traceparent":
                traceparent = value
            elif name == b"x-request-id":
                request_id = value
        context = RequestContext(traceparent, request_id)
        token = current.set(context)
        leave = self._tracing.begin(scope["method"], context) if self._tracing else None
        status = _NOT_ANSWERED

        async def send_with_ids(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], *_headers(context)]}
            await send(message)

        self._metrics.in_flight += 1
        try:
            await app(scope, receive, send_with_ids)
        except Exception:
            status = 500 if status == _NOT_ANSWERED else status
            raise
        finally:
            duration_s = perf_counter() - began
            route, method = scope.get("path_template") or _NO_ROUTE, scope["method"]
            self._metrics.in_flight -= 1
            self._metrics.on_response(route, method, status, duration_s)
            if leave is not None:
                leave(route, status)
            if self._log is not None and route not in _QUIET:
                self._log(_line(context, scope, status, duration_s))
            current.reset(token)


def _headers(context: RequestContext) -> list[tuple[bytes, bytes]]:
    headers = [
        (b"x-request-id", context.request_id.encode()),
        (b"traceparent", context.traceparent.encode()),
    ]
    if timing := context.server_timing():
        headers.append((b"server-timing", timing.encode()))
    return headers


def _line(context: RequestContext, scope: HTTPScope, status: int, duration_s: float) -> AccessLine:
    caller = scope.get("user")
    known = isinstance(caller, Caller) and caller is not LOCAL
    return AccessLine(
        timestamp=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        level="info",
        logger="service.access",
        event="request",
        method=scope["method"],
        route=scope.get("path_template") or _NO_ROUTE,
        status=status,
        duration_ms=round(duration_s * 1000, 2),
        request_id=context.request_id,
        trace_id=context.trace_id,
        caller=caller.id if known else None,
        cache=context.cache or None,
    )
