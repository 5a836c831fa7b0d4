"""A ledger that goes on in memory while its backend is away."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Final

from service.ledger.base import Counts, Grant, Ledger, LedgerError, Line, Take, Taken
from service.ledger.memory import MemoryLedger

_log = logging.getLogger(__name__)
_MOST_OWED: Final = 10_000


class SteadyLedger(Ledger):
    """Raises no LedgerError: while `backend` is away, each process goes on counting for itself.

    It goes on from the totals that it saw last, so that limits still end where they should, but for what
    other processes use meanwhile; what was counted alone is handed in when the backend is back.
    """

    def __init__(self, backend: Ledger) -> None:
        self._backend = backend
        self._local = MemoryLedger()
        self._owed: dict[str, Take] = {}
        self._owed_lines: dict[Line, Counts] = {}
        self._problem: str | None = None

    @property
    def problem(self) -> str | None:
        """Why each process counts for itself, or None while they count together."""
        return self._problem

    async def take(self, takes: Sequence[Take]) -> Taken:
        """See `Ledger.take`."""
        try:
            taken = await self._backend.take(takes)
        except LedgerError as exc:
            self._note(exc)
            taken = await self._local.take(takes)
            if taken.refused is None:
                self._owe(takes)
            return taken
        for take, total in zip(takes, taken.totals, strict=True):
            self._local.set(take.counter, total, take.lasts_s)
        await self._settle()
        return taken

    async def grant(self, take: Take) -> Grant:
        """See `Ledger.grant`."""
        try:
            grant = await self._backend.grant(take)
        except LedgerError as exc:
            self._note(exc)
            grant = await self._local.grant(take)
            self._owe([take._replace(amount=grant.given)])
            return grant
        self._local.set(take.counter, grant.total, take.lasts_s)
        await self._settle()
        return grant

    async def add(self, amounts: Sequence[Take]) -> None:
        """See `Ledger.add`."""
        await self._local.add(amounts)
        try:
            await self._backend.add(amounts)
        except LedgerError as exc:
            self._note(exc)
            self._owe(amounts)
        else:
            await self._settle()

    async def read(self, counter: str) -> int:
        """See `Ledger.read`."""
        try:
            total = await self._backend.read(counter)
        except LedgerError as exc:
            self._note(exc)
            return await self._local.read(counter)
        await self._settle()
        return total

    async def record(self, lines: Mapping[Line, Counts]) -> None:
        """See `Ledger.record`."""
        owed, self._owed_lines = self._owed_lines, {}
        for line, counts in lines.items():
            owed[line] = owed.get(line, Counts()).plus(counts)
        try:
            await self._backend.record(owed)
        except LedgerError as exc:
            self._note(exc)
            self._owed_lines = dict(list(owed.items())[-_MOST_OWED:])
        else:
            await self._settle()

    async def usage(self, days: Sequence[str]) -> dict[Line, Counts]:
        """See `Ledger.usage`; without the backend, what this process has not handed in."""
        try:
            return await self._backend.usage(days)
        except LedgerError as exc:
            self._note(exc)
            return {line: counts for line, counts in self._owed_lines.items() if line.day in set(days)}

    async def link(self, group: str, members: Sequence[str], lasts_s: int) -> None:
        """See `Ledger.link`."""
        try:
            await self._backend.link(group, members, lasts_s)
        except LedgerError as exc:
            self._note(exc)
            await self._local.link(group, members, lasts_s)

    async def members(self, group: str) -> list[str]:
        """See `Ledger.members`."""
        found = await self._local.members(group)
        try:
            found += await self._backend.members(group)
        except LedgerError as exc:
            self._note(exc)
        return list(dict.fromkeys(found))

    async def unlink(self, group: str, members: Sequence[str]) -> None:
        """See `Ledger.unlink`."""
        await self._local.unlink(group, members)
        try:
            await self._backend.unlink(group, members)
        except LedgerError as exc:
            self._note(exc)

    async def aclose(self) -> None:
        """Hand in what is owed, if that works, and close the backend."""
        await self._settle()
        await self._backend.aclose()

    def _note(self, error: LedgerError) -> None:
        if self._problem is None:
            _log.warning("%s; limits and budgets hold for each process by itself until it answers", error)
        self._problem = str(error)

    def _owe(self, takes: Sequence[Take]) -> None:
        for take in takes:
            owed = self._owed.pop(take.counter, take._replace(amount=0))
            self._owed[take.counter] = owed._replace(amount=owed.amount + take.amount)
        while len(self._owed) > _MOST_OWED:
            del self._owed[next(iter(self._owed))]

    async def _settle(self) -> None:
        """The backend answers: hand in what was counted without it."""
        if self._problem is None:
            return
        owed, self._owed = list(self._owed.values()), {}
        try:
            await self._backend.add(owed)
        except LedgerError as exc:
            self._note(exc)
            self._owe(owed)
        else:
            self._problem = None
