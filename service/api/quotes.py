"""Quotes: the quotations of an article, found by code."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from litestar import post
from litestar.params import Body
from litestar.status_codes import HTTP_200_OK

from service import reading
from service.api.access import needs
from service.api.bodies import ArticleRequest
from service.api.openapi import ARTICLE_EXAMPLES, ArticleOperation, problems
from service.models import FoundQuotes, QuotesRequest


@post(
    "/v1/quotes",
    opt=needs("summaries"),
    status_code=HTTP_200_OK,
    request_class=ArticleRequest,
    operation_class=ArticleOperation,
    tags=["quotes"],
    summary="Find the quotations of an article",
    responses=problems(400, 408, 413, 415, 422),
)
async def find_quotes(data: Annotated[QuotesRequest, Body(examples=ARTICLE_EXAMPLES)]) -> FoundQuotes:
    """All quotations of an article with their speakers, found by code: no model is asked."""
    found = await asyncio.to_thread(reading.find_quotes, data.text)
    return msgspec.structs.replace(
        found,
        article_id=msgspec.UNSET if data.article_id is None else data.article_id,
        metadata=msgspec.UNSET if data.metadata is None else data.metadata,
    )
