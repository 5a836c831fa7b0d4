from __future__ import annotations

import asyncio
import math

import pytest

from service.callers import Caller, Limits
from service.ledger import Grant, MemoryLedger, Take
from service.limits import DAY_S, MINUTE_S, RequestLimits, Verdict


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0 // DAY_S * DAY_S + 30

    def __call__(self) -> float:
        return self.now


class CountingLedger(MemoryLedger):
    """Counts how often it is asked, and lets others run meanwhile."""

    asked = 0

    async def grant(self, take: Take) -> Grant:
        self.asked += 1
        await asyncio.sleep(0)
        return await super().grant(take)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(clock: Clock) -> CountingLedger:
    return CountingLedger(clock)


def caller(per_minute: int | None = None, per_day: int | None = None) -> Caller:
    return Caller("c", "cms", frozenset(), Limits(requests_per_minute=per_minute, requests_per_day=per_day))


async def admitted(limits: RequestLimits, who: Caller, times: int) -> int:
    verdicts = [await limits.admit(who) for _ in range(times)]
    return sum(verdict is not None and verdict.retry_after_s is None for verdict in verdicts)


async def ask(limits: RequestLimits, who: Caller) -> Verdict:
    verdict = await limits.admit(who)
    assert verdict is not None
    return verdict


def told(verdict: Verdict) -> dict[bytes, str]:
    return {name: value.decode() for name, value in verdict.headers}


async def test_caller_without_limits_is_not_counted(ledger: CountingLedger, clock: Clock) -> None:
    assert await RequestLimits(ledger, clock).admit(caller()) is None
    assert ledger.asked == 0


async def test_limit_holds_exactly_and_ends_with_the_minute(ledger: CountingLedger, clock: Clock) -> None:
    limits, who = RequestLimits(ledger, clock), caller(per_minute=7)
    assert await admitted(limits, who, 10) == 7
    verdict = await ask(limits, who)
    assert verdict.retry_after_s == 30
    assert verdict.limit == "7 requests a minute"
    clock.now += 30
    assert await admitted(limits, who, 10) == 7


async def test_day_ends_with_the_day_of_utc(ledger: CountingLedger, clock: Clock) -> None:
    limits, who = RequestLimits(ledger, clock), caller(per_day=3)
    assert await admitted(limits, who, 5) == 3
    clock.now += DAY_S - 31
    assert await admitted(limits, who, 1) == 0
    clock.now += 1
    assert await admitted(limits, who, 5) == 3


async def test_request_that_the_day_refuses_does_not_count_for_the_minute(
    ledger: CountingLedger, clock: Clock
) -> None:
    limits = RequestLimits(ledger, clock)
    assert await admitted(limits, caller(per_minute=10, per_day=4), 8) == 4
    assert told(await ask(limits, caller(per_minute=10, per_day=4)))[b"ratelimit"].startswith('"minute";r=6')


async def test_headers_tell_the_policy_and_what_is_left(ledger: CountingLedger, clock: Clock) -> None:
    verdict = await ask(RequestLimits(ledger, clock), caller(per_minute=10, per_day=1000))
    assert told(verdict) == {
        b"ratelimit-policy": '"minute";q=10;w=60, "day";q=1000;w=86400',
        b"ratelimit": '"minute";r=9;t=30, "day";r=999;t=86370',
    }


@pytest.mark.parametrize("limit", [1, 60, 999, 4_000, 60_000])
async def test_processes_together_admit_the_limit_to_within_a_hundredth(
    ledger: CountingLedger, clock: Clock, limit: int
) -> None:
    processes = [RequestLimits(ledger, clock) for _ in range(2)]

    async def call(number: int) -> int:
        return await admitted(processes[number % 2], who, limit // 64 + limit // 200 + 2)

    who = caller(per_minute=limit)
    got = sum(await asyncio.gather(*(call(number) for number in range(64))))
    assert math.floor(0.99 * limit) <= got <= limit


async def test_idle_process_holds_little_of_the_limit(ledger: CountingLedger, clock: Clock) -> None:
    idle, busy, who = RequestLimits(ledger, clock), RequestLimits(ledger, clock), caller(per_minute=4_000)
    await idle.admit(who)
    assert await admitted(busy, who, 4_000) >= 3_989


async def test_ledger_is_asked_for_few_of_many_requests(ledger: CountingLedger, clock: Clock) -> None:
    assert await admitted(RequestLimits(ledger, clock), caller(per_minute=1_000_000), 50_000) == 50_000
    assert ledger.asked <= 50


async def test_refusals_do_not_ask_the_ledger(ledger: CountingLedger, clock: Clock) -> None:
    limits, who = RequestLimits(ledger, clock), caller(per_minute=1)
    await admitted(limits, who, 2)
    asked = ledger.asked
    await admitted(limits, who, 100)
    assert ledger.asked == asked


async def test_changed_limits_hold_from_the_next_request(ledger: CountingLedger, clock: Clock) -> None:
    limits = RequestLimits(ledger, clock)
    assert await admitted(limits, caller(per_minute=5), 9) == 5
    assert await admitted(limits, caller(per_minute=8), 9) == 3
    assert await admitted(limits, caller(per_minute=2), 9) == 0


async def test_reread_keys_do_not_reset_what_is_left(ledger: CountingLedger, clock: Clock) -> None:
    limits = RequestLimits(ledger, clock)
    assert await admitted(limits, caller(per_minute=5), 3) == 3
    assert await admitted(limits, caller(per_minute=5), 9) == 2


async def test_minute_may_turn_while_the_ledger_is_asked(ledger: CountingLedger, clock: Clock) -> None:
    limits, who = RequestLimits(ledger, clock), caller(per_minute=5)
    grant = ledger.grant

    async def slow(take: Take) -> Grant:
        clock.now += MINUTE_S
        ledger.grant = grant  # type: ignore[method-assign]
        return await grant(take)

    ledger.grant = slow  # type: ignore[method-assign]
    assert (await ask(limits, who)).retry_after_s is None
    assert await admitted(limits, who, 9) == 4
