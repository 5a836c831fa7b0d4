from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime

import pytest

from service.callers import Caller, Limits
from service.catalogue import Catalogue, ModelInfo
from service.errors import LLMBudgetError, LLMLimitError
from service.ledger import Counts, Line, MemoryLedger
from service.llm import ChatRequest, TokenUsage
from service.models import Message
from service.spending import NANO, Account, Treasury

DAY_S = 86_400
LUNA = Catalogue.load().find("gpt-6-luna")  # $0.10 and $0.50 for a million tokens
UNPRICED = Catalogue.load().find("nobody-knows-it")
REQUEST = ChatRequest(
    model="gpt-6-luna",
    messages=(Message(role="user", content="x" * 3_000),),
    max_output_tokens=1_000,
    timeout_s=1,
)
MOST_USD = (1_000 * 0.10 + 1_000 * 0.50) / 1e6
USED = TokenUsage(input_tokens=1_000, output_tokens=100)
USED_USD = (1_000 * 0.10 + 100 * 0.50) / 1e6


class Clock:
    def __init__(self) -> None:
        self.now = 20_000.0 * DAY_S + 30

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(clock: Clock) -> MemoryLedger:
    return MemoryLedger(clock)


def caller(**limits: float) -> Caller:
    return Caller("cms", "cms", frozenset(), Limits(**limits))  # type: ignore[arg-type]


async def call(account: Account, model: ModelInfo = LUNA, usage: TokenUsage | None = USED) -> None:
    reservation = await account.reserve(REQUEST, model, "article@1")
    await reservation.settle(usage, model)


async def calls_until_spent(account: Account) -> int:
    made = 0
    while True:
        try:
            await call(account)
        except (LLMBudgetError, LLMLimitError):
            return made
        made += 1


async def test_budget_is_spent_to_within_one_reservation_and_never_passed(
    ledger: MemoryLedger, clock: Clock
) -> None:
    treasury = Treasury(ledger, budget_usd=0.1, clock=clock)
    spent = await calls_until_spent(treasury.account()) * USED_USD
    assert 0.1 - MOST_USD < spent <= 0.1


async def test_calls_at_once_in_two_processes_do_not_pass_the_budget(
    ledger: MemoryLedger, clock: Clock
) -> None:
    treasuries = [Treasury(ledger, budget_usd=0.1, clock=clock) for _ in range(2)]
    made = 0

    async def keep_calling(number: int) -> None:
        nonlocal made
        refusals = 0
        while refusals < 50:
            try:
                reservation = await treasuries[number % 2].account().reserve(REQUEST, LUNA, "article@1")
            except LLMBudgetError:
                refusals += 1
                await asyncio.sleep(0)
                continue
            await asyncio.sleep(0)
            await reservation.settle(USED, LUNA)
            made += 1

    await asyncio.gather(*map(keep_calling, range(64)))
    assert 0.099 <= made * USED_USD <= 0.1


async def test_budget_begins_anew_with_the_day(ledger: MemoryLedger, clock: Clock) -> None:
    account = Treasury(ledger, budget_usd=0.002, clock=clock).account()
    assert (first := await calls_until_spent(account)) > 0
    with pytest.raises(LLMBudgetError) as refused:
        await call(account)
    assert refused.value.retry_after_s == DAY_S - 30
    assert not refused.value.final
    clock.now += DAY_S
    assert await calls_until_spent(account) == first


async def test_spent_budget_is_final_where_requests_are_refused(ledger: MemoryLedger, clock: Clock) -> None:
    account = Treasury(ledger, budget_usd=1e-9, when_spent="refuse", clock=clock).account()
    with pytest.raises(LLMBudgetError) as refused:
        await call(account)
    assert refused.value.final


@pytest.mark.parametrize(
    ("limits", "message", "wait_s"),
    [
        ({"tokens_per_minute": 2_500}, "tokens a minute", 30),
        ({"tokens_per_day": 2_500}, "tokens a day", DAY_S - 30),
        ({"usd_per_day": 1.5 * MOST_USD}, "cost a day", DAY_S - 30),
    ],
)
async def test_limits_of_a_caller_hold(
    ledger: MemoryLedger, clock: Clock, limits: dict[str, float], message: str, wait_s: int
) -> None:
    treasury = Treasury(ledger, clock=clock)
    account = treasury.account(caller(**limits))
    assert await calls_until_spent(account) > 0
    with pytest.raises(LLMLimitError, match=message) as refused:
        await call(account)
    assert refused.value.retry_after_s == wait_s
    assert refused.value.owner == "cms"
    await call(treasury.account(Caller("other", "other", frozenset())))


