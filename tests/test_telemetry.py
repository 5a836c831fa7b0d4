"""Ids, metrics and log lines, without a service around them."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from typing import Any

import msgspec
import pytest
from prometheus_client import Histogram
from prometheus_client.parser import text_string_to_metric_families

from service.errors import LLMConnectionError, LLMError, LLMRateLimitedError, LLMTimeoutError
from service.resilience import Call
from service.resilience.observed import name_of
from service.telemetry import Metrics, access_log
from service.telemetry.context import RequestContext, current
from service.telemetry.durations import DurationsCollector
from service.telemetry.logs import AccessLine, LogFormat, make_formatter

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
FORMS: tuple[LogFormat, ...] = ("json", "text")
MARKER = "Zephyrine-Quolt"


def metrics() -> Metrics:
    return Metrics({"small"}, {"article@1"}, lambda _: None)


def samples(found: Metrics, name: str) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(found.exposition().decode())
    found_samples = (s for f in families for s in f.samples if s.name == name)
    return {tuple(s.labels[key] for key in sorted(s.labels)): s.value for s in found_samples}


def call(**changes: Any) -> Call:
    chosen = {"endpoint": "first", "model": "small", "duration_s": 1.0, "max_output_tokens": 9}
    return Call(**{"temperature": None, "seed": None, **chosen, **changes})


def line(record: logging.LogRecord, form: LogFormat = "json") -> dict[str, Any]:
    written: dict[str, Any] = json.loads(make_formatter(form).format(record))
    return written


def record(name: str, message: str, *args: object, error: BaseException | None = None) -> logging.LogRecord:
    info = None if error is None else (type(error), error, error.__traceback__)
    return logging.LogRecord(name, logging.ERROR, "/lib/module.py", 7, message, args, info, "work")


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    error.__cause__ = cause

    def work() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        work()
    return caught.value


def test_trace_of_the_caller_is_continued_under_a_span_of_our_own() -> None:
    context = RequestContext(f"00-{TRACE}-{PARENT}-01".encode())
    assert (context.trace_id, context.parent_id, context.flags) == (TRACE, PARENT, "01")
    assert context.traceparent.split("-")[:2] == ["00", TRACE]
    assert context.span_id != PARENT


@pytest.mark.parametrize(
    "header",
    [
        "",
        "nonsense",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01" * 2,
    ],
)
def test_malformed_trace_is_replaced(header: str) -> None:
    context, other = RequestContext(header.encode()), RequestContext(header.encode())
    assert context.trace_id != TRACE
    assert context.parent_id == ""
    assert {context.trace_id, context.span_id}.isdisjoint({other.trace_id, other.span_id, ""})


@pytest.mark.parametrize(
    ("sent", "kept"), [("cms-17:a", True), ("a b", False), ("x" * 65, False), ("é", False)]
)
def test_request_id_of_the_caller_is_kept_if_it_is_a_plain_token(sent: str, kept: bool) -> None:
    context = RequestContext(b"", sent.encode())
    assert (context.request_id == sent) is kept
    assert kept or context.request_id == context.trace_id


def test_time_is_told_by_part() -> None:
    context = RequestContext()
    assert context.server_timing() == ""
    context.add("llm", 0.5)
    context.add("llm", 0.25)
    context.cache = "miss"
    assert context.server_timing() == 'llm;dur=750.00, result;desc="miss"'


def test_labels_that_the_configuration_does_not_know_are_folded() -> None:
    found = metrics()
    for n in range(1000):
        found.on_call(call(model=f"model-{n}"), f"prompt@{n}")
        found.on_response("other", f"METHOD{n}", 404, 0.1)
    assert samples(found, "standfirst_llm_calls_total") == {("first", "other", "ok", "other"): 1000}
    assert samples(found, "standfirst_http_requests_total") == {("other", "other", "404"): 1000}


def test_call_without_usage_is_counted_as_one_of_unknown_cost() -> None:
    found = metrics()
    found.on_call(call(), "article@1")
    assert samples(found, "standfirst_llm_calls_unpriced_total") == {("first", "small", "article@1"): 1}
    assert samples(found, "standfirst_llm_tokens_total") == {}


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (LLMRateLimitedError, "rate_limited"),
        (LLMTimeoutError, "timeout"),
        (LLMError, "llm"),
        (ValueError, "internal"),
    ],
)
def test_errors_are_named_by_their_class(error: type[BaseException], name: str) -> None:
    assert name_of(error) == name


def test_our_own_lines_are_written_with_the_ids_of_their_request() -> None:
    token = current.set(RequestContext(f"00-{TRACE}-{PARENT}-01".encode(), b"cms-17"))
    written = line(record("service.pipeline", "the model %s", "rests"))
    current.reset(token)
    assert (written["event"], written["level"], written["logger"]) == (
        "the model rests",
        "error",
        "service.pipeline",
    )
    assert (written["request_id"], written["trace_id"]) == ("cms-17", TRACE)


@pytest.mark.parametrize("form", FORMS)
def test_words_of_libraries_and_exceptions_are_withheld(form: LogFormat) -> None:
    error = raised(LLMConnectionError(MARKER), raised(ValueError(MARKER)))
    for name in ("asyncio", "dbos", "httpx2", "opentelemetry.exporter", "root"):
        written = make_formatter(form).format(record(name, f"{MARKER} %s", MARKER, error=error))
        assert MARKER not in written
        assert "LLMConnectionError" in written
        assert "ValueError" in written
        assert ".work:" in written


def test_report_of_a_start_that_failed_keeps_our_own_message_alone() -> None:
    ours = "service.errors.SettingError: STANDFIRST_PORT: is taken"
    foreign = f"ValueError: {MARKER}"
    report = 'Traceback (most recent call last):\n  File "/x/app.py", line 3, in run\n    go()\n'
    assert line(record("uvicorn.error", report + ours))["event"] == ours
    written = line(record("uvicorn.error", report + foreign))
    assert MARKER not in str(written)
    assert written["place"] == "run:3"


def test_lines_are_bounded_and_one_line_each() -> None:
    for form in FORMS:
        written = make_formatter(form).format(record("service.x", "a\n" * 100_000))
        assert len(written) < 3_000
        assert "\n" not in written


def test_access_line_is_json_or_for_people() -> None:
    line = AccessLine(
        timestamp="2026-11-25T12:00:00.000Z",
        level="info",
        logger="service.access",
        event="request",
        method="POST",
        route="/v1/summaries",
        status=200,
        duration_ms=1.5,
        request_id="cms-17",
        trace_id=TRACE,
    )
    for form in FORMS:
        stream = io.StringIO()
        access_log(form, stream)(line)
        written = stream.getvalue()
        assert written.count("\n") == 1
        assert "/v1/summaries" in written
        if form == "json":
            assert msgspec.json.decode(written) == msgspec.to_builtins(line)


def test_durations_are_a_histogram_as_prometheus_counts() -> None:
    ours = DurationsCollector("x_seconds", "X", (0.1, 1.0), ("a",), counter="x")
    theirs = Histogram("x_seconds", "X", ("a",), buckets=(0.1, 1.0), registry=None)
    for seconds in (0.05, 0.1, 0.2, 1.0, 7.0):
        ours.child(("b",)).add(seconds)
        theirs.labels("b").observe(seconds)
    [histogram, counter] = ours.collect()
    [expected] = theirs.collect()
    wanted = {
        (s.name, *s.labels.items()): s.value for s in expected.samples if not s.name.endswith("_created")
    }
    assert {(s.name, *s.labels.items()): s.value for s in histogram.samples} == wanted
    assert [(s.name, s.value) for s in counter.samples] == [("x_total", 5)]


def test_nothing_that_python_prints_of_an_error_is_its_message() -> None:
    program = (
        "import asyncio, logging, threading\n"
        "from service.telemetry import set_up_logs\n"
        "set_up_logs('info', 'json')\n"
        "def fail(): raise ValueError('Zephyrine-Quolt')\n"
        "class Ends:\n"
        "    def __del__(self): fail()\n"
        "async def forget():\n"
        "    async def work(): fail()\n"
        "    task = asyncio.create_task(work())\n"
        "    await asyncio.wait([task])\n"
        "thread = threading.Thread(target=fail)\n"
        "thread.start()\n"
        "thread.join()\n"
        "Ends()\n"
        "asyncio.run(forget())\n"
        "logging.getLogger('service').error('%d', 'Zephyrine-Quolt')\n"
        "fail()\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert MARKER not in ended.stderr
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert len(lines) == 4
    assert all("ValueError at __main__.fail" in line["error"] for line in lines)
