"""It answers when the model does not, and says so; without a fallback it says what is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest

from bench.mock_llm import MockLLM, Reply

ARTICLE = (
    "The tram line to Vestra Quay was closed on Friday after a landslide, the operator Lumo said. It carries"
    " 14,000 passengers a day.\n\n"
    "“We will run buses by Sunday,” said Tora Ek, who heads Lumo. “Nobody was hurt, and that is what counts.”"
)
BODY = {"text": ARTICLE}
THROTTLED = Reply(kind="status", status=429, headers={"Retry-After": "7"})
DOWN = Reply(kind="status", status=500)

Serve = Callable[..., httpx.Client]


def post(client: httpx.Client, **options: object) -> httpx.Response:
    return client.post("/v1/summaries", json={**BODY, **options})


def closed_port(mock_llm: MockLLM) -> str:
    """The address of a server that is not there: port 1 of the loopback interface is nobody's."""
    return mock_llm.base_url.rpartition(":")[0] + ":1/v1"


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (DOWN, "The model failed"),
        (THROTTLED, "The provider is throttling"),
        (Reply(kind="status", status=401), "The model's provider does not accept the API key"),
        (Reply(kind="status", status=404), "The provider does not know the model"),
        (Reply(kind="reset"), "The model's server could not be reached"),
        (Reply(kind="cut"), "The model's server could not be reached"),
        (Reply(kind="not_json"), "The model failed"),
        (Reply(kind="no_choices"), "The model failed"),
        (Reply(kind="refusal"), "The model declined to summarize the article"),
        (Reply(kind="content_filter"), "The model declined to summarize the article"),
        (Reply(text=""), "The model's answer could not be read"),
    ],
    ids=lambda value: f"{value.kind}-{value.status}" if isinstance(value, Reply) else "",
)
def test_sentences_of_the_article_stand_in_for_a_model_that_fails(
    service: httpx.Client, mock_llm: MockLLM, reply: Reply, problem: str
) -> None:
    mock_llm.configure(always=reply)
    answer = post(service)
    summary = answer.json()
    assert (answer.status_code, summary["degraded"]) == (200, True)
    assert summary["sentences"]
    assert all(s["text"] in ARTICLE for s in summary["sentences"])
    assert all(ARTICLE[q["start"] : q["end"]] == q["text"] for q in summary["key_quotes"])
    warning = next(w for w in summary["warnings"] if w["code"] == "model_unavailable")
    assert warning["message"].startswith(problem)


def test_article_is_answered_where_there_is_no_server(serve: Serve, mock_llm: MockLLM) -> None:
    summary = post(serve(openai_base_url=closed_port(mock_llm))).json()
    assert summary["degraded"]
    assert "could not be reached" in summary["warnings"][0]["message"]


def test_model_that_is_silent_is_waited_for_no_longer_than_its_time(serve: Serve, mock_llm: MockLLM) -> None:
    mock_llm.configure(always=Reply(kind="hang"))
    summary = post(serve(llm_timeout_s=0.2)).json()
    assert "did not answer in time" in summary["warnings"][0]["message"]


def test_model_that_drips_is_waited_for_no_longer_than_the_deadline(serve: Serve, mock_llm: MockLLM) -> None:
    mock_llm.configure(always=Reply(kind="drip"))
    summary = post(serve(deadline_s=0.3)).json()
    assert summary["degraded"]
    assert "did not answer in time" in summary["warnings"][0]["message"]


def test_degraded_answer_is_not_kept(service: httpx.Client, mock_llm: MockLLM) -> None:
    mock_llm.script(DOWN)
    degraded = post(service)
    assert degraded.headers["Cache-Status"] == "Standfirst; fwd=miss"
    assert service.get(f"/v1/summaries/{degraded.json()['id']}").status_code == 404


