"""Articles over one call: read in chunks, combined, and paid for again only where they change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx
import msgspec
import pytest

from bench.mock_llm import MockLLM, Reply
from service.models import Summary

SEEDS = Path(__file__).parent.parent.parent / "seeds"
LONG_READ = (SEEDS / "02-water-long-read.txt").read_text(encoding="utf-8")
CONFIG = "[small]\ncontext_window = 6000\nmax_output_tokens = 400\ntoken_factor = 1.0\n"

Serve = Callable[..., httpx.Client]


@pytest.fixture
def small(serve: Serve, tmp_path: Path) -> httpx.Client:
    """A client of a service whose model has a small window."""
    return serve(model="small", models_file=window(tmp_path))


def window(folder: Path) -> str:
    (folder / "models.toml").write_text(CONFIG, encoding="utf-8")
    return str(folder / "models.toml")


def post(client: httpx.Client, text: str = LONG_READ, **options: object) -> Summary:
    answer = client.post("/v1/summaries", json={"text": text, **options})
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.content, type=Summary)


def paragraphs_of(text: str) -> list[str]:
    return text.split("\n\n")


def prompts(mock_llm: MockLLM) -> list[str]:
    return [str(request["messages"][-1]["content"]) for request in mock_llm.requests]


def test_long_article_is_read_in_chunks_and_combined(small: httpx.Client, mock_llm: MockLLM) -> None:
    summary = post(small)
    assert summary.article.chunks >= 10
    assert summary.usage.llm_calls == mock_llm.stats.calls == summary.article.chunks + 1
    assert (summary.article.truncated, summary.degraded) == (False, False)


def test_model_reads_every_paragraph(small: httpx.Client, mock_llm: MockLLM) -> None:
    post(small)
    read = "\n".join(prompts(mock_llm))
    unquoted = [p for p in paragraphs_of(LONG_READ) if "“" not in p]
    assert len(unquoted) > 30
    assert [p for p in unquoted if p.strip() not in read] == []


def test_quotes_of_a_long_article_are_exact(small: httpx.Client) -> None:
    quotes = post(small, max_quotes=20).key_quotes
    assert quotes
    assert [q.text for q in quotes] == [LONG_READ[q.start : q.end] for q in quotes]


def test_evidence_of_a_long_article_lies_within_it(small: httpx.Client) -> None:
    spans = [e for s in post(small).sentences for e in s.evidence]
    assert spans
    assert all(0 <= e.start < e.end <= len(LONG_READ) for e in spans)


def test_usage_of_a_long_article_counts_every_call(small: httpx.Client, mock_llm: MockLLM) -> None:
    usage = post(small).usage
    assert usage.input_tokens == mock_llm.stats.input_tokens
    assert usage.output_tokens == mock_llm.stats.output_tokens


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0])
def test_changed_paragraph_costs_three_calls_at_most(
    small: httpx.Client, mock_llm: MockLLM, share: float
) -> None:
    assert post(small).article.chunks >= 10
    before = mock_llm.stats.calls
    paragraphs = paragraphs_of(LONG_READ)
    at = round(share * (len(paragraphs) - 1))
    paragraphs[at] = f"{paragraphs[at]} The figures were corrected on Tuesday."
    post(small, "\n\n".join(paragraphs))
    assert 1 <= mock_llm.stats.calls - before <= 3


def test_another_style_costs_one_call(small: httpx.Client, mock_llm: MockLLM) -> None:
    post(small)
    before = mock_llm.stats.calls
    assert post(small, style="bullets").usage.llm_calls == 1
    assert mock_llm.stats.calls == before + 1


def test_deleted_summary_takes_its_notes_along(small: httpx.Client, mock_llm: MockLLM) -> None:
    first = post(small)
    small.delete(f"/v1/summaries/{first.id}")
    assert post(small).usage.llm_calls == first.usage.llm_calls
    assert mock_llm.stats.calls == 2 * first.usage.llm_calls


def test_calls_for_one_article_are_bounded(serve: Serve, mock_llm: MockLLM, tmp_path: Path) -> None:
    mock_llm.configure(first_token_s=0.05)
    post(serve(model="small", models_file=window(tmp_path), chunk_concurrency=3))
    assert mock_llm.stats.most_in_flight == 3


def test_calls_of_the_service_are_bounded(serve: Serve, mock_llm: MockLLM, tmp_path: Path) -> None:
    mock_llm.configure(first_token_s=0.05)
    post(serve(model="small", models_file=window(tmp_path), llm_concurrency=2))
    assert mock_llm.stats.most_in_flight == 2


def test_part_beyond_the_limit_is_told_of(serve: Serve, mock_llm: MockLLM, tmp_path: Path) -> None:
    summary = post(serve(model="small", models_file=window(tmp_path), max_chunks=3))
    assert (summary.article.truncated, summary.article.chunks) == (True, 3)
    assert [w.code for w in summary.warnings] == ["article_truncated"]
    assert mock_llm.stats.calls == 4


def test_chunk_that_fails_is_stood_in_for(small: httpx.Client, mock_llm: MockLLM) -> None:
    mock_llm.script(Reply(kind="refusal"))
    summary = post(small)
    assert summary.degraded
    assert [w.code for w in summary.warnings] == ["chunks_without_model"]


def test_chunks_that_did_not_fail_are_not_paid_for_again(small: httpx.Client, mock_llm: MockLLM) -> None:
    mock_llm.script(Reply(kind="refusal"))
    post(small)
    healed = post(small)
    assert not healed.degraded
    assert healed.usage.llm_calls == 2  # the chunk that had failed, and the notes combined


def test_article_whose_chunks_all_fail_is_summarized_by_its_sentences(
    small: httpx.Client, mock_llm: MockLLM
) -> None:
    mock_llm.configure(always=Reply(kind="refusal"))
    summary = post(small)
    assert "model_unavailable" in [w.code for w in summary.warnings]
    assert summary.sentences


def test_notes_that_do_not_fit_are_combined_in_rounds(
    serve: Serve, mock_llm: MockLLM, tmp_path: Path
) -> None:
    (tmp_path / "models.toml").write_text(CONFIG.replace("6000", "3000"), encoding="utf-8")
    summary = post(serve(model="small", models_file=str(tmp_path / "models.toml")))
    assert summary.usage.llm_calls > summary.article.chunks + 1
    assert not summary.degraded
    assert any("Write shorter notes" in prompt for prompt in prompts(mock_llm))


async def test_two_hundred_thousand_words_hold_up_nobody(service: httpx.Client, mock_llm: MockLLM) -> None:
    sentence = "The water board of Lindhaven met on day {} of the drought and voted to ration what was left. "
    text = "\n\n".join("".join(sentence.format(f"{n}-{m}") for m in range(6)) for n in range(1900))
    assert len(text.split()) >= 200_000
    short = {"text": paragraphs_of(LONG_READ)[2]}
    await asyncio.to_thread(service.post, "/v1/summaries", json=short)
    calls = mock_llm.stats.calls
    mock_llm.configure(always=Reply(kind="hang"))
    async with httpx.AsyncClient(base_url=service.base_url, timeout=60, trust_env=False) as client:
        long = asyncio.create_task(client.post("/v1/summaries", json={"text": text}))
        await asyncio.to_thread(mock_llm.wait_until, lambda stats: stats.calls > calls)
        hit = await client.post("/v1/summaries", json=short)
        assert hit.headers["Cache-Status"] == "Standfirst; hit"
        assert (await client.get("/healthz")).status_code == 200
        assert not long.done()
        long.cancel()


def test_two_hundred_thousand_words_are_answered(service: httpx.Client) -> None:
    text = "\n\n".join(
        f"Well {n} of Lindhaven fell dry in week {n % 52}, its keeper said." for n in range(17_000)
    )
    assert len(text.split()) >= 200_000
    summary = post(service, text)
    assert summary.article.chunks > 10
    assert not summary.degraded