async def test_call_without_an_answer_gives_back_what_was_reserved(
    ledger: MemoryLedger, clock: Clock
) -> None:
    treasury = Treasury(ledger, budget_usd=1, clock=clock)
    reservation = await treasury.account().reserve(REQUEST, LUNA, "article@1")
    await reservation.release(begun=False)
    assert await ledger.read("budget:usd:day:20000") == 0
    assert await treasury.usage(_today(clock), 1) == {}


async def test_call_that_was_given_up_leaves_its_prompt_spent(ledger: MemoryLedger, clock: Clock) -> None:
    treasury = Treasury(ledger, budget_usd=1, clock=clock)
    reservation = await treasury.account().reserve(REQUEST, LUNA, "article@1")
    await reservation.release(begun=True)
    assert await ledger.read("budget:usd:day:20000") == round(1_000 * 0.10 / 1e6 * NANO)


async def test_answer_that_nobody_counted_costs_what_was_reserved(ledger: MemoryLedger, clock: Clock) -> None:
    treasury = Treasury(ledger, budget_usd=1, clock=clock)
    await call(treasury.account(), usage=None)
    assert await ledger.read("budget:usd:day:20000") == round(MOST_USD * NANO)


async def test_fallback_model_is_paid_by_its_own_price(ledger: MemoryLedger, clock: Clock) -> None:
    sol = Catalogue.load().find("gpt-6-sol")
    treasury = Treasury(ledger, budget_usd=1, clock=clock)
    reservation = await treasury.account().reserve(REQUEST, LUNA, "article@1")
    await reservation.settle(USED, sol)
    usage = await treasury.usage(_today(clock), 1)
    assert [line.model for line in usage] == ["gpt-6-sol"]
    assert await ledger.read("budget:usd:day:20000") == next(iter(usage.values())).nano_usd


async def test_giving_back_goes_on_when_the_caller_is_cancelled(clock: Clock) -> None:
    class SlowLedger(MemoryLedger):
        asked = asyncio.Event()
        answer = asyncio.Event()

        async def add(self, amounts: object) -> None:
            self.asked.set()
            await self.answer.wait()
            await super().add(amounts)  # type: ignore[arg-type]

    ledger = SlowLedger(clock)
    async with Treasury(ledger, budget_usd=1, clock=clock) as treasury:
        paying = asyncio.create_task(call(treasury.account()))
        await ledger.asked.wait()
        paying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await paying
        ledger.answer.set()
    assert await ledger.read("budget:usd:day:20000") == round(USED_USD * NANO)


async def test_usage_is_told_by_day_owner_model_and_prompt(ledger: MemoryLedger, clock: Clock) -> None:
    treasury = Treasury(ledger, clock=clock)
    await call(treasury.account())
    await call(treasury.account(caller()))
    await call(treasury.account(caller()))
    await call(treasury.account(caller()), UNPRICED)
    nano = round(USED_USD * NANO)
    assert await treasury.usage(_today(clock), 1) == {
        Line("2024-10-04", "local", "gpt-6-luna", "article@1"): Counts(1, 1_000, 0, 100, nano, 0),
        Line("2024-10-04", "cms", "gpt-6-luna", "article@1"): Counts(2, 2_000, 0, 200, 2 * nano, 0),
        Line("2024-10-04", "cms", "nobody-knows-it", "article@1"): Counts(1, 1_000, 0, 100, 0, 1),
    }


async def test_lines_that_are_not_written_yet_are_bounded(clock: Clock) -> None:
    treasury = Treasury(MemoryLedger(clock), clock=clock)
    for number in range(3_000):
        treasury.enter(Line("2024-10-04", "cms", f"model {number}", "article@1"), Counts(calls=1))
    usage = await treasury.usage(_today(clock), 1)
    assert len(usage) == 1_001
    assert sum(counts.calls for counts in usage.values()) == 3_000


async def test_budget_warns_once_a_day_at_four_fifths(
    ledger: MemoryLedger, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    treasury = Treasury(ledger, budget_usd=1, clock=clock)
    treasury.see_spent(20_000, round(0.79 * NANO))
    assert not treasury.problem
    with caplog.at_level(logging.WARNING):
        treasury.see_spent(20_000, round(0.81 * NANO))
        treasury.see_spent(20_000, round(0.9 * NANO))
    assert str(treasury.problem) == "90% of today's budget of $1 is spent or reserved"
    (record,) = caplog.records
    assert record.getMessage().endswith("; then sentences of the articles stand in for their summaries")
    clock.now += DAY_S
    assert not treasury.problem


async def test_book_is_written_when_the_service_stops(ledger: MemoryLedger, clock: Clock) -> None:
    async with Treasury(ledger, clock=clock) as treasury:
        await call(treasury.account())
    assert sum(counts.calls for counts in (await ledger.usage(["2024-10-04"])).values()) == 1


def _today(clock: Clock) -> datetime:
    return datetime.fromtimestamp(clock.now, UTC)
