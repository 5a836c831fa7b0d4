"""Summaries: make one, get it again, remove it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, delete, get, post
from litestar.di import NamedDependency
from litestar.enums import MediaType
from litestar.exceptions import NotFoundException
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Body, HeaderParameter, PathParameter
from litestar.status_codes import HTTP_200_OK

from service.api.access import needs
from service.api.bodies import ArticleRequest
from service.api.caching import cache_status, entity_tag, matches, read_policy
from service.api.departures import unless_gone
from service.api.openapi import ARTICLE_EXAMPLES, SUMMARY_EXAMPLES, ArticleOperation, problems
from service.assembly import Assembly
from service.models import Summary, SummaryRequest
from service.summarizer import Article, Options

_SummaryId = Annotated[str, PathParameter(description="A summary's `id`")]


@post(
    "/v1/summaries",
    opt=needs("summaries"),
    status_code=HTTP_200_OK,
    request_class=ArticleRequest,
    operation_class=ArticleOperation,
    tags=["summaries"],
    summary="Summarize an article",
    responses={200: ResponseSpec(Summary, examples=SUMMARY_EXAMPLES, description="The summary")}
    | problems(400, 408, 413, 415, 422, 502, 503, 504),
)
async def create_summary(
    request: ArticleRequest,
    data: Annotated[SummaryRequest, Body(examples=ARTICLE_EXAMPLES)],
    assembly: NamedDependency[Assembly],
    cache_control: Annotated[
        str | None,
        HeaderParameter(
            name="Cache-Control",
            description="`no-cache`: do it again. `no-store`: keep nothing. `only-if-cached`: do not make it",
        ),
    ] = None,
) -> Response[Summary]:
    """Summary and key quotes of an article.

    The same request has the same `id` and costs nothing the second time. With `Content-Type: text/plain` the
    body is the article, and the options stand in the query: `?style=bullets&max_quotes=3`.
    """
    options = Options(
        style=data.style,
        max_quotes=data.max_quotes,
        language=data.language,
        prompt=data.prompt,
        model=data.model,
        policy=data.policy,
    )
    policy = read_policy(cache_control)
    article = Article(text=data.text, title=data.title or "")
    outcome = await unless_gone(request, assembly.summarizer.summarize(article, options, policy))
    body = _with_own_data(outcome.body, data)
    headers = {
        "Cache-Status": cache_status(outcome, policy),
        "Cache-Control": "private, no-cache" if policy.writes else "no-store",
    }
    if body == outcome.body:  # else it has the caller's own data, which `GET` does not answer with
        headers["ETag"] = entity_tag(body)
        if outcome.kept:
            headers["Content-Location"] = f"/v1/summaries/{outcome.id}"
    return _json(body, headers)


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
    "/v1/summaries/{summary_id:str}",
    opt=needs("purge"),
    tags=["summaries"],
    summary="Remove a summary",
    responses=problems(404),
)
async def delete_summary(summary_id: _SummaryId, assembly: NamedDependency[Assembly]) -> None:
    """Remove a summary, and what the model answered on the way to it."""
    if not await assembly.summarizer.forget(summary_id):
        raise NotFoundException("there is no summary of this id, or it is no longer kept")


def _json(body: bytes, headers: dict[str, str]) -> Response[Summary]:
    """A response whose body is JSON already."""
    return Response(body, media_type=MediaType.JSON, headers=headers)  # type: ignore[arg-type]


def _with_own_data(body: bytes, data: SummaryRequest) -> bytes:
    """The summary with the caller's own id and data, which are never kept with it."""
    if data.article_id is None and data.metadata is None:
        return body
    summary = msgspec.json.decode(body)
    if data.article_id is not None:
        summary["article_id"] = data.article_id
    if data.metadata is not None:
        summary["metadata"] = data.metadata
    return msgspec.json.encode(summary)
