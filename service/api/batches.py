"""Batches: submit, follow, get results, retry, change the budget, cancel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Body, PathParameter, QueryParameter
from litestar.response import Stream
from litestar.status_codes import HTTP_200_OK, HTTP_201_CREATED
from msgspec import Meta, Struct

from service.api.access import needs
from service.api.batch_bodies import BatchRequest
from service.api.openapi import BatchOperation, problems
from service.assembly import Assembly
from service.batches import Batch, BatchPage, Delivery, Estimate, Receipt
from service.batches.models import ArticleResult
from service.callers import Caller

_SSE = "text/event-stream"
_HEARTBEAT_S = 15.0
_BatchId = Annotated[str, PathParameter(description="A batch's `id`")]


class BudgetChange(Struct, forbid_unknown_fields=True):
    """A new budget."""

    max_cost_usd: Annotated[
        Annotated[float, Meta(gt=0)] | None, Meta(description="In all, with what it has cost; null: no limit")
    ]


@post(
    "/v1/batches",
    opt=needs("batches"),
    status_code=HTTP_201_CREATED,
    request_class=BatchRequest,
    operation_class=BatchOperation,
    request_max_body_size=None,  # it is never held as a whole
    tags=["batches"],
    summary="Submit a batch",
    responses={
        201: ResponseSpec(Receipt, generate_examples=False, description="The batch runs"),
        200: ResponseSpec(
            Estimate,
            generate_examples=False,
            description="With `dry_run`; or, as 201, the batch of an `Idempotency-Key` used before",
        ),
    }
    | problems(400, 408, 409, 413, 415, 422, 503, 507),
)
async def create_batch(
    request: BatchRequest, assembly: NamedDependency[Assembly], caller: NamedDependency[Caller]
) -> Response[Any]:
    """Submit articles to be summarized when nobody waits for it.

    The body is JSONL, each line what `POST /v1/summaries` takes, with a `custom_id` of your own if you like;
    or a JSON list of such objects. Bad lines are reported by number and do not refuse the others. Equal
    articles are paid for once, in a batch, across batches, and with `POST /v1/summaries`.
    """
    query, key = request.read_query(), request.read_key()
    lines = request.read_lines(assembly.batches.longest_line)
    submission = query.submission(caller.id, key)
    if query.dry_run:
        return Response(await assembly.batches.estimate(lines, submission), status_code=HTTP_200_OK)
    receipt = await assembly.batches.submit(lines, submission)
    return Response(
        receipt,
        status_code=HTTP_200_OK if receipt.repeated else HTTP_201_CREATED,
        headers={"Location": f"/v1/batches/{receipt.batch.id}"},
    )


@get(
    "/v1/batches",
    opt=needs("batches"),
    tags=["batches"],
    summary="List batches",
    responses=problems(422, 503),
)
async def list_batches(
    assembly: NamedDependency[Assembly],
    caller: NamedDependency[Caller],
    before: Annotated[str | None, QueryParameter(description="`next` of the page before")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=100, description="Most batches on the page")] = 20,
) -> BatchPage:
    """Your batches, the newest first."""
    return await assembly.batches.list(caller.id, before, limit)


@get(
    "/v1/batches/{batch_id:str}",
    opt=needs("batches"),
    tags=["batches"],
    summary="Follow a batch",
    responses={
        200: ResponseSpec(
            Batch,
            generate_examples=False,
            description="How far it is. With `Accept: text/event-stream`, an event `progress` whenever it "
            "has moved on, until it has ended",
        )
    }
    | problems(404, 503),
)
async def get_batch(
    request: Request[Any, Any, Any],
    batch_id: _BatchId,
    assembly: NamedDependency[Assembly],
    caller: NamedDependency[Caller],
) -> Response[Any]:
    """Counts by state, tokens, cost, rate and time left."""
    batch = await assembly.batches.progress(batch_id, caller.id)
    if _SSE not in request.headers.get("Accept", ""):
        return Response(batch, headers={"Cache-Control": "no-store"})
    events = _events(assembly.batches.watch(batch_id, caller.id))
    return Stream(events, media_type=_SSE, headers={"Cache-Control": "no-store"})


@get(
    "/v1/batches/{batch_id:str}/deliveries",
    opt=needs("batches"),
    tags=["batches"],
    summary="See what its webhook was told",
    responses=problems(404, 503),
)
async def get_deliveries(
    batch_id: _BatchId, assembly: NamedDependency[Assembly], caller: NamedDependency[Caller]
) -> Sequence[Delivery]:
    """Each event that the batch's webhook is told of, with every attempt, the newest event first."""
    return await assembly.batches.deliveries(batch_id, caller.id)


