"""No word of an article, no key and no word of a provider in any log line, metric, trace or error."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bench.mock_llm import Kind, MockLLM, Reply
from service.settings import FallbackServer, Secret, Settings
from service.telemetry.logs import make_formatter
from tests.conftest import running
from tests.integration.test_sight import Collector
from tests.integration.test_sight import collector as collector  # noqa: PLC0414 - a fixture

WORD = "Zephyrinequolt"
SECRETS = (WORD, WORD.lower(), "sk-quolt-secret", "sk-other-secret", "providerspeak", "hunter2")
ARTICLE = (
    f"{WORD} said on Friday that 14,000 people in {WORD} had left after the flood, in a letter."
    f"\n\n“We will rebuild {WORD} by Sunday,” said Tora {WORD}, who heads Lumo. “Nobody was hurt in it.”"
)
FAULTS: tuple[Kind, ...] = (
    "answer",
    "reset",
    "cut",
    "not_json",
    "no_choices",
    "length",
    "refusal",
    "content_filter",
    "prose",
)


class _Lines(logging.StreamHandler[io.StringIO]):
    """All that any logger says at any level, as it is written by `standfirst serve`."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own
        raise AssertionError(record.name)


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    handler = _Lines(io.StringIO())
    handler.setFormatter(make_formatter("json"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler.stream
    root.setLevel(level)
    root.removeHandler(handler)


def settings(mock_llm: MockLLM, collector: Collector, folder: Path) -> Settings:
    return Settings(
        openai_base_url=mock_llm.base_url,
        openai_api_key=Secret("sk-quolt-secret"),
        fallbacks=(
            FallbackServer(model="m2", base_url=mock_llm.base_url, api_key=Secret("sk-other-secret")),
        ),
        cache_url=f"sqlite:///{folder}/cache.sqlite3",
        otlp_endpoint=collector.url,
        log_format="json",
        llm_attempts=1,
        breaker_failures=10,
        policy="strict",
    )


def ask_everything(client: httpx.Client, mock_llm: MockLLM) -> str:
    """Every kind of answer and of fault; returns what was said in errors."""
    said = []
    for number, kind in enumerate(FAULTS):
        mock_llm.configure(always=Reply(kind=kind))
        client.post("/v1/summaries", json={"text": f"{ARTICLE} {number}", "title": WORD})
    for status in (400, 401, 404, 429, 500):
        headers = {"retry-after-ms": "1"}
        reply = Reply(kind="status", status=status, message=f"providerspeak {WORD}", headers=headers)
        mock_llm.configure(always=reply)
        client.post("/v1/summaries", json={"text": f"{ARTICLE} {status}"})
    mock_llm.configure()
    bad = [
        client.post("/v1/summaries", json={"text": ARTICLE, "colour": WORD}),
        client.post("/v1/summaries", json={"text": ARTICLE, "style": WORD}),
        client.post("/v1/summaries", json={"text": ARTICLE, "model": "none"}),
        client.post("/v1/summaries", content=f'{{"text": "{WORD}'.encode()),
        client.post("/v1/summaries", content=f"{WORD}\0".encode(), headers={"Content-Type": "text/plain"}),
        client.post(
            "/v1/summaries", json={"text": ARTICLE + "!"}, headers={"Cache-Control": "only-if-cached"}
        ),
        client.get(f"/v1/summaries/{WORD}"),
        client.get(f"/{WORD}", params={WORD: WORD}, headers={"Authorization": "Bearer hunter2"}),
    ]
    assert {answer.status_code // 100 for answer in bad} <= {4, 5}
    said += [answer.text for answer in bad]
    client.post("/v1/summaries", json={"text": ARTICLE}, headers={"Cache-Control": "no-store"})
    client.post("/v1/quotes", json={"text": ARTICLE, "metadata": {"note": WORD}})
    return "".join(said)


def test_nothing_of_an_article_and_no_secret_is_logged_counted_or_traced(
    mock_llm: MockLLM,
    collector: Collector,
    tmp_path: Path,
    lines: io.StringIO,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with running(settings(mock_llm, collector, tmp_path)) as client:
        said = ask_everything(client, mock_llm)
        counted = client.get("/metrics").text
        ready = client.get("/readyz").text
    traced = b"".join(collector.bodies).decode("latin-1")
    access = capfd.readouterr().err
    seen = {
        "log": lines.getvalue(),
        "access log": access,
        "metrics": counted,
        "traces": traced,
        "ready": ready,
        "errors": said,
    }
    assert all(seen.values())
    assert [(where, secret) for where, text in seen.items() for secret in SECRETS if secret in text] == []
