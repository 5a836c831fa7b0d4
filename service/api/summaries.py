"""Summaries: make one, get it again, remove it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial
from typing import Annotated

import msgspec
from litestar import Response, delete, get, post
from litestar.di import NamedDependency, Provide
from litestar.enums import MediaType
from litestar.exceptions import NotFoundException
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Body, HeaderParameter, PathParameter, QueryParameter
from litestar.status_codes import HTTP_200_OK
from litestar.types import ASGIApp

from service.api.access import caller_of, needs
from service.api.answers import JSONBytes
from service.api.bodies import ArticleRequest
from service.api.caching import (
    cache_status,
    entity_tag,
    hit_status,
    matches,
    read_policy,
    wants_events,
)
from service.api.departures import unless_gone
from service.api.events import EventStream, accepted, encode, follow, once
from service.api.openapi import ARTICLE_EXAMPLES, SUMMARY_EXAMPLES, SummaryOperation, problems
from service.api.problems import to_problem
from service.api.recent import RecentRequests
from service.assembly import Assembly
from service.callers import Caller
from service.errors import RequestError
from service.models import Removed, Source, Summary, SummaryRequest
from service.pipeline import Job
from service.planning import Article, Options
from service.run import CachePolicy
from service.spending import Account
from service.summarizer import Outcome, Summarizer

_SummaryId = Annotated[str, PathParameter(description="A summary's `id`")]


def _documented(data: Annotated[SummaryRequest, Body(examples=ARTICLE_EXAMPLES)]) -> None:
    """What the OpenAPI document says of a body that the handler reads by itself.

    Litestar documents the body that a dependency takes, and calls only what the handler takes: not this.
    """


@post(
    "/v1/summaries",
    opt=needs("summaries"),
    status_code=HTTP_200_OK,
    request_class=ArticleRequest,
    operation_class=SummaryOperation,
    dependencies={"documented": Provide(_documented, sync_to_thread=False)},
    tags=["summaries"],
    summary="Summarize an article",
    responses={
        200: ResponseSpec(
            Summary, generate_examples=False, examples=SUMMARY_EXAMPLES, description="The summary"
        )
    }
    | problems(400, 408, 413, 415, 422, 502, 503, 504),
)
async def create_summary(request: ArticleRequest) -> ASGIApp:
    """Summary and key quotes of an article.

    The same request has the same `id` and costs nothing the second time. With `Content-Type: text/plain` or
    `text/html` the body is the article or the page, and the options stand in the query:
    `?style=bullets&max_quotes=3`. For `html` and `url`, `source` has the article that was found in the page.
    """
    # Everything is taken from the request itself: Litestar's parameters and dependencies would cost a hit
    # more than all else.
    content_type = request.field(b"content-type")
    policy = read_policy(request.field(b"cache-control").decode("latin-1"))
    streams = wants_events(request.field(b"accept"))
    state = request.app.state
    assembly: Assembly = state["assembly"]
    summarizer, degraded = assembly.summarizer, assembly.store.problem is not None
    recent: RecentRequests = state["recent"]
    sent = await request.body()
    digest = None
    if policy.reads and policy.writes:
        digest = recent.digest(sent, content_type, request.scope["query_string"])
        if summary_id := recent.find(digest):
            if found := await summarizer.find_again(summary_id):
                return _hit(summary_id, found, streams=streams, degraded=degraded)
            recent.forget(digest)
    data = await request.read(SummaryRequest)
    article = await _article(request, data, policy)
    job = await summarizer.planner.plan(article, _options(data))
    if data.article_id is not None and policy.writes:
        await summarizer.claim(job, caller_of(request).id, data.article_id)
    finish = partial(_with_own_data, data=data, source=article.source)
    outcome = await summarizer.look(job, policy)
    if outcome is not None and digest is not None and not _has_own_data(data, article.source):
        recent.remember(digest, job.id)
    if streams:
        if outcome is not None:
            return _hit(job.id, finish(outcome.body), streams=True, degraded=degraded)
        return _events(request, job, policy, finish)
    if outcome is None:
        outcome = await unless_gone(request, summarizer.make(job, policy, account=_account(request)))
    return _answer(outcome, cache_status(outcome, policy, degraded=degraded), policy, finish)


async def _article(request: ArticleRequest, data: SummaryRequest, policy: CachePolicy) -> Article:
    reading = request.app.state.assembly.intake.read(data, policy)
    article: Article = await (reading if data.text is not None else unless_gone(request, reading))
    return article


def _account(request: ArticleRequest) -> Account:
    """What pays for the calls that the request leads to."""
    account: Account = request.app.state.assembly.treasury.account(caller_of(request))
    return account


def _events(
    request: ArticleRequest, job: Job, policy: CachePolicy, finish: Callable[[bytes], bytes]
) -> EventStream:
    """A summary that is yet to be made, and what happens on the way to it."""
    state = request.app.state
    problem = partial(to_problem, request)

    async def events() -> AsyncGenerator[bytes, None]:
        summarizer: Summarizer = state.assembly.summarizer
        with summarizer.follow(job, policy) as (feed, joins):
            yield accepted(job.id, "joined" if joins else "miss")
            work = asyncio.create_task(summarizer.make(job, policy, account=_account(request)))
            following = follow(
                work,
                feed,
                state.assembly.settings.stream_heartbeat_s,
                lambda outcome: finish(outcome.body),
                problem,
            )
            try:
                async with aclosing(following):
                    async for event in following:
                        yield event
            finally:
                state.lingering.keep(work)

    headers = [
        (b"cache-status", b"Standfirst; fwd=miss" if policy.reads else b"Standfirst; fwd=request"),
        (b"cache-control", b"private, no-cache" if policy.writes else b"no-store"),
    ]
    return EventStream(events(), headers, encode("error", problem(asyncio.CancelledError())))


def _options(data: SummaryRequest) -> Options:
    return Options(
        style=data.style,
        max_quotes=data.max_quotes,
        language=data.language,
        prompt=data.prompt,
        model=data.model,
        policy=data.policy,
    )


def _hit(summary_id: str, body: bytes, *, streams: bool, degraded: bool) -> ASGIApp:
    """A summary that is there already."""
    headers = (
        (b"cache-status", hit_status(degraded=degraded)),
        (b"cache-control", b"private, no-cache"),
    )
    if streams:
        return EventStream(once(accepted(summary_id, "hit"), encode("result", body)), list(headers))
    return JSONBytes(
        body,
        *headers,
        (b"etag", entity_tag(body).encode()),
        (b"content-location", b"/v1/summaries/" + summary_id.encode()),
    )


def _answer(
    outcome: Outcome, status: str, policy: CachePolicy, finish: Callable[[bytes], bytes]
) -> JSONBytes:
    body = finish(outcome.body)
    headers = [
        (b"cache-status", status.encode()),
        (b"cache-control", b"private, no-cache" if policy.writes else b"no-store"),
    ]
    if body == outcome.body:  # else it has what is the caller's own, which `GET` does not answer with
        headers.append((b"etag", entity_tag(body).encode()))
        if outcome.kept:
            headers.append((b"content-location", b"/v1/summaries/" + outcome.id.encode()))
    return JSONBytes(body, *headers)


@get(
    "/v1/summaries/{summary_id:str}",
    opt=needs("summaries"),
    tags=["summaries"],
    summary="Get a summary again",
    responses=problems(404),
)
async def get_summary(
    summary_id: _SummaryId,
    assembly: NamedDependency[Assembly],
    if_none_match: Annotated[str | None, HeaderParameter(name="If-None-Match")] = None,
) -> Response[Summary]:
    """A summary that was made before, by its id."""
    body = await assembly.summarizer.find(summary_id)
    if body is None:
        raise NotFoundException("there is no summary of this id, or it is no longer kept")
    tag = entity_tag(body)
    headers = {"Cache-Status": "Standfirst; hit", "Cache-Control": "private, no-cache", "ETag": tag}
    if matches(if_none_match, tag):
        return Response(None, status_code=304, headers=headers)  # type: ignore[arg-type]
    return _json(body, headers)


@delete(
    "/v1/summaries",
    opt=needs("purge"),
    status_code=HTTP_200_OK,
    tags=["summaries"],
    summary="Remove the summaries of an article, or of a key",
    responses=problems(422, 503),
)
async def delete_summaries(
    assembly: NamedDependency[Assembly],
    caller: NamedDependency[Caller],
    article_id: Annotated[
        str | None, QueryParameter(min_length=1, description="The `article_id` that your requests gave")
    ] = None,
    key: Annotated[
        str | None, QueryParameter(min_length=1, description="Id of a key: all that was made for it")
    ] = None,
) -> Removed:
    """Remove all summaries of an article of yours, or all that were made for a key, with all behind them."""
    if (article_id is None) == (key is None):
        raise RequestError("give either article_id or key", field="article_id", remedy="name one of them")
    owner = caller.id if key is None else key
    return Removed(removed=await assembly.summarizer.forget_all(owner, article_id))


@delete(
    "/v1/summaries/{summary_id:str}",
    opt=needs("purge"),
    tags=["summaries"],
    summary="Remove a summary",
    responses=problems(404, 503),
)
async def delete_summary(summary_id: _SummaryId, assembly: NamedDependency[Assembly]) -> None:
    """Remove a summary, and all that was kept on the way to it.

    Equal work that is under way now is finished for its callers, and not kept. With 503, something that
    cannot be reached now may be left: ask again.
    """
    if not await assembly.summarizer.forget(summary_id):
        raise NotFoundException("there is no summary of this id, or it is no longer kept")


def _json(body: bytes, headers: dict[str, str]) -> Response[Summary]:
    """A response whose body is JSON already."""
    return Response(body, media_type=MediaType.JSON, headers=headers)  # type: ignore[arg-type]


def _has_own_data(data: SummaryRequest, source: Source | None) -> bool:
    return data.article_id is not None or data.metadata is not None or source is not None


def _with_own_data(body: bytes, data: SummaryRequest, source: Source | None) -> bytes:
    """The summary with where this caller has the article from, their id and data: never kept with it."""
    if not _has_own_data(data, source):
        return body
    summary = msgspec.json.decode(body)
    if source is not None:
        summary["source"] = source
    if data.article_id is not None:
        summary["article_id"] = data.article_id
    if data.metadata is not None:
        summary["metadata"] = data.metadata
    return msgspec.json.encode(summary)
