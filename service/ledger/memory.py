"""The ledger in this process's memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from service.ledger.base import USAGE_DAYS, Counts, Grant, Ledger, Line, Take, Taken

_TIDY_AFTER: Final = 1_000  # changes between two looks for what has expired
_MOST_LINES: Final = 10_000
_MOST_MEMBERS: Final = 100_000


class MemoryLedger(Ledger):
    """Bounded, and gone with the process; `clock` gives seconds since the epoch."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._counters: dict[str, tuple[int, float]] = {}
        self._lines: dict[Line, Counts] = {}
        self._groups: dict[str, dict[str, float]] = {}
        self._members = 0
        self._changes = 0

    async def take(self, takes: Sequence[Take]) -> Taken:
        """See `Ledger.take`."""
        totals = tuple(self._value(take.counter) for take in takes)
        for place, (take, total) in enumerate(zip(takes, totals, strict=True)):
            if total + take.amount > take.limit:
                return Taken(place, totals)
        return Taken(None, tuple(self._add(take) for take in takes))

    async def grant(self, take: Take) -> Grant:
        """See `Ledger.grant`."""
        given = max(min(take.amount, take.limit - self._value(take.counter)), 0)
        return Grant(given, self._add(take._replace(amount=given)))

    async def add(self, amounts: Sequence[Take]) -> None:
        """See `Ledger.add`."""
        for amount in amounts:
            self._add(amount)

    async def read(self, counter: str) -> int:
        """See `Ledger.read`."""
        return self._value(counter)

    def set(self, counter: str, total: int, lasts_s: int) -> None:
        """What a counter has come to elsewhere."""
        _, expires_at = self._counters.get(counter, (0, self._clock() + lasts_s))
        self._counters[counter] = (total, expires_at)
        self._tidy()

    async def record(self, lines: Mapping[Line, Counts]) -> None:
        """See `Ledger.record`; the oldest lines go when there are too many."""
        for line, counts in lines.items():
            self._lines[line] = self._lines.pop(line, Counts()).plus(counts)
        while len(self._lines) > _MOST_LINES:
            del self._lines[next(iter(self._lines))]

    async def usage(self, days: Sequence[str]) -> dict[Line, Counts]:
        """See `Ledger.usage`."""
        wanted = set(days)
        return {line: counts for line, counts in self._lines.items() if line.day in wanted}

    async def link(self, group: str, members: Sequence[str], lasts_s: int) -> None:
        """See `Ledger.link`; the oldest groups go when there are too many members."""
        known, until = self._groups.setdefault(group, {}), self._clock() + lasts_s
        for member in members:
            self._members += member not in known
            known[member] = max(known.get(member, 0.0), until)
        self._tidy()
        while self._members > _MOST_MEMBERS:
            self._members -= len(self._groups.pop(next(iter(self._groups))))

    async def members(self, group: str) -> list[str]:
        """See `Ledger.members`."""
        now = self._clock()
        return [m for m, expires_at in self._groups.get(group, {}).items() if expires_at > now]

    async def unlink(self, group: str, members: Sequence[str]) -> None:
        """See `Ledger.unlink`."""
        known = self._groups.get(group, {})
        for member in members:
            self._members -= known.pop(member, None) is not None
        if not known:
            self._groups.pop(group, None)

    async def aclose(self) -> None:
        """Nothing is open."""

    def _value(self, counter: str) -> int:
        total, expires_at = self._counters.get(counter, (0, 0.0))
        return total if expires_at > self._clock() else 0

    def _add(self, take: Take) -> int:
        now = self._clock()
        total, expires_at = self._counters.get(take.counter, (0, 0.0))
        if expires_at <= now:
            total, expires_at = 0, now + take.lasts_s
        self._counters[take.counter] = (total + take.amount, expires_at)
        self._tidy()
        return total + take.amount

    def _tidy(self) -> None:
        self._changes += 1
        if self._changes < _TIDY_AFTER:
            return
        self._changes, now = 0, self._clock()
        self._counters = {name: kept for name, kept in self._counters.items() if kept[1] > now}
        self._groups = {
            group: alive
            for group, members in self._groups.items()
            if (alive := {m: t for m, t in members.items() if t > now})
        }
        self._members = sum(map(len, self._groups.values()))
        oldest = time.strftime("%Y-%m-%d", time.gmtime(now - USAGE_DAYS * 86_400))
        self._lines = {line: counts for line, counts in self._lines.items() if line.day >= oldest}
