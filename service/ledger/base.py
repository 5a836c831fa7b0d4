"""What every ledger keeps to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

USAGE_DAYS: Final = 400
"""How long lines of usage are kept."""


class LedgerError(Exception):
    """A backend cannot be used; the message says why, for an operator."""


class Take(NamedTuple):
    """So much of what a counter may come to; `lasts_s` is how long the counter lives from its first use."""

    counter: str
    amount: int
    limit: int
    lasts_s: int


class Taken(NamedTuple):
    """What came of takes: the place of the first that did not fit, or None; and what the counters came to."""

    refused: int | None
    totals: tuple[int, ...]


class Grant(NamedTuple):
    """How much was given of what was wanted, and what the counter came to."""

    given: int
    total: int


class Line(NamedTuple):
    """What usage is told apart by; `day` is a date of UTC in ISO 8601."""

    day: str
    owner: str
    model: str
    prompt: str


class Counts(NamedTuple):
    """Calls of the model and what they came to, in tokens and billionths of a US dollar.

    `unpriced_calls` are those whose price is not known; they cost nothing here.
    """

    calls: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    nano_usd: int = 0
    unpriced_calls: int = 0

    def plus(self, other: Counts) -> Counts:
        """The sum of both."""
        return Counts(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


class Ledger(ABC):
    """Counters, lines of usage and links, shared by whoever opens the same URL.

    Every method may raise LedgerError, but those of `SteadyLedger`.
    """

    @property
    def problem(self) -> str | None:
        """Why the ledger does less than it should, in words for an operator, or None while it works."""
        return None

    @abstractmethod
    async def take(self, takes: Sequence[Take]) -> Taken:
        """Take all, or nothing if one of them would bring its counter over its limit."""

    @abstractmethod
    async def grant(self, take: Take) -> Grant:
        """Take as much of the amount as is left."""

    @abstractmethod
    async def add(self, amounts: Sequence[Take]) -> None:
        """Add amounts, which may be negative, to counters, whatever their limits."""

    @abstractmethod
    async def read(self, counter: str) -> int:
        """What a counter has come to."""

    @abstractmethod
    async def record(self, lines: Mapping[Line, Counts]) -> None:
        """Add to lines of usage."""

    @abstractmethod
    async def usage(self, days: Sequence[str]) -> dict[Line, Counts]:
        """The lines of usage of those days."""

    @abstractmethod
    async def link(self, group: str, members: Sequence[str], lasts_s: int) -> None:
        """Make `members` belong to `group`; each lasts so long from its last link at least."""

    @abstractmethod
    async def members(self, group: str) -> list[str]:
        """What belongs to a group."""

    @abstractmethod
    async def unlink(self, group: str, members: Sequence[str]) -> None:
        """Take members out of a group."""

    @abstractmethod
    async def aclose(self) -> None:
        """Let go of everything. Closing twice is fine."""