def test_healthy_again_means_a_real_summary(service: httpx.Client, mock_llm: MockLLM) -> None:
    mock_llm.script(DOWN)
    assert post(service).json()["degraded"]
    healed = post(service)
    assert (healed.json()["degraded"], healed.json()["warnings"]) == (False, [])
    assert healed.headers["Cache-Status"] == "Standfirst; fwd=miss; stored"


def test_failed_call_is_tried_again(serve: Serve, mock_llm: MockLLM) -> None:
    mock_llm.script(Reply(kind="status", status=503, headers={"Retry-After": "0"}))
    summary = post(serve(llm_attempts=2)).json()
    assert not summary["degraded"]
    assert mock_llm.stats.calls == 2
    assert summary["usage"]["llm_calls"] == 1


@pytest.mark.parametrize(
    ("reply", "status", "kind"),
    [
        (DOWN, 502, "model-failed"),
        (Reply(kind="status", status=401), 502, "model-failed"),
        (Reply(kind="refusal"), 502, "model-failed"),
        (Reply(text="[]"), 502, "model-failed"),
        (THROTTLED, 503, "model-throttled"),
        (Reply(kind="reset"), 503, "model-unreachable"),
        (Reply(kind="hang"), 504, "model-timeout"),
    ],
    ids=lambda value: value.kind if isinstance(value, Reply) else value,
)
def test_without_a_fallback_the_failure_is_told(
    serve: Serve, mock_llm: MockLLM, reply: Reply, status: int, kind: str
) -> None:
    mock_llm.configure(always=reply)
    answer = post(serve(fallback="none", llm_timeout_s=0.5))
    assert answer.status_code == answer.json()["status"] == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == f"urn:standfirst:problem:{kind}"
    assert "Ek" not in answer.text


def test_throttling_tells_when_to_come_again(serve: Serve, mock_llm: MockLLM) -> None:
    mock_llm.configure(always=THROTTLED)
    assert post(serve(fallback="none")).headers["Retry-After"] == "7"


def test_failure_is_told_anew_to_the_next_who_asks(serve: Serve, mock_llm: MockLLM) -> None:
    service = serve(fallback="none")
    mock_llm.script(DOWN)
    assert [post(service).status_code, post(service).status_code] == [502, 200]


async def test_failure_reaches_all_who_wait(serve: Serve, mock_llm: MockLLM) -> None:
    service = serve(fallback="none")
    mock_llm.configure(first_token_s=0.5, always=Reply(kind="refusal"))
    async with httpx.AsyncClient(base_url=service.base_url, timeout=60, trust_env=False) as client:
        answers = await asyncio.gather(*(client.post("/v1/summaries", json=BODY) for _ in range(10)))
    assert {a.status_code for a in answers} == {502}
    assert mock_llm.stats.calls == 1


def test_summary_that_cannot_be_made_anew_is_given_again_and_says_so(
    service: httpx.Client, mock_llm: MockLLM
) -> None:
    made = post(service).json()
    mock_llm.configure(always=DOWN)
    again = service.post("/v1/summaries", json=BODY, headers={"Cache-Control": "no-cache"})
    older = again.json()
    assert again.headers["Cache-Status"] == "Standfirst; fwd=request"
    assert [w["code"] for w in older["warnings"]] == ["older_summary"]
    assert older | {"warnings": []} == made
    assert post(service).json() == made


def test_summary_is_given_again_where_there_is_no_fallback(serve: Serve, mock_llm: MockLLM) -> None:
    service = serve(fallback="none")
    made = post(service).json()
    mock_llm.configure(always=THROTTLED)
    older = service.post("/v1/summaries", json=BODY, headers={"Cache-Control": "no-cache"}).json()
    assert (older["created_at"], older["warnings"][0]["code"]) == (made["created_at"], "older_summary")


def test_embargoed_request_gets_no_older_summary(service: httpx.Client, mock_llm: MockLLM) -> None:
    post(service)
    mock_llm.configure(always=DOWN)
    answer = service.post("/v1/summaries", json=BODY, headers={"Cache-Control": "no-store"})
    assert answer.json()["degraded"]
