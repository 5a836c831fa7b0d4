"""Limits, budgets and usage as callers meet them over HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from bench.mock_llm import MockLLM
from service.app import create_app
from service.callers import ALL_SCOPES, Limits
from service.errors import SettingError
from service.keys import create
from service.settings import Settings

MODEL = "gpt-6-luna"


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


@pytest.fixture
def key(keys_file: Path) -> Callable[..., dict[str, str]]:
    """Makes a key with limits and all scopes but `metrics`; the headers that bring it."""

    def make(name: str, **limits: float) -> dict[str, str]:
        scopes = sorted(ALL_SCOPES - {"metrics"})
        _, token = create(keys_file, name, scopes, Limits(**limits))  # type: ignore[arg-type]
        return {"Authorization": f"Bearer {token}"}

    return make


def article(number: int) -> dict[str, Any]:
    return {"text": f"The ferry to Harborview carried {number} passengers on Tuesday, the operator said."}


def fields(header: str) -> dict[str, str]:
    """The items of a list header by their quoted names."""
    return {item.partition(";")[0].strip('"'): item.partition(";")[2] for item in header.split(", ")}


def test_requests_over_the_limit_are_429_and_say_when_to_come_again(
    serve: Callable[..., httpx.Client], keys_file: Path, key: Callable[..., dict[str, str]]
) -> None:
    headers = key("cms", requests_per_day=3)
    client = serve(keys_file=str(keys_file))
    answers = [client.get("/v1/prompts", headers=headers) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert fields(answers[0].headers["RateLimit-Policy"]) == {"day": "q=3;w=86400"}
    assert [fields(answer.headers["RateLimit"])["day"].partition(";")[0] for answer in answers] == [
        "r=2",
        "r=1",
        "r=0",
        "r=0",
    ]
    refused = answers[3]
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json()["type"] == "urn:standfirst:problem:too-many-requests"
    until_midnight = 86_400 - time.time() % 86_400
    assert abs(int(refused.headers["Retry-After"]) - until_midnight) < 60
    assert client.get("/healthz").status_code == 200


def test_tokens_over_the_limit_of_a_key_are_429_and_cached_summaries_are_not(
    serve: Callable[..., httpx.Client], keys_file: Path, key: Callable[..., dict[str, str]], mock_llm: MockLLM
) -> None:
    headers = key("cms", usd_per_day=0.002)
    client = serve(keys_file=str(keys_file), model=MODEL)
    assert client.post("/v1/summaries", json=article(1), headers=headers).status_code == 200
    number = 2
    while (answer := client.post("/v1/summaries", json=article(number), headers=headers)).status_code == 200:
        assert not answer.json()["degraded"]
        number += 1
    asked = mock_llm.stats.calls
    assert answer.status_code == 429
    assert answer.json()["type"] == "urn:standfirst:problem:limit-used-up"
    assert int(answer.headers["Retry-After"]) > 0
    assert mock_llm.stats.calls == asked
    assert client.post("/v1/summaries", json=article(1), headers=headers).status_code == 200
    assert client.post("/v1/summaries", json=article(number), headers=key("other")).status_code in (200, 401)


def test_spent_budget_leaves_sentences_of_the_article(
    serve: Callable[..., httpx.Client], mock_llm: MockLLM
) -> None:
    client = serve(model=MODEL, daily_budget_usd=1e-6)
    answer = client.post("/v1/summaries", json=article(1))
    assert answer.status_code == 200
    assert answer.json()["degraded"]
    assert [warning["code"] for warning in answer.json()["warnings"]] == ["model_unavailable"]
    assert "Today's budget is spent" in answer.json()["warnings"][0]["message"]
    assert mock_llm.stats.calls == 0


def test_spent_budget_refuses_where_that_is_set(
    serve: Callable[..., httpx.Client], mock_llm: MockLLM
) -> None:
    client = serve(model=MODEL, daily_budget_usd=1e-6, when_spent="refuse")
    answer = client.post("/v1/summaries", json=article(1))
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:standfirst:problem:budget-spent"
    assert int(answer.headers["Retry-After"]) > 0
    assert mock_llm.stats.calls == 0


def test_budget_that_is_nearly_spent_shows_in_readiness(serve: Callable[..., httpx.Client]) -> None:
    client = serve(model=MODEL, daily_budget_usd=0.001)
    number = 0
    while not client.post("/v1/summaries", json=article(number)).json()["degraded"]:
        number += 1
    assert number > 0
    assert "today's budget of $0.001 is spent" in client.get("/readyz").json()["problems"]["budget"]


def test_budget_outlives_the_process(serve: Callable[..., httpx.Client]) -> None:
    first = serve(model=MODEL, daily_budget_usd=0.001)
    number = 10
    while not first.post("/v1/summaries", json=article(number)).json()["degraded"]:
        number += 1
    second = serve(model=MODEL, daily_budget_usd=0.001)
    assert second.post("/v1/summaries", json=article(1)).json()["degraded"]


def test_budget_for_a_model_without_a_price_stops_the_start() -> None:
    settings = Settings(
        openai_base_url="http://127.0.0.1:1",
        model="nobody-knows-it",
        cache_url="memory://",
        daily_budget_usd=1,
    )
    with pytest.raises(SettingError, match="STANDFIRST_DAILY_BUDGET_USD: the price of nobody-knows-it"):
        create_app(settings)


def test_usage_is_that_of_the_own_key_and_of_all_for_the_scope_metrics(
    serve: Callable[..., httpx.Client], keys_file: Path, key: Callable[..., dict[str, str]]
) -> None:
    cms, desk = key("cms"), key("desk")
    _, token = create(keys_file, "operator", ["metrics"], Limits())
    operator = {"Authorization": f"Bearer {token}"}
    client = serve(keys_file=str(keys_file), model=MODEL)
    client.post("/v1/summaries", json=article(1), headers=cms)
    client.post("/v1/summaries", json=article(1), headers=desk)  # a hit, which costs nothing
    client.post("/v1/summaries", json=article(2), headers=desk)
    own = client.get("/v1/usage", headers=cms).json()
    (line,) = own["lines"]
    assert (line["llm_calls"], line["model"], line["prompt"]) == (1, MODEL, "article@1")
    assert line["cost_usd"] == own["cost_usd"] > 0
    everybody = client.get("/v1/usage", params={"key": "all"}, headers=operator).json()
    assert sorted(line["llm_calls"] for line in everybody["lines"]) == [1, 1]
    assert client.get("/v1/usage", params={"key": line["key"]}, headers=operator).json() == own
    assert client.get("/v1/usage", headers=operator).json()["lines"] == []
    for someone in ("all", line["key"]):
        assert client.get("/v1/usage", params={"key": someone}, headers=desk).status_code == 403


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"since": "2026-11-01", "until": "2026-11-25"}, 200),
        ({"since": "2026-11-02", "until": "2026-11-01"}, 422),
        ({"since": "2000-01-01"}, 422),
        ({"until": "0001-01-01"}, 200),
        ({"until": "9999-12-31", "since": "9999-12-31"}, 200),
        ({"since": "yesterday"}, 422),
    ],
)
def test_usage_of_days_that_cannot_be_is_an_error(
    service: httpx.Client, query: dict[str, str], status: int
) -> None:
    assert service.get("/v1/usage", params=query).status_code == status
