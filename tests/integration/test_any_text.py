"""Any text at all through the service: exact offsets, nothing lost, never a fault of the service."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import positive_data_acceptance

SHARED = Path(__file__).parents[3] / "shared"
SEEDS = sorted((Path(__file__).parents[2] / "seeds").glob("*.txt"))

# The service is the same for all examples, and keeps nothing between them that could matter.
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

_news = st.lists(
    st.sampled_from(
        [
            "“We stay,” ",
            "said ",
            "Ada Lund. ",
            '"No"',
            "«Oui» ",
            "「はい」",
            "\n\n",
            " ",
            "3 million ",
            "\u202e",
            "🚢",
            "— ",
        ]
    ),
    max_size=60,
).map("".join)
_texts = st.one_of(st.text(min_size=1, max_size=400), _news)


def check_exact(text: str, summary: dict[str, object]) -> None:
    for quote in summary["key_quotes"]:  # type: ignore[attr-defined]
        assert text[quote["start"] : quote["end"]] == quote["text"]
        if (speaker := quote["speaker"]) is not None:
            assert text[speaker["start"] : speaker["end"]] == speaker["name"]
    for sentence in summary["sentences"]:  # type: ignore[attr-defined]
        assert all(0 <= e["start"] < e["end"] <= len(text) for e in sentence["evidence"])


def check_summary(client: httpx.Client, text: str) -> None:
    answer = client.post("/v1/summaries", json={"text": text, "model": "extractive", "max_quotes": 20})
    assert answer.status_code == 200, answer.text
    summary = answer.json()
    assert summary["summary"].strip()
    check_exact(text, summary)


def check_quotes(client: httpx.Client, text: str) -> None:
    answer = client.post("/v1/quotes", json={"text": text})
    assert answer.status_code == 200, answer.text
    assert [text[q["start"] : q["end"]] for q in answer.json()["quotes"]] == [
        q["text"] for q in answer.json()["quotes"]
    ]


@quick
@given(text=_texts)
def test_any_text_is_summarized_exactly_or_refused(extractive: httpx.Client, text: str) -> None:
    content = json.dumps({"text": text, "max_quotes": 20}, ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )
    answer = extractive.post("/v1/summaries", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in (200, 400, 422)
    if answer.status_code == 200:
        check_exact(text, answer.json())


@quick
@given(text=_news.filter(str.strip))
def test_any_printable_text_has_exact_quotes(extractive: httpx.Client, text: str) -> None:
    check_quotes(extractive, text)
    check_summary(extractive, text)


@quick
@given(
    content=st.binary(max_size=300),
    media_type=st.sampled_from(["application/json", "text/plain", "text/html"]),
)
def test_any_bytes_are_no_fault_of_the_service(
    extractive: httpx.Client, content: bytes, media_type: str
) -> None:
    answer = extractive.post("/v1/summaries", content=content, headers={"Content-Type": media_type})
    assert answer.status_code in (200, 400, 422)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.name)
def test_every_seed_is_summarized_with_exact_quotes(extractive: httpx.Client, seed: Path) -> None:
    text = seed.read_bytes().decode()
    check_quotes(extractive, text)
    check_summary(extractive, text)


def shared_articles() -> list[str]:
    lines = (SHARED / "news" / "articles.jsonl").read_text(encoding="utf-8").splitlines()
    files = sorted((SHARED / "seeds").glob("*.txt"))
    return [json.loads(line)["text"] for line in lines] + [file.read_bytes().decode() for file in files]


@pytest.mark.skipif(not SHARED.exists(), reason="the shared articles are not beside this checkout")
def test_every_shared_article_is_summarized_with_exact_quotes(extractive: httpx.Client) -> None:
    for text in shared_articles():
        check_quotes(extractive, text)
        check_summary(extractive, text)


def test_no_request_of_the_document_fails(extractive: httpx.Client) -> None:
    schema = schemathesis.openapi.from_dict(extractive.get("/schema/openapi.json").json())

    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=schema.as_strategy())
    def call(case: schemathesis.Case[Any]) -> None:
        answer = case.call(base_url=str(extractive.base_url))
        # A schema cannot say which strings are articles, so some that it allows are refused.
        case.validate_response(answer, excluded_checks=[positive_data_acceptance])

    call()
