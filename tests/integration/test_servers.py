"""Several servers: fallbacks behind the first, and processes that share a Redis."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest

from bench.mock_llm import MockLLM, Reply
from service.errors import SettingError
from service.settings import FallbackServer, Secret, Settings

BODY = {
    "text": "The ferry to Marn was stopped on Monday by ice.\n\n"
    "“We wait for the thaw,” said Captain Ilse Brandt."
}
DOWN = Reply(kind="status", status=500)

if TYPE_CHECKING:
    from tests.conftest import RedisServer

Serve = Callable[..., httpx.Client]


def test_fallback_server_answers_where_the_first_does_not(serve: Serve, mock_llm: MockLLM) -> None:
    mock_llm.configure(always=DOWN)
    with MockLLM() as second:
        fallback = FallbackServer(model="gpt-4o-mini", base_url=second.base_url, api_key=Secret("other"))
        answer = serve(fallbacks=(fallback,)).post("/v1/summaries", json=BODY).json()

        assert not answer["degraded"]
        assert [r["model"] for r in second.requests] == ["gpt-4o-mini"]
        assert answer["usage"]["llm_calls"] == 1


def test_server_that_keeps_failing_is_left_alone(serve: Serve, mock_llm: MockLLM) -> None:
    mock_llm.configure(always=DOWN)
    client = serve(breaker_failures=2, fallback="none")
    statuses = [client.post("/v1/summaries", json=BODY | {"title": f"Try {n}"}) for n in range(5)]

    assert [r.status_code for r in statuses] == [502, 502, 503, 503, 503]
    assert mock_llm.stats.calls == 2
    assert int(statuses[-1].headers["Retry-After"]) > 0


def test_full_waiting_room_answers_at_once(serve: Serve, mock_llm: MockLLM) -> None:
    mock_llm.configure(always=Reply(kind="hang"))
    client = serve(llm_concurrency=1, llm_max_waiting=0, fallback="none", deadline_s=5.0)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.post, "/v1/summaries", json=BODY)
        mock_llm.wait_until(lambda stats: stats.in_flight == 1)
        answer = client.post("/v1/summaries", json=BODY | {"title": "Another"})

        assert (answer.status_code, answer.json()["type"]) == (503, "urn:standfirst:problem:model-busy")
        first.result()


def test_processes_that_share_a_redis_pay_once(serve: Serve, mock_llm: MockLLM, redis_url: str) -> None:
    clients = [serve(cache_url=redis_url), serve(cache_url=redis_url)]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda n: clients[n % 2].post("/v1/summaries", json=BODY), range(20)))

    assert mock_llm.stats.calls == 1
    assert len({a.json()["created_at"] for a in answers}) == 1


@pytest.mark.parametrize(
    "value", ["{", '[{"model": "m"}]', '[{"model": "m", "base_url": "ftp://x"}]', '[{"modle": "m"}]']
)
def test_wrong_fallbacks_name_the_variable_and_hide_the_value(value: str) -> None:
    with pytest.raises(SettingError, match="STANDFIRST_FALLBACKS") as caught:
        Settings.from_env({"STANDFIRST_FALLBACKS": value})

    assert value not in str(caught.value)


def test_cache_that_is_away_is_told_of_and_gone_on_without(
    serve: Serve, mock_llm: MockLLM, redis_server: RedisServer
) -> None:
    service = serve(cache_url=redis_server.url)
    made = service.post("/v1/summaries", json=BODY)
    assert made.headers["Cache-Status"] == "Standfirst; fwd=miss; stored"
    redis_server.kill()
    other = service.post("/v1/summaries", json={"text": BODY["text"] + " It went on."})
    assert other.status_code == 200
    known = service.post("/v1/summaries", json=BODY)
    assert known.headers["Cache-Status"] == "Standfirst; hit; detail=cache-degraded"
    health = service.get("/readyz").json()
    assert health["status"] == "degraded"
    assert "cache" in health["problems"]
    assert mock_llm.stats.calls == 2
