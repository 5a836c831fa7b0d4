"""How many requests a caller may make in a minute and in a day.

The counts are shared through the ledger, but asking it for each request would cost a cache hit more than all
else. So a process takes a few requests at once on lease, the fewer the nearer the limit is, and lets them
through by itself. Leases come off the shared count when they are taken: the limit is never passed, and what
idle processes hold of it stays under a four-hundredth each.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

from service.callers import Caller
from service.ledger import Ledger, Take

MINUTE_S: Final = 60
DAY_S: Final = 86_400
_LEASE_SHARE: Final = 400  # of the limit, at most
_LEFT_SHARE: Final = 50  # of what is left, at most
_MOST_CALLERS: Final = 10_000

Header = tuple[bytes, bytes]


class Verdict(NamedTuple):
    """Whether a request is within its limits, or when it would be, in seconds; and headers that say so."""

    retry_after_s: float | None
    limit: str
    headers: list[Header]


class RequestLimits:
    """The limits of all callers, as windows that begin with each minute and each day of UTC.

    Args:
        ledger: Counts across processes.
        clock: Seconds since the epoch, alike on all machines.
    """

    def __init__(self, ledger: Ledger, clock: Callable[[], float] = time.time) -> None:
        self._ledger = ledger
        self._clock = clock
        self._meters: OrderedDict[str, _Meter] = OrderedDict()

    async def admit(self, caller: Caller) -> Verdict | None:
        """Count a request; None where the caller has no such limits."""
        limits = caller.limits
        if limits.requests_per_minute is None and limits.requests_per_day is None:
            return None
        meter = self._meters.get(caller.id)
        if meter is None or meter.caller is not caller:
            meter = self._meters[caller.id] = _Meter(caller, self._ledger, meter)
            if len(self._meters) > _MOST_CALLERS:
                self._meters.popitem(last=False)
        return await meter.admit(self._clock)


class _Meter:
    """One caller's windows."""

    def __init__(self, caller: Caller, ledger: Ledger, before: _Meter | None) -> None:
        self.caller = caller
        limits = caller.limits
        kinds = (("minute", limits.requests_per_minute, MINUTE_S), ("day", limits.requests_per_day, DAY_S))
        known = {window.key: window for window in before.windows} if before else {}
        self.windows: list[_Window] = [
            known.get((name, limit)) or _Window(name, limit, period_s, f"requests:{caller.id}", ledger)
            for name, limit, period_s in kinds
            if limit is not None
        ]
        policy = ", ".join(f'"{w.name}";q={w.limit};w={w.period_s}' for w in self.windows)
        self._policy = (b"ratelimit-policy", policy.encode())

    async def admit(self, clock: Callable[[], float]) -> Verdict:
        """A request in all windows, or in none."""
        for window in self.windows:
            while not window.has_one(now := clock()):
                if window.spent:
                    for earlier in self.windows[: self.windows.index(window)]:
                        earlier.give_back()
                    wait_s = window.ends_at - now
                    return Verdict(wait_s, f"{window.limit} requests a {window.name}", self._headers(now))
                await window.lease(now)
            window.take()
        return Verdict(None, "", self._headers(now))

    def _headers(self, now: float) -> list[Header]:
        told = ", ".join(f'"{w.name}";r={w.left};t={math.ceil(w.ends_at - now)}' for w in self.windows)
        return [self._policy, (b"ratelimit", told.encode())]


class _Window:
    """What is left of a limit for now: on lease here, and, as far as is known, for all."""

    def __init__(self, name: str, limit: int, period_s: int, counter: str, ledger: Ledger) -> None:
        self.name = name
        self.limit = limit
        self.period_s = period_s
        self.key = (name, limit)
        self.ends_at = 0.0
        self.spent = False
        self._counter = f"{counter}:{name}"
        self._ledger = ledger
        self._leased = 0
        self._unleased = limit
        self._leasing: asyncio.Lock = asyncio.Lock()

    @property
    def left(self) -> int:
        """How many requests all processes may still let through, as far as is known here."""
        return self._leased + self._unleased

    def has_one(self, now: float) -> bool:
        """Whether a request is on lease."""
        if now >= self.ends_at:
            self.ends_at = (now // self.period_s + 1) * self.period_s
            self._leased, self._unleased, self.spent = 0, self.limit, False
        return self._leased > 0

    def take(self) -> None:
        """Let one through."""
        self._leased -= 1

    def give_back(self) -> None:
        """Take back one that another window did not let through."""
        self._leased += 1

    async def lease(self, now: float) -> None:
        """Take some on lease, unless somebody else has meanwhile; none means that the window is spent."""
        window = self.ends_at
        async with self._leasing:
            if self._leased or self.spent or self.ends_at != window:
                return
            want = max(1, min(self.limit // _LEASE_SHARE, self._unleased // _LEFT_SHARE))
            counter = f"{self._counter}:{int(now // self.period_s)}"
            grant = await self._ledger.grant(Take(counter, want, self.limit, self.period_s + MINUTE_S))
            if self.ends_at == window:
                self._leased += grant.given
                self._unleased = max(self.limit - grant.total, 0)
                self.spent = grant.given == 0
