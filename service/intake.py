"""From what a caller hands in (text, a web page, a link) to the article that offsets refer to."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Final

import msgspec
from litestar.stores.base import Store
from msgspec import Struct

from service.articles import check_text, check_title
from service.cache import SingleFlight, cache_key
from service.connections import parse_url
from service.errors import (
    ArticleTooLargeError,
    FetchingOffError,
    InvalidArticleError,
    NoArticleError,
    NotCachedError,
    PageError,
    PageTooLargeError,
)
from service.extraction import EXTRACTION_VERSION, Extractor
from service.fetching import Fetcher, Validators
from service.hooks import NO_HOOKS, Hooks, Visited
from service.models import ArticleInput, Source
from service.planning import Article
from service.run import DEFAULT_CACHE_POLICY, CachePolicy

_LONG_TEXT: Final = 50_000  # characters from which a look at all would hold up the event loop
_KEPT_S: Final = 86_400  # seconds that a page is kept at most, to be asked for conditionally


class _KeptPage(Struct, frozen=True, array_like=True):
    """What an earlier fetch gave, and what makes the next one conditional."""

    source: Source
    etag: str | None
    last_modified: str | None


class Intake:
    """Makes articles of what callers hand in.

    Args:
        fetcher: Fetches pages; None where this installation fetches nothing.
        extractor: Finds the article in a page or document.
        store: Keeps what was extracted from pages, as long as their servers allow and a day at most.
        max_article_bytes: Largest article, in bytes of UTF-8.
        max_html_characters: Largest page that a caller hands in.
        hooks: Told of each page that was asked for.
    """

    def __init__(
        self,
        *,
        fetcher: Fetcher | None,
        extractor: Extractor,
        store: Store,
        max_article_bytes: int,
        max_html_characters: int,
        hooks: Hooks = NO_HOOKS,
    ) -> None:
        self._fetcher = fetcher
        self._extractor = extractor
        self._store = store
        self._max_article_bytes = max_article_bytes
        self._max_html_characters = max_html_characters
        self._hooks = hooks
        self._flights = SingleFlight()

    async def read(self, given: ArticleInput, cache: CachePolicy = DEFAULT_CACHE_POLICY) -> Article:
        """The article that a request hands in; the title is the caller's, or else the page's.

        A page that was fetched before is asked for conditionally. `cache` says whether it may be answered
        from what was kept (`reads`), whether it is kept (`writes`), and whether its server is asked at all
        (`only`: it is not).

        Raises:
            InvalidArticleError, ArticleTooLargeError: what was handed in is no article, or too large a one.
            PageError: the page gives no article; its subclasses tell why.
            NotCachedError: `cache.only`, and the page is not kept.
        """
        title = getattr(given, "title", None)
        if given.text is not None:
            return await self._checked(given.text, title, None)
        if given.html is not None:
            if len(given.html) > self._max_html_characters:
                raise PageTooLargeError(
                    f"the page is over {self._max_html_characters} characters", field="html"
                )
            source = await self._extractor.extract(
                given.html.encode("utf-8", "replace"), "text/html", charset="utf-8"
            )
        else:
            source = await self._visit(given.url or "", cache)
        article = await self._checked(source.text, title, source)
        if given.url is not None:
            article = msgspec.structs.replace(article, page=_page_key(str(parse_url(given.url))))
        return article

    async def open(self, data: bytes, media_type: str) -> Article:
        """The article in a document that the caller has, such as a PDF; raises as `read` does."""
        source = await self._extractor.extract(data, media_type)
        return await self._checked(source.text, None, source)

    async def aclose(self) -> None:
        """End what is under way."""
        await self._flights.aclose()
        await self._extractor.aclose()
        if self._fetcher is not None:
            await self._fetcher.aclose()

    async def _checked(self, text: str, title: str | None, source: Source | None) -> Article:
        try:
            if len(text) > _LONG_TEXT:
                await asyncio.to_thread(check_text, text, self._max_article_bytes)
            else:
                check_text(text, self._max_article_bytes)
        except (ArticleTooLargeError, InvalidArticleError) as exc:
            if source is None:
                raise
            kind = PageTooLargeError if isinstance(exc, ArticleTooLargeError) else NoArticleError
            raise kind(str(exc), field="html" if source.url is None else "url") from exc
        check_title(title or "")
        return Article(text=text, title=title or (source and source.title) or "", source=source)

    async def _visit(self, url: str, cache: CachePolicy) -> Source:
        if self._fetcher is None:
            raise FetchingOffError("this installation fetches no pages")
        url = str(parse_url(url))
        key = _page_key(url)
        if cache.only:
            kept = await self._kept(key)
            if kept is None:
                raise NotCachedError("the page is not kept", field="url", remedy="drop only-if-cached")
            return kept.source
        fetcher = self._fetcher
        flight = f"{key} {cache.reads:d}{cache.writes:d}"
        source, _ = await self._flights.run(flight, lambda: self._watched(fetcher, url, key, cache))
        return source

    async def _watched(self, fetcher: Fetcher, url: str, key: str, cache: CachePolicy) -> Source:
        start = time.monotonic()
        outcome = "cancelled"
        try:
            source, unchanged = await self._fetch(fetcher, url, key, cache)
            outcome = "unchanged" if unchanged else "read"
        except PageError as exc:
            outcome = type(exc).__name__
            raise
        finally:
            self._hooks.on_visited(Visited(outcome, time.monotonic() - start))
        return source

    async def _fetch(self, fetcher: Fetcher, url: str, key: str, cache: CachePolicy) -> tuple[Source, bool]:
        """The article in a page, and whether the page is unchanged since an earlier fetch."""
        kept = await self._kept(key) if cache.reads else None
        known = None if kept is None else Validators(kept.source.url or url, kept.etag, kept.last_modified)
        page = await fetcher.fetch(url, known)
        now = datetime.now(UTC)
        if page is None and kept is not None:
            source = msgspec.structs.replace(kept.source, fetched_at=now)
            fresh = msgspec.structs.replace(kept, source=source)
        else:
            assert page is not None  # noqa: S101 - only a conditional request is answered with None
            source = await self._extractor.extract(
                page.body, page.media_type, charset=page.charset, url=page.url
            )
            source = msgspec.structs.replace(source, fetched_at=now)
            fresh = _KeptPage(source, page.validators.etag, page.validators.last_modified)
        if cache.writes and (page is None or page.may_be_kept):
            await self._store.set(key, msgspec.msgpack.encode(fresh), expires_in=_KEPT_S)
        return source, page is None

    async def _kept(self, key: str) -> _KeptPage | None:
        body = await self._store.get(key)
        return None if body is None else msgspec.msgpack.decode(body, type=_KeptPage)


def _page_key(url: str) -> str:
    """The store's key of the page at a URL."""
    return f"page/{cache_key('page', url=url, extraction=EXTRACTION_VERSION)}"
