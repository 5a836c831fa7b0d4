"""What batches are made of, as callers see them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from service.models import SummaryRequest, Usage

BatchState: TypeAlias = Literal["running", "paused", "cancelled", "completed"]
BatchPriority: TypeAlias = Literal["high", "normal", "low"]
ArticleStatus: TypeAlias = Literal["done", "failed", "invalid"]

CustomId: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=200, description="The caller's own id of the line, once in a batch")
]


class BatchLine(SummaryRequest, kw_only=True, forbid_unknown_fields=True):
    """One line of a batch: what `POST /v1/summaries` takes, and an id of the caller's own."""

    custom_id: CustomId | None = None


class LineError(Struct, frozen=True, kw_only=True):
    """A line that is no request; `line` counts from 1, blank lines included."""

    line: int
    message: str
    field: str | None = None
    custom_id: str | None = None


class Counts(Struct, frozen=True, kw_only=True):
    """Articles of a batch by state; all but `invalid` and `cached` sum up to `total`."""

    total: int
    waiting: int
    under_way: int
    done: int
    failed: int
    cancelled: int
    invalid: Annotated[int, Meta(description="Lines that were no request; they are not part of `total`")]
    cached: Annotated[int, Meta(description="Of those done, how many cost nothing: found or shared")]


class Batch(Struct, frozen=True, kw_only=True):
    """A batch and how far it is."""

    id: str
    state: Annotated[
        BatchState,
        Meta(
            description="`paused`: the budget does not reach for the next article; raise it to go on. "
            "`cancelled`: what was under way still finishes and is kept"
        ),
    ]
    created_at: datetime
    finished_at: datetime | None
    priority: BatchPriority
    counts: Counts
    usage: Annotated[Usage, Meta(description="What the batch has cost so far")]
    max_cost_usd: float | None
    next_line: Annotated[int | None, Meta(description="On `paused`: the first line that was not begun")] = (
        None
    )
    articles_per_minute: Annotated[
        float | None, Meta(description="Mean since the batch began or went on; null before the first result")
    ] = None
    seconds_left: Annotated[float | None, Meta(description="At that rate; null where it is not known")] = None
    held_up: Annotated[
        str | None, Meta(description="What the batch waits for now, such as a provider that throttles")
    ] = None
    webhook: str | None = None


class Receipt(Struct, frozen=True, kw_only=True):
    """A batch that was accepted; `errors` has the first 100 of its `counts.invalid` bad lines."""

    batch: Batch
    errors: list[LineError]
    repeated: bool = False


class Estimate(Struct, frozen=True, kw_only=True):
    """What a batch would come to at most, if nothing of it were cached; nothing was kept."""

    articles: int
    invalid: int
    input_tokens: int
    output_tokens: int
    cost_usd: Annotated[float | None, Meta(description="null where a model's price is not known")]
    errors: list[LineError]


class BatchPage(Struct, frozen=True, kw_only=True):
    """Batches, the newest first; `next` is the `before` of the next page, null on the last."""

    batches: list[Batch]
    next: str | None


class DeliveryAttempt(Struct, frozen=True, kw_only=True):
    """One request to a webhook: its status, or what went wrong."""

    at: datetime
    status: int | None
    problem: str | None
    seconds: float


class Delivery(Struct, frozen=True, kw_only=True):
    """An event that a webhook is told of; `id` is the `webhook-id` of each attempt."""

    id: str
    event: Literal["batch.completed", "batch.cancelled"]
    state: Literal["waiting", "delivered", "failed"]
    attempts: list[DeliveryAttempt]
    next_at: datetime | None


class ArticleError(Struct, frozen=True, kw_only=True):
    """Why an article has no summary; `code` is stable."""

    code: str
    message: str


class ArticleResult(Struct, frozen=True, kw_only=True):
    """One line of the results."""

    line: int
    custom_id: str | None
    status: ArticleStatus
    summary: msgspec.Raw | UnsetType = UNSET
    cached: bool | UnsetType = UNSET
    error: ArticleError | UnsetType = UNSET


class Submission(Struct, frozen=True, kw_only=True):
    """How a batch is to be run.

    `defaults` are fields of a line for those that do not name them. With `strict`, one bad line refuses all.
    With `ignore_unknown`, fields that a line has beyond those of a request are left aside.
    """

    owner: str = "local"
    defaults: dict[str, str | int] = {}
    priority: BatchPriority = "normal"
    max_cost_usd: Annotated[float, Meta(gt=0)] | None = None
    strict: bool = False
    ignore_unknown: bool = False
    idempotency_key: str | None = None
    webhook: str | None = None
