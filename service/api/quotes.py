"""Quotes: the quotations of an article, found by code."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from litestar import post
from litestar.di import NamedDependency
from litestar.params import Body, HeaderParameter
from litestar.status_codes import HTTP_200_OK

from service import reading
from service.api.access import needs
from service.api.bodies import ArticleRequest
from service.api.caching import read_policy
from service.api.departures import unless_gone
from service.api.openapi import ARTICLE_EXAMPLES, ArticleOperation, problems
from service.assembly import Assembly
from service.models import FoundQuotes, QuotesRequest


@post(
    "/v1/quotes",
    opt=needs("summaries"),
    status_code=HTTP_200_OK,
    request_class=ArticleRequest,
    operation_class=ArticleOperation,
    tags=["quotes"],
    summary="Find the quotations of an article",
    responses=problems(400, 408, 413, 415, 422, 502, 503, 504),
)
async def find_quotes(
    request: ArticleRequest,
    data: Annotated[QuotesRequest, Body(examples=ARTICLE_EXAMPLES)],
    assembly: NamedDependency[Assembly],
    cache_control: Annotated[
        str | None,
        HeaderParameter(
            name="Cache-Control",
            description="For `url`. `no-cache`: fetch it anew. `no-store`: keep nothing. `only-if-cached`: "
            "do not fetch it",
        ),
    ] = None,
) -> FoundQuotes:
    """All quotations of an article with their speakers, found by code: no model is asked."""
    article = await unless_gone(request, assembly.intake.read(data, read_policy(cache_control)))
    found = await asyncio.to_thread(reading.find_quotes, article.text)
    return msgspec.structs.replace(
        found,
        source=msgspec.UNSET if article.source is None else article.source,
        article_id=msgspec.UNSET if data.article_id is None else data.article_id,
        metadata=msgspec.UNSET if data.metadata is None else data.metadata,
    )
