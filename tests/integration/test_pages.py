"""Articles as web pages and links, over real HTTP on both sides."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from bench.mock_llm import MockLLM
from bench.page_server import Answer, PageServer, Seen
from service.api.problems import _KINDS
from service.errors import NoArticleError, PageError

PAGES = Path(__file__).parents[1] / "pages"
BROADSHEET = (PAGES / "broadsheet.html").read_text(encoding="utf-8")


@pytest.fixture
def pages() -> Iterator[PageServer]:
    with PageServer() as server:
        yield server


@pytest.fixture
def visiting(serve: Callable[..., httpx.Client], pages: PageServer) -> httpx.Client:
    """A client of a service that may ask the page server, and nothing else that is private."""
    return serve(web_ports=(pages.port,), web_private_networks=("127.0.0.1/32",))


def quoted(result: dict[str, object], quotes: str) -> bool:
    """Whether all quotes of a result are stretches of the text that it returns."""
    source, found = result["source"], result[quotes]
    assert isinstance(source, dict)
    assert isinstance(found, list)
    return bool(found) and all(source["text"][q["start"] : q["end"]] == q["text"] for q in found)


def test_link_is_summarized_with_offsets_into_the_returned_text(
    visiting: httpx.Client, pages: PageServer, mock_llm: MockLLM
) -> None:
    url = pages.add("/lifeboat", BROADSHEET)
    result = visiting.post("/v1/summaries", json={"url": url}).raise_for_status().json()
    source = result["source"]
    assert quoted(result, "key_quotes")
    assert source["title"] == "Tarnmouth council votes to keep its lifeboat"
    assert (source["author"], source["published"]) == ("Odile Brandt", "2026-03-04")
    assert (source["language"], source["site"], source["url"]) == ("en-GB", "The Holm Courier", url)
    assert source["canonical_url"] == "https://courier.example/coast/lifeboat-vote"
    assert f"Headline: {source['title']}" in str(mock_llm.requests[-1])


@pytest.mark.parametrize("made_before", [False, True])
def test_page_is_removed_with_its_summary(
    visiting: httpx.Client, pages: PageServer, tmp_path: Path, *, made_before: bool
) -> None:
    def files() -> list[Path]:
        return [file for file in tmp_path.rglob("*") if file.is_file() and b"lifeboat" in file.read_bytes()]

    if made_before:
        visiting.post("/v1/summaries", json={"html": BROADSHEET})
    made = visiting.post("/v1/summaries", json={"url": pages.add("/vote", BROADSHEET)}).json()
    assert files()
    assert visiting.delete(f"/v1/summaries/{made['id']}").status_code == 204
    assert not files()


def test_same_article_has_the_same_id_however_it_comes(visiting: httpx.Client, pages: PageServer) -> None:
    url = pages.add("/lifeboat", BROADSHEET)
    by_url = visiting.post("/v1/summaries", json={"url": url}).json()
    by_html = visiting.post("/v1/summaries", json={"html": BROADSHEET})
    as_body = visiting.post("/v1/summaries", content=BROADSHEET, headers={"Content-Type": "text/html"})
    text, title = by_url["source"]["text"], by_url["source"]["title"]
    by_text = visiting.post("/v1/summaries", json={"text": text, "title": title})
    assert {by_url["id"]} == {answer.json()["id"] for answer in (by_html, as_body, by_text)}
    assert by_text.headers["Cache-Status"] == "Standfirst; hit"
    assert "source" not in by_text.json()


def test_callers_own_title_is_preferred(visiting: httpx.Client, mock_llm: MockLLM) -> None:
    answer = visiting.post("/v1/summaries", json={"html": BROADSHEET, "title": "A boat stays"})
    assert answer.json()["source"]["title"] == "Tarnmouth council votes to keep its lifeboat"
    assert "Headline: A boat stays" in str(mock_llm.requests[-1])


def test_quotes_of_a_page_are_found_in_the_returned_text(visiting: httpx.Client, pages: PageServer) -> None:
    url = pages.add("/lifeboat", BROADSHEET)
    for given in ({"url": url}, {"html": BROADSHEET}):
        assert quoted(visiting.post("/v1/quotes", json=given).raise_for_status().json(), "quotes")


def test_page_fetched_before_is_asked_for_conditionally(visiting: httpx.Client, pages: PageServer) -> None:
    def page(seen: Seen) -> Answer:
        headers = {"Content-Type": "text/html", "ETag": '"v1"'}
        if seen.headers.get("If-None-Match") == '"v1"':
            return Answer(b"", 304, headers)
        return Answer(BROADSHEET.encode(), 200, headers)

    pages.pages["/lifeboat"] = page
    first, second = (visiting.post("/v1/summaries", json={"url": f"{pages.url}/lifeboat"}) for _ in range(2))
    assert [s.headers.get("If-None-Match") for s in pages.requests] == [None, '"v1"']
    assert second.headers["Cache-Status"] == "Standfirst; hit"
    assert first.json()["source"]["text"] == second.json()["source"]["text"]


@pytest.mark.parametrize(
    "body",
    [{}, {"text": "A boat.", "url": "https://a.example/"}, {"html": "<p>", "url": "https://a.example/"}],
)
def test_article_comes_in_one_form(visiting: httpx.Client, body: dict[str, str]) -> None:
    problem = visiting.post("/v1/quotes", json=body).json()
    assert (problem["type"], problem["field"]) == ("urn:standfirst:problem:invalid-request", "text")


def test_private_address_is_refused(serve: Callable[..., httpx.Client], pages: PageServer) -> None:
    url = pages.add("/lifeboat", BROADSHEET)
    problem = serve(web_ports=(pages.port,)).post("/v1/summaries", json={"url": url}).json()
    assert problem["type"] == "urn:standfirst:problem:blocked-address"
    assert (problem["status"], problem["field"], pages.connections) == (422, "url", 0)


def test_fetching_can_be_switched_off(serve: Callable[..., httpx.Client], pages: PageServer) -> None:
    url = pages.add("/lifeboat", BROADSHEET)
    problem = serve(fetch="off").post("/v1/summaries", json={"url": url}).json()
    assert (problem["type"], pages.connections) == ("urn:standfirst:problem:fetching-off", 0)


@pytest.mark.parametrize(
    ("name", "kind"), [("paywall", "paywall"), ("consent", "consent-wall"), ("empty", "no-article")]
)
def test_page_that_is_no_article_is_a_problem_that_says_so(
    visiting: httpx.Client, pages: PageServer, mock_llm: MockLLM, name: str, kind: str
) -> None:
    page = PAGES / f"{name}.html"
    url = pages.add("/page", page.read_bytes() if page.exists() else b"<html><body></body></html>")
    problem = visiting.post("/v1/summaries", json={"url": url}).json()
    assert (problem["type"], problem["status"]) == (f"urn:standfirst:problem:{kind}", 422)
    assert (problem["field"], problem["remedy"]) == ("url", "send the article's text as `text`")
    assert mock_llm.stats.calls == 0


def test_every_error_of_pages_has_a_problem_of_its_own() -> None:
    assert {kind for kind in PageError.__subclasses__() if kind not in _KINDS} == {NoArticleError}
    names = [_KINDS[kind].name for kind in (PageError, *PageError.__subclasses__()) if kind in _KINDS]
    assert len(names) == len(set(names))


def fetches(pages: PageServer) -> list[str | None]:
    """What each request for a page was conditional on."""
    return [seen.headers.get("If-None-Match") for seen in pages.requests]


@pytest.mark.parametrize("directive", ["no-cache", "no-store"])
def test_page_is_fetched_anew_where_the_request_says_so(
    visiting: httpx.Client, pages: PageServer, directive: str
) -> None:
    url = pages.add("/lifeboat", BROADSHEET, ETag='"v1"')
    visiting.post("/v1/quotes", json={"url": url})
    visiting.post("/v1/quotes", json={"url": url}, headers={"Cache-Control": directive})
    assert fetches(pages) == [None, None]


@pytest.mark.parametrize(("asked", "told"), [("no-store", ""), ("", "no-store"), ("", "private")])
def test_page_that_may_not_be_kept_is_not(
    visiting: httpx.Client, pages: PageServer, asked: str, told: str
) -> None:
    url = pages.add("/lifeboat", BROADSHEET, ETag='"v1"', Cache_Control=told)
    for _ in range(2):
        visiting.post("/v1/quotes", json={"url": url}, headers={"Cache-Control": asked}).raise_for_status()
    assert fetches(pages) == [None, None]
    kept = visiting.post("/v1/quotes", json={"url": url}, headers={"Cache-Control": "only-if-cached"})
    assert (kept.status_code, kept.json()["type"]) == (504, "urn:standfirst:problem:not-cached")


def test_server_of_a_kept_page_is_not_asked_where_the_request_says_so(
    visiting: httpx.Client, pages: PageServer
) -> None:
    url = pages.add("/lifeboat", BROADSHEET)
    first = visiting.post("/v1/summaries", json={"url": url})
    again = visiting.post("/v1/summaries", json={"url": url}, headers={"Cache-Control": "only-if-cached"})
    assert (first.json()["source"], len(pages.requests)) == (again.json()["source"], 1)


def test_link_is_summarized_with_events(visiting: httpx.Client, pages: PageServer) -> None:
    url = pages.add("/lifeboat", BROADSHEET)
    answer = visiting.post("/v1/summaries", json={"url": url}, headers={"Accept": "text/event-stream"})
    events = dict(block.split("\ndata: ", 1) for block in answer.text.strip().split("\n\n"))
    assert json.loads(events["event: result"])["source"]["url"] == url


def test_page_over_the_limit_of_articles_is_refused(serve: Callable[..., httpx.Client]) -> None:
    problem = serve(max_article_bytes=100).post("/v1/quotes", json={"html": BROADSHEET}).json()
    assert (problem["status"], problem["type"]) == (413, "urn:standfirst:problem:page-too-large")
    problem = serve(max_page_bytes=100).post("/v1/quotes", json={"html": BROADSHEET}).json()
    assert (problem["status"], problem["field"]) == (413, "html")
