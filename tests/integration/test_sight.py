"""What can be seen of the service from outside: ids, timing, metrics, log lines, traces, health."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from prometheus_client.parser import text_string_to_metric_families

from bench.mock_llm import MockLLM, Reply
from service.settings import FallbackServer, Settings
from tests.conftest import running

ARTICLE = (
    "The tram line to Vestra Quay was closed on Friday after a landslide, the operator Lumo said. It carries"
    " 14,000 passengers a day.\n\n"
    "“We will run buses by Sunday,” said Tora Ek, who heads Lumo. “Nobody was hurt, and that is what counts.”"
)
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CALLER = {"traceparent": f"00-{TRACE}-{PARENT}-01"}

Serve = Callable[..., httpx.Client]


def post(client: httpx.Client, text: str = ARTICLE, **headers: str) -> httpx.Response:
    return client.post("/v1/summaries", json={"text": text}, headers=headers)


def samples(client: httpx.Client, name: str) -> dict[str, float]:
    """The samples of a metric; labels are joined by spaces in the order of their names."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    found = [s for f in families for s in f.samples if s.name == f"standfirst_{name}"]
    return {" ".join(s.labels[key] for key in sorted(s.labels)): s.value for s in found}


class Collector(HTTPServer):
    """An OTLP collector; `bodies` are what was sent."""

    bodies: list[bytes]

    @property
    def spans(self) -> list[Span]:
        requests = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        return [s for r in requests for a in r.resource_spans for b in a.scope_spans for s in b.spans]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Take(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector(("127.0.0.1", 0), _Take) as server:
        server.bodies = []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@contextmanager
def traced(mock_llm: MockLLM, collector: Collector, **changes: Any) -> Iterator[httpx.Client]:
    chosen = {"openai_base_url": mock_llm.base_url, "cache_url": "memory://", "llm_attempts": 1, **changes}
    with running(Settings(otlp_endpoint=collector.url, **chosen)) as client:
        yield client


def test_answer_carries_the_ids_of_its_request_and_continues_the_trace(service: httpx.Client) -> None:
    answer = post(service, **CALLER, **{"X-Request-ID": "cms-17"})
    assert answer.headers["X-Request-ID"] == "cms-17"
    version, trace, span, _ = answer.headers["traceparent"].split("-")
    assert (version, trace) == ("00", TRACE)
    assert span != PARENT


def test_errors_carry_ids_too(service: httpx.Client) -> None:
    for answer in (service.get("/nothing"), service.post("/v1/summaries", content=b"{")):
        assert answer.headers["X-Request-ID"] == answer.headers["traceparent"].split("-")[1]


def test_server_timing_tells_where_the_time_went(service: httpx.Client) -> None:
    made, found = (post(service).headers["Server-Timing"] for _ in range(2))
    assert [part.partition(";")[0] for part in made.split(", ")] == ["cache", "llm", "checks", "result"]
    assert made.endswith('result;desc="miss"')
    assert [part.partition(";")[0] for part in found.split(", ")] == ["cache", "result"]
    assert "Server-Timing" not in service.get("/healthz").headers


def test_requests_are_counted_by_route_and_never_by_path(service: httpx.Client) -> None:
    service.get("/v1/summaries/no-such-id?secret=1")
    service.get("/no-such-path")
    service.head("/healthz")
    counted = samples(service, "http_requests_total")
    assert counted["GET /v1/summaries/{summary_id} 404"] == 1
    assert counted["GET other 404"] == 1
    assert counted["GET /healthz 200"] == 1
    assert "no-such" not in service.get("/metrics").text


def test_summaries_calls_tokens_and_cache_are_counted(service: httpx.Client) -> None:
    for _ in range(2):
        post(service)
    usage = post(service).json()["usage"]
    assert samples(service, "summaries_total") == {"miss": 1, "hit": 2, "joined": 0}
    assert samples(service, "llm_calls_total") == {"first gpt-6-luna ok article@1": 1}
    tokens = samples(service, "llm_tokens_total")
    assert tokens["first input gpt-6-luna article@1"] == usage["input_tokens"]
    assert tokens["first output gpt-6-luna article@1"] == usage["output_tokens"]
    assert samples(service, "llm_cost_usd_total")["first gpt-6-luna article@1"] == pytest.approx(
        usage["cost_usd"]
    )
    cache = samples(service, "cache_operation_duration_seconds_count")
    assert cache["sqlite summary get hit"] == 2
    assert cache["sqlite summary get miss"] == 1


def test_findings_revisions_and_rejected_quotes_are_counted(serve: Serve, mock_llm: MockLLM) -> None:
    client = serve(policy="strict")
    answer = {
        "sentences": [{"text": "The tram line carries 99,000 passengers a day.", "passages": ["p1"]}],
        "quotes": [{"id": "q77", "speaker": None}],
    }
    mock_llm.script(*[Reply(text=json.dumps(answer))] * 3)
    summary = post(client).json()
    assert summary["rejected_quotes"]
    made = "gpt-6-luna"
    assert samples(client, "quotes_rejected_total") == {f"{made} article@1 unknown_id": 1}
    findings = samples(client, "grounding_findings_total")
    assert sum(findings.values()) >= 1
    assert all(label.startswith("number ") for label in findings)
    dropped = sum(r["action"] == "dropped" for r in summary["revisions"])
    assert dropped
    assert samples(client, "revisions_total") == {f"dropped {made} article@1 unsupported": dropped}


def test_failures_retries_and_failovers_are_counted(serve: Serve, mock_llm: MockLLM) -> None:
    down = FallbackServer(model="other-model", base_url=mock_llm.base_url.rpartition(":")[0] + ":1/v1")
    client = serve(llm_attempts=2, fallbacks=(down,))
    mock_llm.configure(always=Reply(kind="status", status=429, headers={"retry-after-ms": "1"}))
    assert post(client).json()["degraded"] is True
    assert samples(client, "llm_calls_total")["first gpt-6-luna rate_limited article@1"] == 2
    assert samples(client, "llm_retries_total")["first rate_limited"] == 1
    assert samples(client, "llm_failovers_total") == {"first rate_limited": 1}
    assert samples(client, "summaries_made_total") == {"true gpt-6-luna flag article@1": 1}


def test_open_breaker_is_seen_in_metrics_and_by_the_ready_check(serve: Serve, mock_llm: MockLLM) -> None:
    client = serve(breaker_failures=1, breaker_open_s=1000)
    assert client.get("/readyz").json() == {"status": "ok", "problems": {}}
    mock_llm.configure(always=Reply(kind="status", status=500))
    post(client)
    assert samples(client, "llm_breaker_state") == {"first": 2}
    assert samples(client, "problem")["model"] == 1
    health = client.get("/readyz")
    assert (health.status_code, health.json()["status"]) == (200, "degraded")
    assert "left alone" in health.json()["problems"]["model"]


def test_each_request_is_a_line_without_path_query_or_article(
    serve: Serve, capfd: pytest.CaptureFixture[str]
) -> None:
    client = serve(log_format="json")
    post(client, **CALLER)
    client.get("/v1/summaries/secret-id?secret=query")
    client.get("/healthz")
    written = capfd.readouterr().err
    lines = [json.loads(line) for line in written.splitlines() if line.startswith("{")]
    assert [(line["route"], line["status"]) for line in lines] == [
        ("/v1/summaries", 200),
        ("/v1/summaries/{summary_id}", 404),
    ]
    assert (lines[0]["trace_id"], lines[0]["cache"]) == (TRACE, "miss")
    assert "secret" not in written
    assert "Vestra" not in written


def test_no_lines_where_the_level_is_above_info(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    post(serve(log_level="warning"))
    assert "service.access" not in capfd.readouterr().err


def test_spans_of_a_request_form_a_tree_under_the_callers_span(
    mock_llm: MockLLM, collector: Collector
) -> None:
    with traced(mock_llm, collector) as client:
        answer = post(client, **CALLER)
    spans = {span.name: span for span in collector.spans}
    names = {span.span_id: span.name for span in collector.spans}
    parents = {span.name: names.get(span.parent_span_id) for span in collector.spans}
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE}
    root = spans["POST /v1/summaries"]
    assert root.parent_span_id.hex() == PARENT
    assert answer.headers["traceparent"].split("-")[2] == root.span_id.hex()
    assert parents["summarize"] == "POST /v1/summaries"
    assert {parents["read"], parents["draft article@1"], parents["check"]} == {"summarize"}
    assert parents["chat gpt-6-luna"] == "draft article@1"


def test_spans_of_model_calls_follow_the_genai_conventions(mock_llm: MockLLM, collector: Collector) -> None:
    with traced(mock_llm, collector) as client:
        usage = post(client).json()["usage"]
    [chat] = [span for span in collector.spans if span.name == "chat gpt-6-luna"]
    attributes = {a.key: a.value for a in chat.attributes}
    known = {value for name, value in vars(gen_ai_attributes).items() if name.startswith("GEN_AI_")}
    assert chat.kind == Span.SPAN_KIND_CLIENT
    assert {key for key in attributes if key.startswith("gen_ai.")} <= known
    assert attributes["gen_ai.operation.name"].string_value == "chat"
    assert attributes["gen_ai.usage.input_tokens"].int_value == usage["input_tokens"]
    assert attributes["gen_ai.response.finish_reasons"].array_value.values[0].string_value == "stop"


def test_failed_calls_and_requests_are_spans_with_an_error(mock_llm: MockLLM, collector: Collector) -> None:
    mock_llm.configure(always=Reply(kind="status", status=500, message="said by the provider"))
    with traced(mock_llm, collector, fallback="none") as client:
        assert post(client).status_code == 502
    errors = {
        span.name: a.value.string_value
        for span in collector.spans
        for a in span.attributes
        if a.key == "error.type"
    }
    assert errors["chat gpt-6-luna"] == "server"
    assert errors["POST /v1/summaries"] == "502"
    assert b"said by the provider" not in b"".join(collector.bodies)


def test_service_works_and_stops_without_its_collector(mock_llm: MockLLM, tmp_path: Path) -> None:
    settings = Settings(
        openai_base_url=mock_llm.base_url,
        cache_url=f"sqlite:///{tmp_path}/cache.sqlite3",
        otlp_endpoint="http://127.0.0.1:1",
    )
    with running(settings) as client:
        assert post(client).status_code == 200


def test_articles_of_batches_and_what_is_left_are_counted(serve: Serve, tmp_path: Path) -> None:
    client = serve(jobs_url=f"sqlite:///{tmp_path}/jobs.sqlite3", batch_takeover_s=0.5)
    lines = "\n".join(json.dumps({"text": f"{ARTICLE} {n}"}) for n in range(3))
    made = client.post("/v1/batches", content=lines, headers={"Content-Type": "application/jsonl"})
    with client.stream(
        "GET", f"/v1/batches/{made.json()['batch']['id']}", headers={"Accept": "text/event-stream"}
    ) as events:
        for _ in events.iter_lines():
            """Until the batch has ended."""
    assert samples(client, "batch_articles_total") == {"done": 3, "failed": 0, "returned": 0}
    assert samples(client, "batch_backlog").keys() == {"batches", "waiting", "under_way"}
