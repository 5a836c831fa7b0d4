"""From what callers hand in to articles, with callers who come at once and callers who leave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bench.page_server import Answer, PageServer, Seen
from service.addresses import AddressBook, AddressPolicy, parse_networks
from service.cache import MemoryStore
from service.errors import InvalidURLError, NoArticleError, PageNotFoundError, PageTooLargeError
from service.extraction import Extractor
from service.fetching import Fetcher
from service.hooks import Hooks, Visited
from service.intake import Intake
from service.models import ArticleInput, SummaryRequest

PAGE = (Path(__file__).parent / "pages" / "broadsheet.html").read_bytes()


@pytest.fixture
def web() -> Iterator[PageServer]:
    with PageServer() as server:
        yield server


@pytest.fixture
def visits() -> list[Visited]:
    """What the intake has told of pages."""
    return []


@pytest.fixture
async def intake(web: PageServer, visits: list[Visited]) -> AsyncIterator[Intake]:
    policy = AddressPolicy(ports=(web.port,), private_networks=parse_networks(["127.0.0.1/32"]))
    intake = Intake(
        fetcher=Fetcher(AddressBook(policy)),
        extractor=Extractor(1),
        store=MemoryStore(max_bytes=10_000_000, max_age_s=3600),
        max_article_bytes=10_000,
        max_html_characters=100_000,
        hooks=Hooks(on_visited=visits.append),
    )
    yield intake
    await intake.aclose()


async def test_text_is_taken_as_it_is(intake: Intake) -> None:
    article = await intake.read(SummaryRequest(text="  A boat.\r\n", title="Boat"))
    assert (article.text, article.title, article.source) == ("  A boat.\r\n", "Boat", None)


async def test_equal_links_at_once_are_fetched_once(intake: Intake, web: PageServer) -> None:
    url = web.add("/page", PAGE)
    articles = await asyncio.gather(*(intake.read(ArticleInput(url=f"{url}#{n}")) for n in range(5)))
    assert len({article.text for article in articles}) == 1
    assert len(web.requests) == 1


async def test_each_visit_is_told_of_with_its_outcome(
    intake: Intake, web: PageServer, visits: list[Visited]
) -> None:
    def page(seen: Seen) -> Answer:
        headers = {"Content-Type": "text/html", "ETag": '"a"'}
        return Answer(b"", 304, headers) if "If-None-Match" in seen.headers else Answer(PAGE, 200, headers)

    web.pages["/page"] = page
    for _ in range(2):
        await intake.read(ArticleInput(url=f"{web.url}/page"))
    with pytest.raises(PageNotFoundError):
        await intake.read(ArticleInput(url=f"{web.url}/gone"))
    assert [visit.outcome for visit in visits] == ["read", "unchanged", "PageNotFoundError"]


async def test_caller_who_leaves_ends_the_fetch_and_nothing_else(intake: Intake, web: PageServer) -> None:
    arrived = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hang(_: object) -> None:
        loop.call_soon_threadsafe(arrived.set)
        web.closing.wait(30)

    web.pages["/page"] = Answer(send=hang)
    reading = asyncio.create_task(intake.read(ArticleInput(url=f"{web.url}/page")))
    await arrived.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    web.add("/page", PAGE)
    assert (await intake.read(ArticleInput(url=f"{web.url}/page"))).title.startswith("Tarnmouth")


@pytest.mark.parametrize("text", [" \n", "a\x00b"])
async def test_page_of_plain_text_is_checked_like_any_text(
    intake: Intake, web: PageServer, text: str
) -> None:
    with pytest.raises(NoArticleError):
        await intake.read(ArticleInput(url=web.add("/page", text, Content_Type="text/plain")))


async def test_plain_text_over_the_limit_of_articles_is_a_page_that_is_too_large(
    intake: Intake, web: PageServer
) -> None:
    with pytest.raises(PageTooLargeError) as error:
        await intake.read(ArticleInput(url=web.add("/page", "boat " * 3000, Content_Type="text/plain")))
    assert error.value.field == "url"


@pytest.mark.parametrize("url", ["boat", "ftp://news.example/", " ", "http://"])
async def test_link_that_is_none_is_an_error(intake: Intake, url: str) -> None:
    with pytest.raises(InvalidURLError):
        await intake.read(ArticleInput(url=url))


@pytest.mark.parametrize("given", [{}, {"text": "a", "html": "b"}, {"html": "b", "url": "http://c.example/"}])
def test_article_comes_in_one_form(given: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="one of"):
        ArticleInput(**given)
