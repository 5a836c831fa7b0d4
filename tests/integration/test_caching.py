"""Nothing is made twice, nothing is kept that should not be: the cache as callers see it over HTTP."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from bench.mock_llm import MockLLM, Reply

ARTICLE = (
    "The Orrelund library will open at night from May, its director Mina Sorrel said on Monday. The trial"
    " runs until August and costs 90,000 crowns.\n\n"
    "“People who work shifts read too,” Sorrel said. “They have told us so for ten years.”"
)
BODY = {"text": ARTICLE}


def post(client: httpx.Client, cache_control: str | None = None, **options: object) -> httpx.Response:
    headers = {"Cache-Control": cache_control} if cache_control else {}
    return client.post("/v1/summaries", json={**BODY, **options}, headers=headers)


async def post_at_once(client: httpx.Client, bodies: Sequence[Mapping[str, object]]) -> list[httpx.Response]:
    async with httpx.AsyncClient(
        base_url=client.base_url, timeout=60, trust_env=False, limits=httpx.Limits(max_connections=None)
    ) as many:
        return await asyncio.gather(*(many.post("/v1/summaries", json=body) for body in bodies))


def test_equal_request_is_answered_without_the_model(service: httpx.Client, mock_llm: MockLLM) -> None:
    first, second = post(service), post(service)
    assert mock_llm.stats.calls == 1
    assert second.content == first.content
    assert first.headers["Cache-Status"] == "Standfirst; fwd=miss; stored"
    assert second.headers["Cache-Status"] == "Standfirst; hit"


def test_result_outlives_the_process(serve: Callable[..., httpx.Client], mock_llm: MockLLM) -> None:
    first = post(serve())
    assert post(serve()).content == first.content
    assert mock_llm.stats.calls == 1


async def test_equal_requests_at_once_make_one_call(service: httpx.Client, mock_llm: MockLLM) -> None:
    mock_llm.configure(first_token_s=0.5)  # so that none is answered before all have asked
    answers = await post_at_once(service, [BODY] * 50)
    assert mock_llm.stats.calls == 1
    assert {a.status_code for a in answers} == {200}
    assert len({a.content for a in answers}) == 1
    assert sum("collapsed" in a.headers["Cache-Status"] for a in answers) == 49


@pytest.mark.parametrize(
    "difference",
    [
        {"text": ARTICLE + " "},
        {"title": "Open at night"},
        {"style": "bullets"},
        {"max_quotes": 4},
        {"language": "de"},
        {"model": "gpt-4o-mini"},
        {"policy": "off"},
        {"prompt": "article-small"},
    ],
    ids=lambda difference: next(iter(difference)),
)
def test_request_that_differs_has_an_id_of_its_own(
    serve: Callable[..., httpx.Client], difference: dict[str, Any]
) -> None:
    service = serve(models=("gpt-4o-mini",))
    assert post(service, **difference).json()["id"] != post(service).json()["id"]


def test_callers_own_data_does_not_make_a_request_another_one(
    service: httpx.Client, mock_llm: MockLLM
) -> None:
    post(service, article_id="a", metadata={"desk": "culture"})
    assert post(service, article_id="b").headers["Cache-Status"] == "Standfirst; hit"
    assert mock_llm.stats.calls == 1


def test_request_that_was_answered_from_the_cache_before_gets_its_own_data(service: httpx.Client) -> None:
    for _ in range(3):
        assert post(service, article_id="a").json()["article_id"] == "a"
        assert "article_id" not in post(service).json()
        assert post(service, metadata={"desk": "culture"}).json()["metadata"] == {"desk": "culture"}


def test_request_that_was_answered_from_the_cache_before_is_made_again_after_deletion(
    service: httpx.Client, mock_llm: MockLLM
) -> None:
    answers = [post(service) for _ in range(3)]
    assert {a.headers["ETag"] for a in answers} == {answers[0].headers["ETag"]}
    service.delete(answers[0].headers["Content-Location"])
    assert post(service).headers["Cache-Status"] == "Standfirst; fwd=miss; stored"
    assert mock_llm.stats.calls == 2
    assert post(service).headers["Cache-Status"] == "Standfirst; hit"


def test_plain_text_that_was_answered_before_is_told_apart_by_its_query(service: httpx.Client) -> None:
    def ask(style: str) -> httpx.Response:
        return service.post(
            "/v1/summaries", content=ARTICLE, params={"style": style}, headers={"Content-Type": "text/plain"}
        )

    for _ in range(3):
        assert [ask(style).json()["style"] for style in ("brief", "bullets")] == ["brief", "bullets"]


def test_no_cache_makes_it_again_and_keeps_the_new_one(service: httpx.Client, mock_llm: MockLLM) -> None:
    first, again = post(service), post(service, "no-cache")
    assert mock_llm.stats.calls == 2
    assert again.headers["Cache-Status"] == "Standfirst; fwd=request; stored"
    assert again.json()["created_at"] > first.json()["created_at"]
    assert post(service).content == again.content


def test_only_if_cached_asks_nobody(service: httpx.Client, mock_llm: MockLLM) -> None:
    refused = post(service, "only-if-cached")
    assert (refused.status_code, refused.json()["type"]) == (504, "urn:standfirst:problem:not-cached")
    assert mock_llm.stats.calls == 0


def test_only_if_cached_finds_what_is_there(service: httpx.Client) -> None:
    first = post(service)
    assert post(service, "only-if-cached").content == first.content


def test_summary_can_be_fetched_by_its_id(service: httpx.Client) -> None:
    made = post(service)
    fetched = service.get(made.headers["Content-Location"])
    assert fetched.content == made.content
    assert fetched.headers["Content-Type"] == "application/json"
    assert fetched.headers["ETag"] == made.headers["ETag"]


def test_summary_that_the_caller_has_is_not_sent_again(service: httpx.Client) -> None:
    made = post(service)
    fetched = service.get(
        made.headers["Content-Location"], headers={"If-None-Match": f'"other", W/{made.headers["ETag"]}'}
    )
    assert (fetched.status_code, fetched.content) == (304, b"")
    assert fetched.headers["ETag"] == made.headers["ETag"]


def test_changed_summary_is_sent_again(service: httpx.Client) -> None:
    made = post(service)
    post(service, "no-cache")
    fetched = service.get(made.headers["Content-Location"], headers={"If-None-Match": made.headers["ETag"]})
    assert fetched.status_code == 200


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("summary_id", ["nope", "%00", "..%2Fdrafts", "%ED%A0%80", "é" * 150])
def test_id_that_is_not_kept_is_not_found(extractive: httpx.Client, method: str, summary_id: str) -> None:
    answer = extractive.request(method, f"/v1/summaries/{summary_id}")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_deleted_summary_is_gone(service: httpx.Client, mock_llm: MockLLM) -> None:
    place = post(service).headers["Content-Location"]
    assert service.delete(place).status_code == 204
    assert service.get(place).status_code == 404
    assert service.delete(place).status_code == 404
    post(service)
    assert mock_llm.stats.calls == 2


def files_with(marker: str, folder: Path) -> list[str]:
    return [f.name for f in folder.rglob("*") if f.is_file() and marker.encode() in f.read_bytes()]


def rows_with(marker: str, folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "cache.sqlite3")) as file:
        file.text_factory = bytes
        tables = [
            name.decode() for (name,) in file.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        ]
        rows = [str(row) for table in tables for row in file.execute(f"SELECT * FROM {table}")]  # noqa: S608
    assert rows
    return [row for row in rows if marker in row]


def test_delete_leaves_nothing_of_the_article(service: httpx.Client, tmp_path: Path) -> None:
    post(service)
    made = post(service, text=ARTICLE.replace("Orrelund", "Zanthorpe"))
    assert rows_with("Zanthorpe", tmp_path)
    service.delete(made.headers["Content-Location"])
    assert rows_with("Zanthorpe", tmp_path) == []


def test_no_store_leaves_no_trace(
    service: httpx.Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    made = post(service, "no-store", text=ARTICLE.replace("Orrelund", "Zanthorpe"), title="Zanthorpe reads")
    assert "Zanthorpe" in made.text
    assert made.headers["Cache-Control"] == "no-store"
    assert made.headers["Cache-Status"] == "Standfirst; fwd=request"
    assert "Content-Location" not in made.headers
    assert service.get(f"/v1/summaries/{made.json()['id']}").status_code == 404
    assert files_with("Zanthorpe", tmp_path) == []
    assert "Zanthorpe" not in caplog.text


def test_no_store_takes_nothing_from_the_cache(service: httpx.Client, mock_llm: MockLLM) -> None:
    post(service)
    post(service, "no-store")
    assert mock_llm.stats.calls == 2


async def test_embargoed_request_does_not_join_one_that_is_kept(
    service: httpx.Client, mock_llm: MockLLM
) -> None:
    mock_llm.configure(always=Reply(kind="hang"))
    async with httpx.AsyncClient(base_url=service.base_url, timeout=60, trust_env=False) as client:
        calls = [
            asyncio.create_task(client.post("/v1/summaries", json=BODY, headers=headers))
            for headers in ({}, {"Cache-Control": "no-store"})
        ]
        await asyncio.to_thread(mock_llm.wait_until, lambda stats: stats.in_flight == 2)
        for call in calls:
            call.cancel()


def test_log_of_a_failed_call_holds_no_article(
    service: httpx.Client, mock_llm: MockLLM, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    mock_llm.configure(always=Reply(kind="status", status=400, message=f"bad prompt: {ARTICLE}"))
    assert post(service).json()["degraded"]
    assert "Sorrel" not in caplog.text
    assert "stands in" in caplog.text


async def test_caller_who_leaves_ends_the_call_of_the_model(service: httpx.Client, mock_llm: MockLLM) -> None:
    mock_llm.configure(always=Reply(kind="hang"))
    async with httpx.AsyncClient(base_url=service.base_url, timeout=60, trust_env=False) as client:
        call = asyncio.create_task(client.post("/v1/summaries", json=BODY))
        await asyncio.to_thread(mock_llm.wait_until, lambda stats: stats.in_flight == 1)
        call.cancel()
        await asyncio.to_thread(mock_llm.wait_until, lambda stats: stats.aborted == 1)


async def test_caller_who_leaves_does_not_take_the_answer_from_others(
    service: httpx.Client, mock_llm: MockLLM
) -> None:
    mock_llm.configure(first_token_s=1.0)
    async with httpx.AsyncClient(base_url=service.base_url, timeout=60, trust_env=False) as client:
        leaving = asyncio.create_task(client.post("/v1/summaries", json=BODY))
        await asyncio.to_thread(mock_llm.wait_until, lambda stats: stats.in_flight == 1)
        staying = asyncio.create_task(client.post("/v1/summaries", json=BODY))
        # Behind it on the same way to the cache, so that `staying` has joined when this is answered.
        await client.post("/v1/summaries", json=BODY, headers={"Cache-Control": "only-if-cached"})
        leaving.cancel()
        assert (await staying).status_code == 200
    assert (mock_llm.stats.calls, mock_llm.stats.aborted) == (1, 0)
