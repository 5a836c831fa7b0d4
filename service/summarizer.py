"""An article and options in, a summary out, nothing made twice. Knows nothing of HTTP, OpenAI or Slack."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, nullcontext
from typing import Final, NamedTuple

import msgspec

from service.annex import Annex
from service.belongings import Belongings
from service.cache import CacheStore, Flights
from service.drafts import Drafter
from service.errors import (
    LLMError,
    LLMLimitError,
    NotCachedError,
    RemovalError,
)
from service.feed import Feed, Feeds
from service.hooks import NO_HOOKS, Answered, CacheState, Hooks, Made, Stage
from service.llm import Priority
from service.models import Notice, Summary
from service.pipeline import Job, Pipeline
from service.planning import Article, Models, Options, Planner
from service.prompts import PromptLibrary
from service.run import DEFAULT_CACHE_POLICY, CachePolicy, Event, Restart, Run
from service.settings import Settings
from service.spending import Account, Treasury

_SUMMARY_ID = re.compile("[0-9a-f]{64}")
_BATCH_S = 3600.0  # what an article of a batch may take at least
_HIT: Final = Answered("hit")


class Outcome(NamedTuple):
    """A summary as JSON, where it came from, and whether it is kept under its id."""

    id: str
    body: bytes
    cache: CacheState
    kept: bool


class Summarizer:
    """Summarizes articles with one of several models, and keeps what it made.

    Args:
        models: Who is asked.
        prompts: The prompt templates.
        store: Keeps summaries and drafts.
        flights: Makes equal work in flight one.
        treasury: Pays for the calls; its ledger has what is kept because of what.
        settings: Bounds of one request, and what holds where a request does not say.
        hooks: Told of every summary and of every stage of the work.
    """

    def __init__(
        self,
        *,
        models: Models,
        prompts: PromptLibrary,
        store: CacheStore,
        flights: Flights,
        treasury: Treasury,
        settings: Settings,
        hooks: Hooks = NO_HOOKS,
    ) -> None:
        self._annex: Annex | None = None
        self._models = models
        self.planner = Planner(models, prompts, settings)
        self._store = store
        self._flights = flights
        self._feeds = Feeds()
        self._treasury = treasury
        self._settings = settings
        self._hooks = hooks
        self._ttl_s = round(settings.cache_ttl_s)
        self._belongings = Belongings(treasury.ledger, self._ttl_s)
        self._pipeline = Pipeline(
            Drafter(models.llm, store, source=models.source, ttl_s=self._ttl_s, hooks=hooks),
            max_chunks=settings.max_chunks,
            chunk_concurrency=settings.chunk_concurrency,
            fallback=settings.fallback == "extractive",
            hooks=hooks,
        )

    def send_long_articles_to(self, annex: Annex) -> None:
        """Have articles from `annex_characters` on made there, not in this process."""
        self._annex = annex

    async def summarize(
        self,
        article: Article,
        options: Options,
        cache: CachePolicy = DEFAULT_CACHE_POLICY,
        report: Callable[[Event], object] | None = None,
        *,
        priority: Priority = "interactive",
        account: Account | None = None,
    ) -> Outcome:
        """Summarize an article, or find the summary of an equal request.

        With `priority` "batch", calls let interactive ones go first and have more time, and nothing stands
        in for a model that does not answer. `account` pays for them; by default, that of `LOCAL`.

        Raises:
            UnknownModelError, UnknownPromptError: the options name something that is not there.
            NotCachedError: `cache.only`, and there is no summary of an equal request.
            LLMError: the model did not answer, and there is no fallback.
        """
        job = await self.planner.plan(article, options)
        account = account or self._treasury.account()
        if article.id is not None and cache.writes:
            await self.claim(job, account.owner, article.id)
        return await self.look(job, cache) or await self.make(job, cache, report, priority, account)

    async def look(self, job: Job, cache: CachePolicy = DEFAULT_CACHE_POLICY) -> Outcome | None:
        """The summary of an equal request, if there is one that may answer this one.

        Raises:
            NotCachedError: there is none, and `cache.only`.
        """
        if cache.reads and (body := await self._store.get(_summary_key(job.id))) is not None:
            if job.page is not None and cache.writes:
                await self._belongings.add(job.id, [job.page])
            self._hooks.on_answered(_HIT)
            return Outcome(job.id, body, "hit", kept=True)
        if cache.only:
            raise NotCachedError("there is no cached summary for this request", remedy="drop only-if-cached")
        return None

    async def make(
        self,
        job: Job,
        cache: CachePolicy = DEFAULT_CACHE_POLICY,
        report: Callable[[Event], object] | None = None,
        priority: Priority = "interactive",
        account: Account | None = None,
    ) -> Outcome:
        """Summarize an article, or wait for who does already.

        Raises:
            LLMError: the model did not answer, and there is no fallback.
        """
        flight = _flight(job, cache, priority)

        async def look() -> tuple[bytes, bool] | None:
            body = await self._store.get(_summary_key(job.id))
            return None if body is None else (body, True)

        # What may not be kept, or must be made anew, is no other process's business.
        find = look if cache.reads and cache.writes else None
        paying = account or self._treasury.account()
        begun = self._belongings.begin(job.id, paying.owner) if cache.writes else None
        with self._feeds.at(flight) as feed, feed.heard_by(report) if report else nullcontext():

            def work() -> Coroutine[object, object, tuple[bytes, bool]]:
                return self._make(job, cache, feed, priority, paying, begun)

            try:
                (body, kept), joined = await self._flights.run(flight, work, find)
            except LLMLimitError as exc:
                if exc.owner == paying.owner:
                    raise
                # It joined a caller whose limit is used up; its own is not.
                (body, kept), joined = await self._flights.run(f"{flight} {paying.owner}", work, find)
        state: CacheState = "joined" if joined else "miss"
        self._hooks.on_answered(Answered(state))
        return Outcome(job.id, body, state, kept)

    async def find_again(self, summary_id: str) -> bytes | None:
        """The summary of that id, if it is kept, for an equal request."""
        body = await self._store.get(_summary_key(summary_id))
        if body is not None:
            self._hooks.on_answered(_HIT)
        return body

    @contextmanager
    def follow(self, job: Job, cache: CachePolicy) -> Iterator[tuple[Feed, bool]]:
        """What happens, and has happened, to the work that `make` begins or joins within the block.

        Also whether equal work is under way in this process already. The work of another process is not
        followed: all that comes of it is its result.
        """
        flight = _flight(job, cache, "interactive")
        joins = flight in self._feeds
        with self._feeds.at(flight) as feed:
            yield feed, joins

    async def find(self, summary_id: str) -> bytes | None:
        """The summary of that id as JSON, if it is kept."""
        return await self._store.get(_summary_key(summary_id))

    async def forget(self, summary_id: str) -> bool:
        """Remove a summary and all that is kept because of it; False if there was nothing.

        What is under way now, in any process, will not be kept.

        Raises:
            RemovalError: the store or the ledger is away, so that something may be left.
        """
        if _SUMMARY_ID.fullmatch(summary_id) is None:
            return False
        await self._belongings.remove(summary_id)
        keys = await self._belongings.of(summary_id)
        known = bool(keys) or await self._store.exists(_summary_key(summary_id))
        for key in (*keys, _summary_key(summary_id)):
            await self._store.delete(key)
        if self._store.problem or self._belongings.problem:
            raise RemovalError("what is kept cannot be reached everywhere now")
        await self._belongings.drop(summary_id, keys)
        return known

    async def forget_all(self, owner: str, article_id: str | None = None) -> int:
        """Remove the summaries that a caller had made, or those of one of its articles; how many there were.

        Raises:
            RemovalError: as for `forget`.
        """
        removed = 0
        for summary_id in (claimed := await self._belongings.claimed(owner, article_id)):
            removed += await self.forget(summary_id)
        await self._belongings.unclaim(claimed, owner, article_id)
        return removed

    def account_of(self, owner: str) -> Account:
        """What pays for work that a caller of that id has left here."""
        return self._treasury.account_of(owner)

    async def claim(self, job: Job, owner: str, article_id: str) -> None:
        """Note that the summary serves for an article which its caller may want to remove by that id."""
        await self._belongings.claim(job.id, owner, article_id)

    async def attach(self, summary_id: str, key: str) -> None:
        """Note that the store keeps something else because of a summary: `forget` removes it too."""
        await self._belongings.add(summary_id, [key])

    async def aclose(self) -> None:
        """Cancel the work in flight."""
        await self._flights.aclose()
        await self._belongings.aclose()

    async def _make(
        self,
        job: Job,
        cache: CachePolicy,
        feed: Feed,
        priority: Priority,
        account: Account,
        begun: asyncio.Task[int] | None,
    ) -> tuple[bytes, bool]:
        """Make a summary and keep it, unless code had to stand in for the model or nothing may be kept."""
        if feed.events:  # of work that ended when its last caller left
            feed.tell(Restart())
        removals = None if begun is None else await asyncio.shield(begun)
        loop = asyncio.get_running_loop()
        run = Run(
            model=self._models.catalogue.find(job.model),
            deadline=loop.time() + max(self._settings.deadline_s, _BATCH_S if priority == "batch" else 0),
            call_timeout_s=self._settings.llm_timeout_s,
            cache=cache,
            find_model=self._models.catalogue.find,
            priority=priority,
            account=account,
            report=feed.tell,
            is_followed=lambda: feed.is_heard,
        )
        try:
            with self._hooks.on_stage(Stage("summarize", model=job.model)):
                long = len(job.text) >= self._settings.annex_characters > 0
                maker = self._annex if long and self._annex is not None else self._pipeline
                summary = await maker.make(job, run)
        except LLMError:
            if older := await self._older(job, cache, feed):
                return older, False
            raise
        finally:
            if cache.writes:
                await self._belongings.add(job.id, [*run.draft_keys, *([job.page] if job.page else [])])
        self._hooks.on_made(Made.of(summary))
        if run.has_noticed("model_unavailable") and (older := await self._older(job, cache, feed)):
            return older, False
        body = msgspec.json.encode(summary)
        kept = cache.writes and not run.degraded
        if kept:
            await self._store.set(_summary_key(job.id), body, expires_in=self._ttl_s)
        # Asked after all is written: a removal that comes later finds what there is to remove.
        if removals is not None and removals != await self._belongings.removals(job.id):
            for key in (_summary_key(job.id), *run.draft_keys):
                await self._store.delete(key)
            kept = False
        return body, kept

    async def _older(self, job: Job, cache: CachePolicy, feed: Feed) -> bytes | None:
        """The summary that was to be made anew, with a notice, for when the model does not answer."""
        if cache.reads or not cache.writes:
            return None
        body = await self._store.get(_summary_key(job.id))
        if body is None:
            return None
        feed.tell(Restart())
        older = msgspec.json.decode(body, type=Summary)
        made = f"{older.created_at:%Y-%m-%d %H:%M} UTC"
        notice = Notice(
            code="older_summary", message=f"The model did not answer; this summary was made on {made}."
        )
        return msgspec.json.encode(msgspec.structs.replace(older, warnings=[*older.warnings, notice]))


def _flight(job: Job, cache: CachePolicy, priority: Priority) -> str:
    """What equal work has in common.

    Interactive callers do not join a batch, whose failures and pace are not theirs; a call of the model that
    both need is still one.
    """
    return f"{job.id} {cache.reads:d}{cache.writes:d}{priority[0]}"


def _summary_key(summary_id: str) -> str:
    """The store's key of a summary. Each kind has a prefix, so that no caller's id leads to another kind."""
    return f"summary/{summary_id}"