@get(
    "/v1/batches/{batch_id:str}/results",
    opt=needs("batches"),
    tags=["batches"],
    summary="Get results",
    responses={
        200: ResponseSpec(
            ArticleResult,
            generate_examples=False,
            media_type="application/jsonl",
            description="A line for each line submitted, in that order; while the batch runs, up to the "
            "first that has no result yet",
        )
    }
    | problems(404, 422, 503),
)
async def get_results(
    batch_id: _BatchId,
    assembly: NamedDependency[Assembly],
    caller: NamedDependency[Caller],
    after: Annotated[int, QueryParameter(ge=0, description="`line` of the last result you have")] = 0,
) -> Stream:
    """Results as JSONL: `line`, `custom_id`, `status`, and `summary` or `error`."""
    results = await assembly.batches.results(batch_id, caller.id, after)
    return Stream(results, media_type="application/jsonl", headers={"Cache-Control": "no-store"})


@post(
    "/v1/batches/{batch_id:str}/retry",
    opt=needs("batches"),
    status_code=HTTP_200_OK,
    tags=["batches"],
    summary="Do again what failed",
    responses=problems(404, 409, 503),
)
async def retry_batch(
    batch_id: _BatchId, assembly: NamedDependency[Assembly], caller: NamedDependency[Caller]
) -> Batch:
    """Let the articles that failed wait again; those that are done stay as they are."""
    return await assembly.batches.retry(batch_id, caller.id)


@patch(
    "/v1/batches/{batch_id:str}",
    opt=needs("batches"),
    tags=["batches"],
    summary="Change the budget",
    responses=problems(400, 404, 422, 503),
)
async def change_batch(
    batch_id: _BatchId,
    data: Annotated[BudgetChange, Body()],
    assembly: NamedDependency[Assembly],
    caller: NamedDependency[Caller],
) -> Batch:
    """A batch that had stopped for its budget goes on."""
    return await assembly.batches.set_budget(batch_id, caller.id, data.max_cost_usd)


@delete(
    "/v1/batches/{batch_id:str}",
    opt=needs("batches"),
    status_code=HTTP_200_OK,
    tags=["batches"],
    summary="Cancel a batch",
    responses=problems(404, 503),
)
async def cancel_batch(
    batch_id: _BatchId, assembly: NamedDependency[Assembly], caller: NamedDependency[Caller]
) -> Batch:
    """Begin no more of it; what is under way finishes and is kept."""
    return await assembly.batches.cancel(batch_id, caller.id)


async def _events(batches: AsyncIterator[Batch]) -> AsyncIterator[bytes]:
    """Server-sent events, with a comment now and then, so that proxies see that the connection lives."""
    coming: asyncio.Future[Batch] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(batches))
            done, _ = await asyncio.wait((coming,), timeout=_HEARTBEAT_S)
            if not done:
                yield b": still here\n\n"
                continue
            try:
                yield b"event: progress\ndata: " + msgspec.json.encode(coming.result()) + b"\n\n"
            except StopAsyncIteration:
                return
            coming = None
    finally:
        if coming is not None:
            coming.cancel()
