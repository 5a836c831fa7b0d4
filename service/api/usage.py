"""Usage: what calls of the model came to, by key, model, prompt and day."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from msgspec import Meta, Struct

from service.api.access import ANY_KEY, ScopeMissingError
from service.api.openapi import problems
from service.assembly import Assembly
from service.callers import Caller
from service.errors import RequestError
from service.ledger import Counts, Line
from service.spending import NANO

_MOST_DAYS = 400


class UsageLine(Struct, frozen=True, kw_only=True):
    """What one key's calls of one model with one prompt came to in a day of UTC."""

    day: str
    key: Annotated[str, Meta(description="The key's id; `local` where no keys are needed")]
    model: str
    prompt: str
    llm_calls: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    cost_usd: Annotated[float, Meta(description="Of the calls whose model's price is known")]
    unpriced_calls: int


class UsageReport(Struct, frozen=True, kw_only=True):
    """Lines of usage, the latest day first, and what they come to."""

    since: str
    until: str
    cost_usd: float
    lines: list[UsageLine]


@get("/v1/usage", opt=ANY_KEY, tags=["usage"], summary="What was used", responses=problems(400, 422))
async def get_usage(
    assembly: NamedDependency[Assembly],
    caller: NamedDependency[Caller],
    since: Annotated[
        date | None, QueryParameter(description="First day, of UTC; by default the first of this month")
    ] = None,
    until: Annotated[date | None, QueryParameter(description="Last day; by default today")] = None,
    key: Annotated[
        str | None,
        QueryParameter(
            description="Id of a key, or `all`, which takes the scope `metrics`; by default, your own"
        ),
    ] = None,
) -> UsageReport:
    """Calls of the model, their tokens and their cost, by key, model, prompt and day.

    It is up to date to about a second. What was answered from a cache costs nothing, and is not here.
    """
    today = datetime.now(UTC).date()
    last = until or today
    first = since or min(today, last).replace(day=1)
    days = (last - first).days + 1
    if not 0 < days <= _MOST_DAYS:
        raise RequestError(
            f"there are {days} days from since to until",
            field="since",
            remedy=f"ask for 1 to {_MOST_DAYS} days",
        )
    wanted = caller.id if key is None else key
    if wanted != caller.id and "metrics" not in caller.scopes:
        raise ScopeMissingError("metrics")
    usage = await assembly.treasury.usage(datetime.combine(first, time(), UTC), days)
    lines = [_line(line, counts) for line, counts in usage.items() if wanted in (line.owner, "all")]
    lines.sort(key=lambda line: (line.key, line.model, line.prompt))
    lines.sort(key=lambda line: line.day, reverse=True)
    return UsageReport(
        since=first.isoformat(),
        until=(first + timedelta(days=days - 1)).isoformat(),
        cost_usd=sum(line.cost_usd for line in lines),
        lines=lines,
    )


def _line(line: Line, counts: Counts) -> UsageLine:
    return UsageLine(
        day=line.day,
        key=line.owner,
        model=line.model,
        prompt=line.prompt,
        llm_calls=counts.calls,
        input_tokens=counts.input_tokens,
        cached_input_tokens=counts.cached_input_tokens,
        output_tokens=counts.output_tokens,
        cost_usd=counts.nano_usd / NANO,
        unpriced_calls=counts.unpriced_calls,
    )
