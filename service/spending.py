"""What calls of the model cost, who pays, and when nobody may pay any more.

What a call will cost is known only when it has been answered. So the most that it can cost is reserved before
it is sent, and what it did not cost is given back: budgets are never passed, however many calls are under
way at once. A process that is killed leaves what it had reserved spent, until the minute or the day is over.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Final, Literal, Self, TypeAlias

import msgspec

from service.callers import LOCAL, Caller, Limits
from service.catalogue import ModelInfo, cost_usd
from service.errors import LLMBudgetError, LLMLimitError
from service.ledger import Counts, Ledger, Line, Take
from service.llm import ChatRequest, TokenUsage

_log = logging.getLogger(__name__)

NANO: Final = 1_000_000_000
_MINUTE_S: Final = 60
_DAY_S: Final = 86_400
_TEND_S: Final = 1.0
_WARN_AT: Final = 0.8
_MOST_LINES: Final = 1_000  # of usage that is not written yet
_OTHER: Final = "other"
_BYTES_PER_TOKEN: Final = 3  # at the least, in any script

WhenSpent: TypeAlias = Literal["extractive", "refuse"]
_CONSEQUENCES: Final[dict[WhenSpent, str]] = {
    "extractive": "sentences of the articles stand in for their summaries",
    "refuse": "requests are refused",
}


class Treasury:
    """The daily budget of the service, the limits of callers, and the book of what was used.

    Args:
        ledger: Counts across processes.
        budget_usd: What the service may spend in a day of UTC; None: no limit.
        when_spent: Whether sentences of the article stand in then, or requests are refused.
        find_caller: The caller of an id, by the keys as they are now.
        clock: Seconds since the epoch, alike on all machines.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        budget_usd: float | None = None,
        when_spent: WhenSpent = "extractive",
        find_caller: Callable[[str], Caller | None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.ledger = ledger
        self._find_caller = find_caller
        self.budget = None if budget_usd is None else round(budget_usd * NANO)
        self.when_spent = when_spent
        self.clock = clock
        self._book: dict[Line, Counts] = {}
        self._spent = (0, 0)  # the day as a number, and what was spent in it as far as is known here
        self._warned_day = self._refused_day = -1
        self._tending: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def account(self, caller: Caller = LOCAL) -> Account:
        """What pays for the calls of that caller."""
        return Account(self, caller)

    def account_of(self, owner: str) -> Account:
        """What pays for work that a caller of that id has left here."""
        return Account(self, self._find_caller(owner) or Caller(owner, owner, frozenset()))

    async def __aenter__(self) -> Self:
        self._tending = asyncio.create_task(self._tend())
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        if self._tending is not None:
            self._tending.cancel()
            await asyncio.wait([self._tending])
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self.write()

    @property
    def spent_share(self) -> float | None:
        """How much of today's budget is spent or reserved, as far as is known here; None without a budget."""
        if self.budget is None:
            return None
        day, spent = self._spent
        return spent / self.budget if day == self.clock() // _DAY_S else 0.0

    @property
    def problem(self) -> str | None:
        """How much of today's budget is spent, once it is four fifths or refused a call; else None."""
        (day, spent), today = self._spent, self.clock() // _DAY_S
        if self.budget is None or day != today:
            return None
        if self._refused_day == today:
            return f"today's budget of ${self.budget / NANO:g} is spent, but for less than a call may cost"
        if spent < _WARN_AT * self.budget:
            return None
        return f"{spent / self.budget:.0%} of today's budget of ${self.budget / NANO:g} is spent or reserved"

    def see_spent(self, day: int, spent: int) -> None:
        """Note what the service has spent in a day, and warn once a day when it comes near the budget."""
        self._spent = (day, spent)
        if self._warned_day != day and (problem := self.problem):
            self._warned_day = day
            _log.warning("%s; then %s", problem, _CONSEQUENCES[self.when_spent])

    def refuse(self, day: int) -> None:
        """Note that the budget of a day did not allow a call."""
        if self._refused_day != day:
            self._refused_day = day
            _log.warning("%s: %s", self.problem, _CONSEQUENCES[self.when_spent])

    def enter(self, line: Line, counts: Counts) -> None:
        """Enter usage into the book, which is written every second."""
        if line not in self._book and len(self._book) >= _MOST_LINES:
            line = line._replace(model=_OTHER, prompt=_OTHER)
        self._book[line] = self._book.get(line, Counts()).plus(counts)

    async def see_through(self, work: Coroutine[object, object, None]) -> None:
        """Await work that goes on if the caller is cancelled: what is not given back is lost for the day."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.shield(task)

    async def write(self) -> None:
        """Write the book down."""
        if self._book:
            book, self._book = self._book, {}
            await self.ledger.record(book)

    async def usage(self, first: datetime, days: int) -> dict[Line, Counts]:
        """The usage of so many days of UTC from the first on."""
        await self.write()
        return await self.ledger.usage([f"{first + timedelta(days=n):%Y-%m-%d}" for n in range(days)])

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(_TEND_S)
            await self.write()
            if self.budget is not None:
                day = int(self.clock() // _DAY_S)
                self.see_spent(day, await self.ledger.read(budget_counter(day)))


class Account:
    """Pays for the calls of one caller."""

    def __init__(self, treasury: Treasury, caller: Caller) -> None:
        self._treasury = treasury
        self.owner = caller.id
        self._limits = caller.limits

    async def reserve(self, request: ChatRequest, model: ModelInfo, prompt: str) -> Reservation:
        """Set the most that a call can cost aside; `prompt` is what usage calls it.

        Raises:
            LLMBudgetError: the service's budget of the day does not allow it.
            LLMLimitError: the caller's limits of tokens or cost do not allow it.
        """
        treasury = self._treasury
        now = treasury.clock()
        takes = _takes(self.owner, self._limits, treasury.budget, now)
        most = TokenUsage(
            input_tokens=_most_input_tokens(request) if takes else 0, output_tokens=request.max_output_tokens
        )
        reserved = [take._replace(amount=_amount_of(take, most, model)) for take in takes]
        if reserved:
            taken = await treasury.ledger.take(reserved)
            if treasury.budget is not None:
                treasury.see_spent(int(now // _DAY_S), taken.totals[0])
            if taken.refused is not None:
                raise self._refusal(reserved[taken.refused], now)
        line = Line(_date(now), self.owner, model.name, prompt)
        return Reservation(treasury, model, most, reserved, line)

    def _refusal(self, take: Take, now: float) -> LLMBudgetError | LLMLimitError:
        period_s = _MINUTE_S if ":minute:" in take.counter else _DAY_S
        wait_s = period_s - now % period_s
        if take.counter.startswith("budget:"):
            self._treasury.refuse(int(now // _DAY_S))
            final = self._treasury.when_spent == "refuse"
            return LLMBudgetError("today's budget is spent", retry_after_s=wait_s, final=final)
        kind = take.counter.partition(":")[0]
        period = "minute" if period_s == _MINUTE_S else "day"
        return LLMLimitError(
            f"the key's limit of {kind} a {period} is used up", retry_after_s=wait_s, owner=self.owner
        )


class Reservation:
    """What is set aside for one call; to be settled once, whatever comes of the call."""

    def __init__(
        self, treasury: Treasury, model: ModelInfo, most: TokenUsage, takes: Sequence[Take], line: Line
    ) -> None:
        self._treasury = treasury
        self._model = model
        self._most = most
        self._takes = takes
        self._line = line

    async def settle(self, usage: TokenUsage | None, model: ModelInfo) -> None:
        """Pay for `usage`, by the price of the model that answered, and give the rest back.

        Without `usage`, where the server did not count, all that was reserved stays spent.
        """
        cost = None if usage is None else cost_usd(model, usage)
        self._treasury.enter(
            self._line._replace(model=model.name),
            Counts(
                calls=1,
                input_tokens=0 if usage is None else usage.input_tokens,
                cached_input_tokens=0 if usage is None else usage.cached_input_tokens,
                output_tokens=0 if usage is None else usage.output_tokens,
                nano_usd=0 if cost is None else round(cost * NANO),
                unpriced_calls=cost is None,
            ),
        )
        if usage is not None:
            await self._correct(lambda take: _amount_of(take, usage, model) - take.amount)

    async def release(self, *, begun: bool) -> None:
        """Give back what was reserved for a call without an answer, but for what it sent if it has begun."""
        sent = self._most.input_tokens if begun else 0
        usage = TokenUsage(input_tokens=sent, output_tokens=0)
        await self._correct(lambda take: _amount_of(take, usage, self._model) - take.amount)

    async def _correct(self, difference: Callable[[Take], int]) -> None:
        corrections = [take._replace(amount=difference(take)) for take in self._takes]
        if corrections := [correction for correction in corrections if correction.amount]:
            await self._treasury.see_through(self._treasury.ledger.add(corrections))


def budget_counter(day: int) -> str:
    """The counter of what the service has spent in that day since the epoch."""
    return f"budget:usd:day:{day}"


def _takes(owner: str, limits: Limits, budget: int | None, now: float) -> list[Take]:
    """The counters that a call goes on, with their limits; the amounts are still to come."""
    minute, day = int(now // _MINUTE_S), int(now // _DAY_S)
    takes = []
    if budget is not None:
        takes.append(Take(budget_counter(day), 0, budget, 2 * _DAY_S))
    if limits.tokens_per_minute is not None:
        takes.append(Take(f"tokens:{owner}:minute:{minute}", 0, limits.tokens_per_minute, 2 * _MINUTE_S))
    if limits.tokens_per_day is not None:
        takes.append(Take(f"tokens:{owner}:day:{day}", 0, limits.tokens_per_day, 2 * _DAY_S))
    if limits.usd_per_day is not None:
        takes.append(Take(f"cost:{owner}:day:{day}", 0, round(limits.usd_per_day * NANO), 2 * _DAY_S))
    return takes


def _amount_of(take: Take, usage: TokenUsage, model: ModelInfo) -> int:
    """What `usage` comes to on that counter; a price that is not known comes to nothing."""
    if take.counter.startswith("tokens:"):
        return usage.input_tokens + usage.output_tokens
    return round((cost_usd(model, usage) or 0.0) * NANO)


def _most_input_tokens(request: ChatRequest) -> int:
    schema = 0 if request.output_schema is None else len(msgspec.json.encode(request.output_schema.schema))
    sent = sum(len(message.content.encode()) for message in request.messages)
    return (sent + schema) // _BYTES_PER_TOKEN


def _date(now: float) -> str:
    return f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d}"
