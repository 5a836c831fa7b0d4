"""`POST /v1/summaries` over real HTTP, before a model that answers as it should: every field is true."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import msgspec
import pytest

from bench.mock_llm import MockLLM
from service.models import Summary
from service.tokens import get_encoding

ARTICLE = (
    "TARNMOUTH — The harbour board of Tarnmouth voted 6-1 on Thursday to spend 4.2 million crowns on a new"
    " lifeboat station. Work starts in March and takes two years.\n\n"
    "“We have buried too many fishermen to haggle over a boathouse,” said Odile Brandt, who chairs the board."
    "\n\n"
    "Piet Lund, the one member who voted no, said the money was needed for the breakwater. “A boat is no use"
    " when the harbour itself is gone,” he said."
)


def post(client: httpx.Client, text: str = ARTICLE, **options: object) -> Summary:
    response = client.post("/v1/summaries", json={"text": text, **options})
    assert response.status_code == 200, response.text
    return msgspec.json.decode(response.content, type=Summary)


def prompt_of(mock_llm: MockLLM) -> str:
    return str(mock_llm.requests[-1]["messages"][-1]["content"])


def test_quotes_stand_in_the_article_at_their_offsets(service: httpx.Client) -> None:
    summary = post(service)
    assert [ARTICLE[q.start : q.end] for q in summary.key_quotes] == [
        "We have buried too many fishermen to haggle over a boathouse,",
        "A boat is no use when the harbour itself is gone,",
    ]
    assert [q.text for q in summary.key_quotes] == [ARTICLE[q.start : q.end] for q in summary.key_quotes]


def test_speakers_stand_in_the_article_at_their_offsets(service: httpx.Client) -> None:
    speakers = [q.speaker for q in post(service).key_quotes if q.speaker]
    assert [s.name for s in speakers] == ["Odile Brandt", "Piet Lund"]
    assert [s.name for s in speakers] == [ARTICLE[s.start : s.end] for s in speakers]


def test_summary_is_its_sentences(service: httpx.Client) -> None:
    summary = post(service)
    assert summary.summary == " ".join(s.text for s in summary.sentences)


def test_evidence_of_a_copied_sentence_is_that_sentence(service: httpx.Client) -> None:
    copied = next(s for s in post(service).sentences if s.text.startswith("Work starts"))
    assert copied.support == "supported"
    assert ARTICLE[copied.evidence[0].start : copied.evidence[0].end] == copied.text


def test_article_is_described(service: httpx.Client) -> None:
    article = post(service).article
    tokens = len(get_encoding("o200k_base").encode(ARTICLE))
    assert article.digest == f"sha256:{hashlib.sha256(ARTICLE.encode()).hexdigest()}"
    assert (article.tokens, article.chunks, article.truncated) == (tokens, 1, False)


def test_usage_is_what_the_provider_counted(service: httpx.Client, mock_llm: MockLLM) -> None:
    mock_llm.configure(cached_input_tokens=7)
    usage = post(service).usage
    assert usage.llm_calls == mock_llm.stats.calls == 1
    assert usage.input_tokens == mock_llm.stats.input_tokens
    assert usage.output_tokens == mock_llm.stats.output_tokens
    assert usage.cached_input_tokens == 7


def test_cost_follows_the_catalogue(service: httpx.Client) -> None:
    summary = post(service, model=None)
    assert summary.model == "gpt-6-luna"
    expected = (summary.usage.input_tokens * 0.10 + summary.usage.output_tokens * 0.50) / 1e6
    assert summary.usage.cost_usd == pytest.approx(expected)


def test_cost_of_a_model_without_a_price_is_unknown(serve: Callable[..., httpx.Client]) -> None:
    assert post(serve(model="house-model")).usage.cost_usd is None


def test_cost_is_unknown_where_the_server_does_not_count(service: httpx.Client, mock_llm: MockLLM) -> None:
    mock_llm.configure(usage=False)
    usage = post(service).usage
    assert (usage.llm_calls, usage.cost_usd) == (1, None)


def test_prompt_is_named_as_it_is_listed(service: httpx.Client) -> None:
    listed = {p["name"]: p["digest"] for p in service.get("/v1/prompts").json()}
    prompt = post(service).prompt
    assert prompt is not None
    assert (prompt.name, prompt.version, prompt.digest) == ("article", 1, listed["article"])


def test_time_of_making_is_told(service: httpx.Client) -> None:
    before = datetime.now(UTC)
    assert before <= post(service).created_at <= datetime.now(UTC)


def test_nothing_is_degraded_or_warned_of_on_a_good_day(service: httpx.Client) -> None:
    summary = post(service)
    assert (summary.degraded, summary.warnings, summary.rejected_quotes) == (False, [], [])
    assert (summary.style, summary.language, summary.policy) == ("brief", "en", "flag")


def test_standfirst_is_one_sentence(service: httpx.Client) -> None:
    summary = post(service, style="standfirst")
    assert len(summary.sentences) == 1
    assert summary.style == "standfirst"


def test_bullets_are_lines(service: httpx.Client) -> None:
    summary = post(service, style="bullets")
    assert summary.summary.splitlines() == [f"- {s.text}" for s in summary.sentences]


def test_no_quotes_where_none_are_wanted(service: httpx.Client) -> None:
    assert post(service, max_quotes=0).key_quotes == []


def test_model_is_not_offered_more_quotes_than_wanted(service: httpx.Client, mock_llm: MockLLM) -> None:
    assert len(post(service, max_quotes=1).key_quotes) == 1
    assert "at most 1, by id" in prompt_of(mock_llm)


def test_twenty_quotes_can_be_asked_for(service: httpx.Client) -> None:
    text = "\n\n".join(
        f"“We counted the seals on skerry number {n} twice,” said Nora Vik." for n in range(30)
    )
    assert 0 < len(post(service, text, max_quotes=20, model="extractive").key_quotes) <= 20


def test_language_is_asked_of_the_model(service: httpx.Client, mock_llm: MockLLM) -> None:
    post(service, language="pt-BR")
    assert "Write in Portuguese (Brazil)." in [
        line for r in mock_llm.requests for line in r["messages"][-1]["content"].splitlines()
    ]


def test_title_is_shown_to_the_model(service: httpx.Client, mock_llm: MockLLM) -> None:
    post(service, title="Tarnmouth gets its boat")
    assert "Headline: Tarnmouth gets its boat" in prompt_of(mock_llm)


def test_callers_own_data_comes_back(service: httpx.Client) -> None:
    own: dict[str, object] = {"desk": "coast", "issue": 12, "urgent": True, "note": None}
    summary = post(service, article_id="cms-77", metadata=own)
    assert (summary.article_id, summary.metadata) == ("cms-77", own)


def test_answer_with_the_callers_own_data_is_not_the_one_that_is_kept(service: httpx.Client) -> None:
    kept = {"etag", "content-location"}
    plain = service.post("/v1/summaries", json={"text": ARTICLE})
    own = service.post("/v1/summaries", json={"text": ARTICLE, "article_id": "cms-77"})
    assert kept <= set(plain.headers)
    assert kept.isdisjoint(own.headers)


def test_callers_own_data_is_kept_out_of_the_cache(service: httpx.Client) -> None:
    first = post(service, article_id="cms-77", metadata={"desk": "coast"})
    kept = service.get(f"/v1/summaries/{first.id}").json()
    assert "article_id" not in kept
    assert "metadata" not in kept
    assert post(service, article_id="cms-78").article_id == "cms-78"


def test_plain_text_takes_its_options_from_the_query(service: httpx.Client) -> None:
    response = service.post(
        "/v1/summaries",
        params={"style": "bullets", "max_quotes": "1", "title": "A boat", "article_id": "a 1"},
        content=ARTICLE.encode(),
        headers={"Content-Type": "text/plain; charset=utf-8"},
    )
    summary = msgspec.json.decode(response.content, type=Summary)
    assert (summary.style, len(summary.key_quotes), summary.article_id) == ("bullets", 1, "a 1")


def test_plain_text_and_json_are_the_same_request(service: httpx.Client) -> None:
    plain = service.post("/v1/summaries", content=ARTICLE, headers={"Content-Type": "text/plain"})
    assert plain.json()["id"] == post(service).id


def test_plain_text_may_be_in_another_charset(service: httpx.Client) -> None:
    response = service.post(
        "/v1/quotes",
        content="«Wir bleiben in der Stadt», sagte Jörg Müßig.".encode("latin-1"),
        headers={"Content-Type": "text/plain; charset=iso-8859-1"},
    )
    assert response.json()["quotes"][0]["text"] == "Wir bleiben in der Stadt"


def test_byte_order_mark_of_plain_text_is_no_part_of_it(service: httpx.Client) -> None:
    response = service.post(
        "/v1/quotes", content=b"\xef\xbb\xbf" + ARTICLE.encode(), headers={"Content-Type": "text/plain"}
    )
    assert response.json()["article_digest"] == f"sha256:{hashlib.sha256(ARTICLE.encode()).hexdigest()}"


def test_extractive_model_asks_nobody(service: httpx.Client, mock_llm: MockLLM) -> None:
    summary = post(service, model="extractive")
    assert mock_llm.stats.calls == 0
    assert all(s.text in " ".join(ARTICLE.split()) for s in summary.sentences)
    assert (summary.model, summary.prompt, summary.degraded) == ("extractive", None, False)
    assert (summary.usage.llm_calls, summary.usage.cost_usd) == (0, 0.0)


def test_further_models_can_be_named_by_a_request(
    serve: Callable[..., httpx.Client], mock_llm: MockLLM
) -> None:
    service = serve(models=("gpt-4o-mini",))
    assert post(service, model="gpt-4o-mini").model == "gpt-4o-mini"
    assert mock_llm.requests[-1]["model"] == "gpt-4o-mini"


def test_pinned_prompt_is_the_one_used(service: httpx.Client) -> None:
    prompt = post(service, prompt="article-small@1").prompt
    assert prompt is not None
    assert (prompt.name, prompt.version) == ("article-small", 1)


def test_model_is_asked_for_the_schema_of_the_prompt(service: httpx.Client, mock_llm: MockLLM) -> None:
    post(service)
    assert mock_llm.requests[-1]["response_format"]["json_schema"]["strict"] is True


@pytest.mark.parametrize("lacking", [["json_schema"], ["json_schema", "json_object"]])
def test_server_that_lacks_structured_output_is_asked_in_its_own_way(
    serve: Callable[..., httpx.Client], mock_llm: MockLLM, lacking: list[str]
) -> None:
    mock_llm.configure(rejects=lacking)
    summary = post(serve(model="house-model"))
    assert not summary.degraded
    assert len(summary.key_quotes) == 2


def test_quotes_are_found_without_a_model(service: httpx.Client, mock_llm: MockLLM) -> None:
    found = service.post("/v1/quotes", json={"text": ARTICLE, "article_id": "q1"}).json()
    assert [ARTICLE[q["start"] : q["end"]] for q in found["quotes"]] == [q["text"] for q in found["quotes"]]
    assert [q["speaker"]["name"] for q in found["quotes"]] == ["Odile Brandt", "Piet Lund"]
    assert (found["language"], found["article_id"], mock_llm.stats.calls) == ("en", "q1", 0)


def test_service_tells_that_it_is_alive_and_ready(service: httpx.Client) -> None:
    assert service.get("/healthz").json() == {"status": "ok", "problems": {}}
    assert service.get("/readyz").json() == {"status": "ok", "problems": {}}


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v1/prompts", "/schema/openapi.json"])
def test_head_is_answered_as_get_without_the_body(service: httpx.Client, path: str) -> None:
    got, asked = service.get(path), service.head(path)
    assert (asked.status_code, asked.content) == (200, b"")
    assert asked.headers["Content-Length"] == got.headers["Content-Length"]


def test_schema_is_served_without_anything_from_elsewhere(service: httpx.Client) -> None:
    schema = service.get("/schema")
    assert "/v1/summaries" in schema.json()["paths"]


def test_cache_that_cannot_be_used_is_told_of_by_readyz(serve: Callable[..., httpx.Client]) -> None:
    service = serve(cache_url="sqlite:////dev/null/cache.sqlite3")
    assert post(service).usage.llm_calls == 1
    ready = service.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    assert "cache" in ready.json()["problems"]
